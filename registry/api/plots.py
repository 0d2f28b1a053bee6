"""Pictures of constants, of their differences, of validity and of history: ``registry.plots``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.api.backend import InstantLike, Noun
from registry.detectors import parse_detector_id
from registry.errors import RequestError
from registry.identifiers import Dataset, is_dataset, is_m_number
from registry.lookup.resolution import ArrayRequest
from registry.lookup.revisions import AsOf
from registry.parallel import Progress, no_progress
from registry.plots.files import PictureFile, check_picture_file
from registry.records import Picture

_MAX_DIGITS = 19  # of a version's number


class Plots(Noun):
    """``registry.plots``: draw constants and their validity into files.

    The suffix of `output` selects PNG, SVG or PDF; by default the picture is a PNG in the working folder, named
    after what it shows. It is written completely or not at all. All methods raise:

    RequestError
        The name has another suffix, or the request cannot be drawn.
    ConflictError
        The file exists and `force` is not set.
    UnavailableError
        matplotlib is not installed, or the file cannot be written.
    NotFoundError
        The target is not known.
    CorruptionError
        A stored file is missing or damaged.
    """

    def constants(
        self,
        target: str | int,
        output: str | Path | None = None,
        *,
        source: str | None = None,
        at: InstantLike | None = None,
        types: Sequence[str] | None = None,
        gain_ranges: Sequence[int] | None = None,
        as_of: AsOf = None,
        force: bool = False,
        progress: Progress = no_progress,
    ) -> Picture:
        """Draw a map of each panel, kind and gain range, with its dead and odd pixels marked and counted.

        Parameters
        ----------
        target
            A version's number, a dataset or a detector Id.
        source, at, types
            As for `Registry.constants`; they cannot be given with a version.
        gain_ranges
            By default all.

        Raises
        ------
        NotValidError
            The version is a gap; or as for `Registry.constants`.
        """
        file = _prepare_file(output, f"constants-{_name_target(target)}", force=force)
        from registry.api.array_pictures import draw_constants

        request: ArrayRequest | int
        if isinstance(target, int) or _is_number(target):
            request = int(target)
            if source is not None or at is not None or types:
                raise RequestError(
                    "a version has its own panel, time and kind: a source, an instant or types cannot be given with it",
                    version=request,
                )
        else:
            instant = self._backend.parse_optional_instant(at, as_of)
            request = ArrayRequest(target, source, instant, tuple(types or ()))
        return draw_constants(self._backend, file, request, gain_ranges, as_of, progress)

    def diff(
        self,
        before: int,
        after: int,
        output: str | Path | None = None,
        *,
        relative: bool = False,
        gain_ranges: Sequence[int] | None = None,
        as_of: AsOf = None,
        force: bool = False,
    ) -> Picture:
        """Draw what changed from one version to another of the same kind: maps around zero, and histograms.

        Parameters
        ----------
        relative
            Draw the differences in percent of the values before, not in the unit of the kind.
        gain_ranges
            By default all.

        Raises
        ------
        NotValidError
            A version is a gap.
        """
        file = _prepare_file(output, f"diff-{before}-{after}", force=force)
        from registry.api.array_pictures import draw_difference

        return draw_difference(
            self._backend, file, before, after, as_of, relative=relative, gain_ranges=gain_ranges
        )

    def validity(
        self,
        target: str,
        output: str | Path | None = None,
        *,
        source: str | None = None,
        kinds: Sequence[str] | None = None,
        as_of: AsOf = None,
        force: bool = False,
    ) -> Picture:
        """Draw the validity ranges of each panel and kind on a line, and the registered runs of the panel.

        Parameters
        ----------
        target
            A panel Id, an M-number, a detector Id, or a dataset, whose start time is drawn too.
        kinds
            By default all.
        """
        file = _prepare_file(output, f"validity-{_name_target(target)}", force=force)
        from registry.api.timeline_pictures import draw_validity

        return draw_validity(self._backend, file, target, source, kinds, as_of)

    def history(
        self,
        target: str,
        output: str | Path | None = None,
        *,
        kinds: Sequence[str] | None = None,
        as_of: AsOf = None,
        force: bool = False,
        progress: Progress = no_progress,
    ) -> Picture:
        """Draw the median of every version of a panel over time, by kind and gain range, with its spread.

        Parameters
        ----------
        target
            A panel Id, or an M-number for every panel under it.
        kinds
            By default those that the detector type requires (for Jungfrau gain and offset).
        """
        file = _prepare_file(output, f"history-{_name_target(target)}", force=force)
        from registry.api.timeline_pictures import draw_trend

        return draw_trend(self._backend, file, target, kinds, as_of, progress)


def _prepare_file(output: str | Path | None, name: str, *, force: bool) -> PictureFile:
    return check_picture_file(Path(f"{name}.png") if output is None else Path(output), force=force)


def _is_number(target: str) -> bool:
    return target.isascii() and target.isdecimal() and len(target) <= _MAX_DIGITS


def _name_target(target: str | int) -> str:
    """Return the target as a part of a file name; refuse one that is not a valid name."""
    if isinstance(target, int) or _is_number(target):
        return f"version-{target}"
    if is_m_number(target):
        return target
    if is_dataset(target):
        dataset = Dataset.parse(target)
        return f"{dataset.experiment}-run-{dataset.run}"
    panels = parse_detector_id(target)
    return panels[0] if len(panels) == 1 else f"{panels[0]}-and-{len(panels) - 1}-more"
