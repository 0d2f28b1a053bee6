"""Search for the sensor of a map among the patterns of live versions, and of a batch that is not recorded yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from registry.instants import Instant
from registry.lookup.file_uses import Module, list_live_uses
from registry.lookup.patterns import list_files_of_module, read_samples, read_signs
from registry.patterns import (
    FITTING,
    OWN_FITTING,
    Fit,
    Orientation,
    Outcome,
    Pattern,
    find_best_fit,
    find_candidates,
    judge,
)

_CANDIDATES = 20


class KnownMap(NamedTuple):
    """A map with a pattern.

    Attributes
    ----------
    where
        A clause that says which version, or which part of a batch, has it.
    version
        The number of the version, None in a batch; so are its panel and its start.
    """

    file: str
    samples: NDArray[np.int8]
    module: Module
    where: str
    version: int | None = None
    panel: str | None = None
    valid_from: Instant | None = None


class FittedMap(NamedTuple):
    """The known map that fits best, and how well."""

    known: KnownMap
    fit: Fit

    def __str__(self) -> str:
        turned = self.fit.orientation is not Orientation.AS_IT_IS
        how = f" {self.fit.orientation}" if turned else ""
        return f"{self.fit.correlation:.2f}{how} with {self.known.where}"


class Finding(NamedTuple):
    """The verdict on a map that is said to be of a module, from the best fits to the module's maps and to others'."""

    outcome: Outcome
    own: FittedMap | None
    rival: FittedMap | None

    @property
    def is_refused(self) -> bool:
        """Tell whether the map is of another sensor, or turned."""
        return self.outcome in {Outcome.OTHER, Outcome.TURNED}

    @property
    def fits_two_modules(self) -> bool:
        """Tell whether the map fits its own module and another one, too: both are of one sensor, or it is mixed."""
        fits_other = self.rival is not None and self.rival.fit.correlation >= FITTING
        return self.outcome is Outcome.OWN and fits_other


class PatternIndex:
    """The patterns of live versions as of a revision, and those of a batch beside them.

    Parameters
    ----------
    superseded
        The numbers of versions that count as withdrawn.
    """

    def __init__(
        self,
        connection: sa.Connection,
        revision: int | None = None,
        *,
        batch: Sequence[KnownMap] = (),
        superseded: Collection[int] = (),
    ) -> None:
        self._connection = connection
        self._revision = revision
        self._superseded = superseded
        self._batch: dict[str, list[KnownMap]] = defaultdict(list)
        for known in batch:
            self._batch[known.file].append(known)
        recorded = read_signs(connection, revision)
        new = self._batch.keys() - set(recorded.files)
        rows = [recorded.signs]
        rows += [np.packbits(self._batch[file][0].samples > 0)[np.newaxis] for file in sorted(new)]
        self._files = [*recorded.files, *sorted(new)]
        self._signs = np.concatenate(rows)

    def judge_map(self, file: str, pattern: Pattern, module: Module, kind: str) -> Finding:
        """Return the verdict on a map that is said to be of a module; what its batch says of this file is ignored."""
        if not self._files:
            return Finding(Outcome.NEW, None, None)
        own_files = list_files_of_module(self._connection, module, kind, self._revision)
        own_files |= {
            known.file
            for maps in self._batch.values()
            for known in maps
            if known.file != file and known.module.is_same(module)
        }
        is_own = np.array([name in own_files for name in self._files], np.bool_)
        own, others = [], []
        for rows in (np.flatnonzero(is_own), np.flatnonzero(~is_own)):
            for known in self._find_live_maps(pattern, rows):
                if not known.module.is_same(module):
                    others.append(known)
                elif known.file != file or known.version is not None:
                    own.append(known)
        best_own, best_other = _fit(pattern, own), _fit(pattern, others)
        verdict = judge(best_own and best_own.fit, best_other and best_other.fit)
        return Finding(verdict.outcome, best_own, best_other)

    def rank_maps(self, pattern: Pattern) -> list[FittedMap]:
        """Return the live maps that fit best, of whatever module, the best first; one for each panel that has it."""
        live = self._find_live_maps(pattern, np.arange(len(self._files)))
        ranked = [fitted for known in live if (fitted := _fit(pattern, [known])) is not None]
        return sorted(ranked, key=lambda fitted: -fitted.fit.correlation)

    def _find_live_maps(self, pattern: Pattern, rows: NDArray[np.intp]) -> list[KnownMap]:
        """Return the live maps, among the files in these rows, whose signs agree best.

        Files of versions that are not live are passed over, however many of the same sensor there are.
        """
        order = rows[find_candidates(pattern, self._signs[rows], limit=len(rows))]
        live: list[KnownMap] = []
        for start in range(0, len(order), _CANDIDATES):
            files = [self._files[index] for index in order[start : start + _CANDIDATES]]
            samples = read_samples(self._connection, files)
            live += self._list_maps(files, samples)
            samples |= {file: self._batch[file][0].samples for file in files if file in self._batch}
            best = find_best_fit(pattern, np.array(list(samples.values())))
            if len(live) >= _CANDIDATES or best is None or best.correlation < OWN_FITTING:
                break
        return live

    def _list_maps(self, files: Sequence[str], samples: Mapping[str, NDArray[np.int8]]) -> Iterator[KnownMap]:
        """Yield the maps of files, one for each panel that has it in live versions, and for each use in the batch."""
        uses = list_live_uses(self._connection, samples, self._revision, superseded=self._superseded)
        for use in uses:
            yield KnownMap(
                use.sha256,
                samples[use.sha256],
                use.module,
                str(use),
                use.version,
                use.panel,
                use.valid_from,
            )
        for file in files:
            yield from self._batch.get(file, ())


def _fit(pattern: Pattern, maps: Sequence[KnownMap]) -> FittedMap | None:
    fit = find_best_fit(pattern, np.array([known.samples for known in maps])) if maps else None
    return None if fit is None else FittedMap(maps[fit.index], fit)
