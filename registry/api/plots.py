"""Pictures of constants, of their differences, of validity and of history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.api.backend import Backend, InstantLike
from registry.detectors import parse_detector_id
from registry.identifiers import Dataset, is_dataset, is_m_number
from registry.lookup.revisions import AsOf
from registry.parallel import Progress, no_progress
from registry.plots.files import PictureFile, check_picture_file
from registry.records import Picture


class Plots:
    """``registry.plots``: draw constants and their validity into files.

    Every picture is written whole or not at all, as PNG or SVG by the suffix of its name. Without a name it is
    a PNG in the working folder, named for what it shows. They all raise:

    RequestError
        The name has another suffix, or what is asked for cannot be drawn.
    ConflictError
        The file is there already, and `force` is not set.
    UnavailableError
        matplotlib is not installed, or the file cannot be written.
    NotFoundError
        What is to be drawn is not known.
    CorruptionError
        A stored file is not what was recorded.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

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
            As `Registry.constants`; a version has its own.
        gain_ranges
            By default all.

        Raises
        ------
        NotValidError
            The version is a gap; or as `Registry.constants`.
        """
        file = _prepare_file(output, f"constants-{_name_target(target)}", force=force)
        from registry.api.array_pictures import ConstantsRequest, draw_constants

        request = ConstantsRequest(
            str(target),
            source,
            self._backend.parse_optional_instant(at),
            tuple(types or ()),
            version=int(target) if isinstance(target, int) or _is_number(target) else None,
            gain_ranges=gain_ranges,
            as_of=as_of,
        )
        return draw_constants(self._backend, request, file, progress)

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
            In percent of the values before, instead of the unit of the kind.
        gain_ranges
            By default all.

        Raises
        ------
        NotValidError
            One is a gap.
        """
        file = _prepare_file(output, f"diff-{before}-{after}", force=force)
        from registry.api.array_pictures import DifferenceRequest, draw_difference

        return draw_difference(
            self._backend, DifferenceRequest(before, after, relative, gain_ranges, as_of), file
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
        """Draw what is valid when: a line for each panel and kind, and the registered runs that used the panel.

        Parameters
        ----------
        target
            A panel Id, an M-number, a detector Id, or a dataset, whose begin is drawn too.
        kinds
            By default every kind.
        """
        file = _prepare_file(output, f"validity-{_name_target(target)}", force=force)
        from registry.api.timeline_pictures import TimesRequest, draw_validity

        return draw_validity(self._backend, TimesRequest(target, source, kinds, as_of), file)

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
            A panel Id, or an M-number: every panel under it.
        kinds
            By default those that the detector type requires (for Jungfrau gain and offset).
        """
        file = _prepare_file(output, f"history-{_name_target(target)}", force=force)
        from registry.api.timeline_pictures import TimesRequest, draw_trend

        return draw_trend(self._backend, TimesRequest(target, None, kinds, as_of), file, progress)


def _prepare_file(output: str | Path | None, name: str, *, force: bool) -> PictureFile:
    return check_picture_file(Path(f"{name}.png") if output is None else Path(output), force=force)


def _is_number(target: str) -> bool:
    return target.isascii() and target.isdecimal()


def _name_target(target: str | int) -> str:
    """Return what the name of a picture says of its target.

    Raises
    ------
    IdentifierError
        The target is no name of the field.
    """
    if isinstance(target, int) or _is_number(target):
        return f"version-{target}"
    if is_m_number(target):
        return target
    if is_dataset(target):
        dataset = Dataset.parse(target)
        return f"{dataset.experiment}-run-{dataset.run}"
    panels = parse_detector_id(target)
    return panels[0] if len(panels) == 1 else f"{panels[0]}-and-{len(panels) - 1}-more"
