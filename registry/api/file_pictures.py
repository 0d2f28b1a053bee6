"""Pictures of constants in files of which nothing is registered; no registry is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from registry.api.array_pictures import draw_panels
from registry.api.panel_maps import SHORT_DIGEST, Part, check_gain_ranges, count_pixels
from registry.arrays import parse_array
from registry.authorship import escape_undecodable
from registry.detectors import DetectorType
from registry.errors import ArrayError
from registry.files import open_input, sha256_of
from registry.identifiers import quote
from registry.importers import file_types, gain_maps, panel_folders
from registry.importers.gain_maps import GainMaps
from registry.importers.panel_folders import PanelFolder
from registry.parallel import Progress
from registry.plots.files import PictureFile
from registry.provenance.document import InputPanel
from registry.records import CheckedConstants, CheckedFile, Picture


def draw_files(
    file: PictureFile,
    path: Path,
    types: Sequence[str],
    gain_ranges: Sequence[int] | None,
    progress: Progress,
) -> Picture:
    """Draw the constants in a folder or a maker's file; see `Plots.constants`."""
    detector = file_types.find_files_type(path)
    wanted = check_gain_ranges(detector, gain_ranges)
    kinds = [detector.find_kind_of_type(name).name for name in types]
    with ExitStack() as stack:
        files: GainMaps | PanelFolder
        if gain_maps.is_gain_maps_file(path):
            files = stack.enter_context(
                gain_maps.convert_gain_maps(path, detector, kinds, allow_nonfinite=True, allow_odd=True)
            )
        else:
            files = panel_folders.read_panel_folder(
                path,
                detector,
                kinds or file_types.find_kinds(path, detector),
                allow_nonfinite=True,
                allow_odd=True,
            )
        return _draw(file, path, detector, files, wanted, progress)


def _draw(
    file: PictureFile,
    path: Path,
    detector: DetectorType,
    files: GainMaps | PanelFolder,
    gain_ranges: tuple[int, ...],
    progress: Progress,
) -> Picture:
    from registry.plots.subject import Subject

    name = escape_undecodable(str(path))
    if files.conversion is None:
        digests = ", ".join(
            f"{constants.kind} {constants.sha256[:SHORT_DIGEST]}" for constants in files.constants
        )
    else:
        digests = f"file {files.conversion.sha256[:SHORT_DIGEST]}"
    subject = Subject(
        title=f"Not registered: {quote(escape_undecodable(path.name) or name)}",
        subtitle=f"{detector.name}, as it is in {quote(name)}, no registry was asked; SHA-256: {digests}",
        detector=detector,
        kinds=tuple(detector.find_kind(constants.kind) for constants in files.constants),
        gain_ranges=gain_ranges,
        panels=(InputPanel(0, name, None, ()),),
        is_registered=False,
    )

    @contextmanager
    def open_parts() -> Iterator[Iterator[Part]]:
        yield _read_parts(detector, files.constants, gain_ranges)

    maps = draw_panels(file, subject, open_parts, progress)
    return Picture(str(file.path), None, count_pixels(subject, maps), tuple(files.warnings))


def _read_parts(
    detector: DetectorType, kinds: Sequence[CheckedConstants], gain_ranges: Sequence[int]
) -> Iterator[Part]:
    for constants in kinds:
        kind = detector.find_kind(constants.kind)
        for gain_range in gain_ranges:
            checked = constants.files[gain_range]
            array = parse_array(_read_again(checked), checked.path, detector.panel_shape, kind.dtype)
            yield Part(kind, gain_range, 0, array)


def _read_again(checked: CheckedFile) -> bytes:
    """Return the bytes of a file that was checked; refuse it if it is another one since."""
    with open_input(checked.path, "an array", ArrayError) as file:
        content = file.read(checked.size + 1)
    if sha256_of(content) != checked.sha256:
        raise ArrayError(f"{str(checked.path)!r} was changed while it was read", path=str(checked.path))
    return content
