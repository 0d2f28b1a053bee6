"""Pictures of constants, of their differences, of validity and of history: ``registry.plots``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from registry.api.backend import InstantLike, Noun
from registry.api.picture_paths import choose_path, is_version_number, refuse_options_of_detectors
from registry.errors import RequestError
from registry.identifiers import Dataset
from registry.lookup.revisions import AsOf
from registry.lookup.targets import parse_target
from registry.parallel import Progress, no_progress
from registry.plots.files import PictureFile, check_picture_file, open_buffer
from registry.records import InlinePicture, Picture


class Plots(Noun):
    """``registry.plots``: draw constants and their validity, into files or for a notebook.

    The suffix of `output` selects PNG, SVG or PDF; the file is written completely or not at all. Without `output` the
    picture is a PNG in memory, an `InlinePicture`, which a notebook shows where it is the last value of a cell.
    All methods raise:

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
        target: str | int | Path,
        output: str | Path | None = None,
        *,
        source: str | None = None,
        at: InstantLike | None = None,
        types: Sequence[str] | None = None,
        gain_ranges: Sequence[int] | None = None,
        geometry: str | Path | None = None,
        panels: bool = False,
        as_of: AsOf = None,
        force: bool = False,
        progress: Progress = no_progress,
    ) -> Picture:
        """Draw maps of constants, with dead and odd pixels marked and counted.

        Of a detector all panels are on one map for each kind and gain range, with a table of the panels. Of one panel,
        a version or files there is a map for each kind and gain range, with the medians of the ASICs and a histogram.

        Parameters
        ----------
        target
            A version's number, a dataset or a detector Id. A path, or a text with a ``/`` in it, is that of a folder
            or of a maker's file, of which nothing needs to be registered; so is the name of one in the working folder
            that is not a name of the registry.
        source, at, types
            As for `Registry.constants`; of these only `types` can be given with a path, and none with a version.
        gain_ranges
            By default all; of a detector on one map gain range 0.
        geometry
            A geometry file of psana or CrystFEL, by which the detector is assembled.
        panels
            Draw a map for each panel.

        Raises
        ------
        NotValidError
            The version is a gap; or as for `Registry.constants`.
        ArrayError
            The files cannot be taken for constants.
        """
        path = choose_path(target, self._is_known_name)
        if path is not None:
            return draw_path(
                path,
                output,
                types=types,
                gain_ranges=gain_ranges,
                force=force,
                progress=progress,
                source=source,
                at=at,
                as_of=as_of,
                geometry=geometry,
                panels=panels,
            )
        name = target if isinstance(target, int) else str(target)
        _name_target(name)  # refused before anything else
        from registry.api.array_pictures import Form, draw_constants, read_request

        form = Form(gain_ranges, None if geometry is None else Path(geometry), panels)

        def draw(file: PictureFile) -> Picture:
            request = read_request(self._backend, name, source, at, types, as_of)
            if isinstance(request, int):
                refuse_options_of_detectors("a version", geometry=geometry, panels=panels)
            if geometry is not None and panels:
                raise RequestError(
                    "a geometry assembles the panels: they cannot have maps of their own with it"
                )
            return draw_constants(self._backend, file, request, form, as_of, progress)

        return _draw(output, draw, force=force)

    def _is_known_name(self, name: str) -> bool:
        """Tell whether a name is that of a detector in the newest revision."""
        from registry.api.array_questions import is_detector_name

        return self._backend.answer(is_detector_name, name)

    def diff(
        self,
        before: int,
        after: int,
        output: str | Path | None = None,
        *,
        relative: bool = False,
        without_uniform: bool = False,
        gain_ranges: Sequence[int] | None = None,
        as_of: AsOf = None,
        force: bool = False,
    ) -> Picture:
        """Draw what changed from one version to another of the same kind: maps around zero, and histograms.

        The median change of each ASIC is written over it.

        Parameters
        ----------
        relative
            Draw the differences in percent of the values before, not in the unit of the kind.
        without_uniform
            Subtract the uniform part of the change, see `ArrayChange`: a scale for gain and rms, else a shift.
        gain_ranges
            By default all.

        Raises
        ------
        NotValidError
            A version is a gap.
        """
        from registry.api.difference_pictures import draw_difference

        def draw(file: PictureFile) -> Picture:
            return draw_difference(
                self._backend,
                file,
                before,
                after,
                as_of,
                relative=relative,
                without_uniform=without_uniform,
                gain_ranges=gain_ranges,
            )

        return _draw(output, draw, force=force)

    def validity(
        self,
        target: str,
        output: str | Path | None = None,
        *,
        source: str | None = None,
        kinds: Sequence[str] | None = None,
        at: InstantLike | None = None,
        as_of: AsOf = None,
        force: bool = False,
    ) -> Picture:
        """Draw the validity ranges of each panel in a row, and above all rows the runs that read the panels out.

        Parameters
        ----------
        target
            A panel Id, an M-number, a detector Id, or a dataset, whose start time is drawn too.
        kinds
            By default all.
        at
            Where a line goes through all rows, ``now`` for instance: by default when the revision was recorded, so
            that the picture is the same whenever it is drawn.
        """
        _name_target(target)
        from registry.api.timeline_pictures import draw_validity

        instant = self._backend.parse_optional_instant(at, as_of)

        def draw(file: PictureFile) -> Picture:
            return draw_validity(self._backend, file, target, source, kinds, instant, as_of)

        return _draw(output, draw, force=force)

    def history(
        self,
        target: str,
        output: str | Path | None = None,
        *,
        source: str | None = None,
        kinds: Sequence[str] | None = None,
        units: bool = False,
        percent: bool = False,
        as_of: AsOf = None,
        force: bool = False,
        progress: Progress = no_progress,
    ) -> Picture:
        """Draw the median of every version of panels over time, by kind and gain range, since their first versions.

        Up to five panels have their own styles and the spread of their pixels; of more, the furthest are named.

        Parameters
        ----------
        target
            A panel Id, an M-number for every panel under it, a detector Id, or a dataset.
        source
            Of a dataset with several sources, the one whose panels are drawn.
        kinds
            By default those that the detector type requires (for Jungfrau gain and offset).
        units
            Draw the medians in the unit of the kind. By default they are changes since the first version in percent;
            in the unit where usual values lie on both sides of zero (offset).
        percent
            Draw changes in percent of those kinds, too.
        """
        if units and percent:
            raise RequestError("values in their unit are not changes in percent: choose one of the two")
        _name_target(target)
        from registry.api.timeline_pictures import draw_trend

        def draw(file: PictureFile) -> Picture:
            return draw_trend(
                self._backend,
                file,
                target,
                source,
                kinds,
                as_of,
                progress,
                in_units=units,
                in_percent=percent,
            )

        return _draw(output, draw, force=force)


def draw_path(
    path: Path,
    output: str | Path | None,
    *,
    types: Sequence[str] | None,
    gain_ranges: Sequence[int] | None,
    force: bool,
    progress: Progress,
    **options: object,
) -> Picture:
    """Draw the constants in files, without a registry, and refuse other options; see `Plots.constants`."""
    refuse_options_of_detectors("a path", **options)
    from registry.api.file_pictures import draw_files

    return _draw(output, lambda file: draw_files(file, path, types or (), gain_ranges, progress), force=force)


def name_picture(verb: str, *targets: str | int) -> Path:
    """Return the name of a PNG after what it shows; refuse a target that is not a valid name."""
    names = map(str, targets) if verb == "diff" else map(_name_target, targets)
    return Path(f"{'-'.join((verb, *names))}.png")


def _draw(output: str | Path | None, draw: Callable[[PictureFile], Picture], *, force: bool) -> Picture:
    """Draw a picture into its file; without one, return it with its content."""
    if output is not None:
        return draw(check_picture_file(Path(output), force=force))
    file = open_buffer("png")
    drawn = draw(file)
    return InlinePicture(None, drawn.revision, drawn.pixels, drawn.warnings, file.buffer.getvalue())


def _name_target(target: str | int) -> str:
    """Return the target as a part of a file name; refuse one that is not a valid name."""
    if isinstance(target, int) or is_version_number(target):
        return f"version-{target}"
    parsed = parse_target(target)
    if parsed.category == "run":
        dataset = Dataset.parse(target)
        return f"{dataset.experiment}-run-{dataset.run}"
    if len(parsed.identifiers) > 1:
        return f"{parsed.identifiers[0]}-and-{len(parsed.identifiers) - 1}-more"
    return parsed.identifiers[0] if parsed.identifiers else parsed.name
