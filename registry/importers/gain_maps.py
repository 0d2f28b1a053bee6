"""The maker's gain maps, ``gainMaps_M049.bin``: float64 without a header, one stage after the other.

The detector type says which stages the file holds, and in which order; its size tells which of them are there.
Each becomes a file of the panel's shape and dtype, checked like any other; what the conversion did is recorded
with the version. The values are taken in the unit in which the field uses them (``maker_format`` of the type says
why); a file in another unit, or in another layout of the same size (`gain_map_layouts`), shows in the medians.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.lib import format as npy
from numpy.typing import NDArray

from registry.arrays import array_warnings, check_content
from registry.authorship import escape_undecodable
from registry.detectors import DetectorType, Kind, MakerFormat
from registry.errors import ArrayError, ConflictError, Remedy, RequestError
from registry.files import open_input, translate_os_errors
from registry.identifiers import extract_m_numbers, format_count
from registry.importers.gain_map_layouts import refuse_other_layout
from registry.records import CheckedConstants, CheckedFile, Conversion, ConvertedStage, Panel
from registry.registration.versions import build_constants


@dataclass(frozen=True, slots=True)
class GainMaps:
    """The converted maps; their files exist only as long as the conversion is open."""

    path: Path
    constants: tuple[CheckedConstants, ...]
    conversion: Conversion
    detector: str

    @property
    def warnings(self) -> list[str]:
        """Sentences on what is legal in the maps and yet worth a look."""
        return [warning for constants in self.constants for warning in constants.warnings]

    @property
    def notes(self) -> list[str]:
        """A sentence on the stages that were left out."""
        left_out = self.conversion.left_out
        note = f"{', '.join(left_out)} of {str(self.path)!r} are left out: not gain ranges of {self.detector}"
        return [note] if left_out else []


def is_gain_maps_file(path: Path) -> bool:
    """Tell whether a path is meant as the maker's file and not as a folder."""
    return path.suffix == ".bin" and not path.is_dir()


@contextmanager
def convert_gain_maps(
    path: Path,
    detector: DetectorType,
    kinds: Sequence[str] | None = None,
    *,
    allow_nonfinite: bool = False,
    allow_odd: bool = False,
) -> Iterator[GainMaps]:
    """Convert the maker's file; the converted files are removed at the end. Refused as by `convert_into`."""
    with make_conversion_folder() as folder:
        yield convert_into(
            folder, path, detector, kinds, allow_nonfinite=allow_nonfinite, allow_odd=allow_odd
        )


def convert_into(
    folder: Path,
    path: Path,
    detector: DetectorType,
    kinds: Sequence[str] | None = None,
    *,
    allow_nonfinite: bool = False,
    allow_odd: bool = False,
) -> GainMaps:
    """Convert the maker's file to files in a folder, which is empty.

    Raises
    ------
    RequestError
        The type has no such file, or another kind is asked for.
    ArrayError
        It is not a regular file, has another size or layout, or values that the type's files cannot hold or may not
        have.
    NotFoundError
        There is no such file.
    UnavailableError
        It cannot be read, or the converted files cannot be written.
    """
    maps = _find_format(path, detector, kinds)
    try:
        converted = _convert(
            path, maps, detector, folder, allow_nonfinite=allow_nonfinite, allow_odd=allow_odd
        )
    except ArrayError:
        refuse_other_layout(path, detector, maps)
        raise
    if any(constants.is_odd for constants in converted.constants):
        refuse_other_layout(path, detector, maps)
    return converted


def list_module_name_notes(path: Path, panels: Sequence[Panel]) -> list[str]:
    """Return what should be known of the M-number in the file's name, and in the name of what it links to.

    Raises
    ------
    ConflictError
        A panel bears another one: a mixed-up file, or a wrong panel.
    """
    name = repr(str(path))
    conflicts = find_module_name_conflicts(path, panels)
    if conflicts:
        raise ConflictError.combine("names of modules differ", conflicts, conflicts=conflicts)
    m_numbers = _extract_m_numbers(path)
    if not m_numbers:
        return [f"{name} has no M-number in its name: nothing shows whose maps they are"]
    return [
        f"{name} is named for {' and '.join(m_numbers)}, {panel.panel} bears no M-number: nothing shows that they"
        " belong together"
        for panel in panels
        if panel.alias is None
    ]


def find_module_name_conflicts(path: Path, panels: Sequence[Panel]) -> list[str]:
    """Return a sentence for each M-number in the name of a file or a folder that is not a panel's."""
    return [
        f"{str(path)!r} is named for {m_number}, {panel.panel} bears {panel.alias}: the maps of another module?"
        for panel in panels
        for m_number in _extract_m_numbers(path)
        if panel.alias not in (None, m_number)
    ]


def _extract_m_numbers(path: Path) -> list[str]:
    """Return the M-numbers in the name of a file, and in the name of what it links to, each once."""
    names = extract_m_numbers(path.name) + extract_m_numbers(Path(os.path.realpath(path)).name)
    return list(dict.fromkeys(names))


def _find_format(path: Path, detector: DetectorType, kinds: Sequence[str] | None) -> MakerFormat:
    maps = detector.maker_format
    if maps is None:
        raise RequestError(
            f"{str(path)!r} is a file, and how the maker of {detector.name} delivers maps is not known; a folder with"
            f" {detector.file_name(detector.kinds[0].name, 0)} and so on is expected"
        )
    others = [detector.find_kind(kind).name for kind in kinds or () if kind != maps.kind]
    if others:
        raise RequestError(
            f"{str(path)!r} holds {maps.kind} only, not {', '.join(others)}",
            remedy=Remedy.OMIT_KINDS,
            kinds=others,
        )
    return maps


@contextmanager
def make_conversion_folder() -> Iterator[Path]:
    """Make a temporary folder for converted maps, and remove it at the end."""
    with translate_os_errors("made", subject="a folder for the converted maps"):
        folder = tempfile.TemporaryDirectory(prefix="calreg-")
    with folder as name:
        yield Path(name)


def _convert(
    path: Path,
    maps: MakerFormat,
    detector: DetectorType,
    folder: Path,
    *,
    allow_nonfinite: bool,
    allow_odd: bool,
) -> GainMaps:
    kind = detector.find_kind(maps.kind)
    stages: list[ConvertedStage] = []
    files: list[CheckedFile] = []
    digest = hashlib.sha256()
    with open_input(path, "the maker's maps", ArrayError) as file:
        size = os.fstat(file.fileno()).st_size
        names = _find_stages(path, size, maps, detector.panel_shape)
        for gain_range, stage in enumerate(names):
            content = file.read(size // len(names))
            if len(content) != size // len(names):
                raise ArrayError(f"{str(path)!r} was changed while it was read", path=str(path))
            digest.update(content)
            if stage not in maps.stages:
                continue
            name = path / stage  # shown to people: the stage in the file
            array = np.frombuffer(content, maps.dtype).reshape(detector.panel_shape)
            rounded, absolute, relative = round_to_kind(array, kind, name)
            converted = encode_npy(rounded)
            checked = check_content(
                converted,
                name,
                detector,
                kind,
                gain_range,
                allow_nonfinite=allow_nonfinite,
                allow_odd=allow_odd,
            )
            with translate_os_errors("written", folder / stage, "the converted maps"):
                (folder / stage).write_bytes(converted)
            files.append(checked)
            stages.append(ConvertedStage(stage, gain_range, absolute, relative))
    conversion = Conversion(
        file=escape_undecodable(path.name),
        sha256=digest.hexdigest(),
        size=size,
        dtype=maps.dtype,
        stages=tuple(stages),
        left_out=names[len(maps.stages) :],
    )
    stored = [
        replace(checked, path=folder / stage) for checked, stage in zip(files, maps.stages, strict=True)
    ]
    constants = build_constants(detector.name, kind.name, stored, array_warnings(kind, files))
    return GainMaps(path, (constants,), conversion, detector.name)


def _find_stages(path: Path, size: int, maps: MakerFormat, shape: tuple[int, int]) -> tuple[str, ...]:
    """Return the names of the stages in a file of that size in bytes; an `ArrayError` where no stages have it."""
    stage_size = math.prod(shape) * np.dtype(maps.dtype).itemsize
    layouts = {len(names) * stage_size: names for names in (maps.stages, maps.stages + maps.optional_stages)}
    if size not in layouts:
        expected = " or ".join(f"{size} ({', '.join(names)})" for size, names in layouts.items())
        raise ArrayError(
            f"{str(path)!r} has {format_count(size, 'byte')}; the maker's maps have {expected}",
            path=str(path),
            size=size,
        )
    return layouts[size]


def round_to_kind(array: NDArray[np.float64], kind: Kind, name: Path) -> tuple[NDArray[Any], float, float]:
    """Return the values as the kind's files hold them, and the largest absolute and relative error.

    Raises
    ------
    ArrayError
        Values are beyond the range in which the smaller type has its full precision.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rounded = array.astype(kind.dtype)
    limits = np.finfo(rounded.dtype)
    used = np.isfinite(array) & (array != 0)
    beyond = used & ~(np.isfinite(rounded) & (np.abs(rounded) >= limits.tiny))
    if beyond.any():
        count = format_count(int(np.count_nonzero(beyond)), "value")
        raise ArrayError(
            f"{str(name)!r} holds {count} that {rounded.dtype} cannot, {array[beyond][0]:.4g} the first; it reaches"
            f" from {limits.tiny:.2g} to {limits.max:.2g}",
            path=str(name),
        )
    error = np.abs(rounded[used] - array[used])
    return rounded, float(error.max(initial=0.0)), float((error / np.abs(array[used])).max(initial=0.0))


def encode_npy(array: NDArray[Any]) -> bytes:
    """Return the bytes of the ``.npy`` file, format 1.0: always the same for the same values."""
    stream = io.BytesIO()
    npy.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()
