"""Comparison of every live map with the other maps of its module, and with those of all other modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from registry.lookup.file_uses import Module
from registry.lookup.patterns import read_samples, read_signs
from registry.parallel import Progress
from registry.patterns import (
    CLEARLY_BETTER,
    FITTING,
    OWN_FITTING,
    Fit,
    Outcome,
    Pattern,
    find_best_fit,
    find_candidates,
    judge,
)

MapKey = tuple[str, Module]
"""A file, by SHA-256, and the module that has it."""

_CANDIDATES = 20


class Standing(IntEnum):
    """The support of a map by the others of its module; a map is not evidence for itself."""

    CONTRADICTED = 0  # there are others, and it fits none of them as it is
    ALONE = 1
    SUPPORTED = 2


class JudgedMap(NamedTuple):
    """The best fits of a map, without its own file, and what follows from them.

    Attributes
    ----------
    own, rival
        The best fit to the other maps of its module, and to those of other modules, each with the file that it is to.
    """

    outcome: Outcome
    own: Fit | None
    own_file: str | None
    rival: Fit | None
    rival_file: str | None

    @property
    def standing(self) -> Standing:
        """The standing of the map in its module."""
        if self.own is None:
            return Standing.ALONE
        return Standing.SUPPORTED if self.own.as_it_is >= OWN_FITTING else Standing.CONTRADICTED

    @property
    def has_rival(self) -> bool:
        """Tell whether another module has a map of the same sensor, which fits no worse than the module's own maps."""
        if self.rival is None or self.rival_file is None:
            return False
        if self.outcome is Outcome.OTHER:
            return True
        return (
            self.own is not None
            and self.standing is Standing.SUPPORTED
            and self.rival.correlation >= max(FITTING, self.own.correlation - CLEARLY_BETTER)
        )


def judge_live_maps(
    connection: sa.Connection, holders: Mapping[str, Sequence[Module]], progress: Progress
) -> dict[MapKey, JudgedMap]:
    """Return the judgement on each map with a pattern.

    Signs are read once; of the samples, those of one module and of the best candidates are in memory at a time.

    Parameters
    ----------
    holders
        By file, the modules that have it in live versions.
    """
    comparison = _Comparison(connection, holders)
    judged: dict[MapKey, JudgedMap] = {}
    with progress("comparing patterns", sum(map(len, comparison.modules))) as advance:
        for module in dict.fromkeys(module for modules in comparison.modules for module in modules):
            for file, result in comparison.judge_module(module):
                judged[file, module] = result
                advance()
    return judged


class _Comparison:
    """The signs of the files that are live, and the modules that have them."""

    def __init__(self, connection: sa.Connection, holders: Mapping[str, Sequence[Module]]) -> None:
        self._connection = connection
        stored = read_signs(connection)
        rows = [row for row, file in enumerate(stored.files) if file in holders]
        self._files = [stored.files[row] for row in rows]
        self._signs = stored.signs[rows]
        self.modules = [list(dict.fromkeys(holders[file])) for file in self._files]
        self._by_m_number: dict[str, set[int]] = defaultdict(set)
        self._by_serial_number: dict[str, set[int]] = defaultdict(set)
        self._without_m_number: dict[str, set[int]] = defaultdict(set)
        for row, modules in enumerate(self.modules):
            for module in modules:
                self._by_serial_number[module.serial_number].add(row)
                if module.m_number is None:
                    self._without_m_number[module.serial_number].add(row)
                else:
                    self._by_m_number[module.m_number].add(row)

    def judge_module(self, module: Module) -> Iterator[tuple[str, JudgedMap]]:
        """Yield the files that a module has, with the judgements on them."""
        own_rows = sorted(self._list_rows(module))
        samples = read_samples(self._connection, (self._files[row] for row in own_rows))
        for row in own_rows:
            if module in self.modules[row]:
                yield self._files[row], self._judge(row, own_rows, samples)

    def _list_rows(self, module: Module) -> set[int]:
        """Return the rows of the files of a module, by the rule of `Module.is_same`."""
        if module.m_number is None:
            return self._by_serial_number[module.serial_number]
        return self._by_m_number[module.m_number] | self._without_m_number[module.serial_number]

    def _judge(self, row: int, own_rows: Sequence[int], samples: Mapping[str, NDArray[np.int8]]) -> JudgedMap:
        pattern = Pattern(samples[self._files[row]])
        others = [self._files[other] for other in own_rows if other != row]
        own, own_file = _fit(pattern, others, samples)
        skipped = set(own_rows)
        closest = find_candidates(pattern, self._signs, _CANDIDATES + len(skipped))
        candidates = [self._files[index] for index in closest if index not in skipped][:_CANDIDATES]
        rival, rival_file = _fit(pattern, candidates, read_samples(self._connection, candidates))
        return JudgedMap(judge(own, rival).outcome, own, own_file, rival, rival_file)


def _fit(
    pattern: Pattern, files: Iterable[str], samples: Mapping[str, NDArray[np.int8]]
) -> tuple[Fit | None, str | None]:
    """Return the best fit to some files, and the file that it is to."""
    known = list(files)
    fit = find_best_fit(pattern, np.array([samples[file] for file in known])) if known else None
    return (None, None) if fit is None else (fit, known[fit.index])
