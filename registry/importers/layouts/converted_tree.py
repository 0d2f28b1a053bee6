"""The arrays that a layout has content, converted to files of their kinds, each file of the tree once, and checked.

The converted files exist as long as the folder in which they are made. What the conversion did is recorded with the
versions, as that of the maker's maps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from registry.arrays import array_warnings, check_content
from registry.authorship import escape_undecodable
from registry.detectors import Kind, find_panel_type
from registry.errors import ArrayError, NotFoundError, RegistryError, Remedy, UnavailableError
from registry.files import sha256_of, sha256_of_file, translate_os_errors
from registry.identifiers import format_count
from registry.importers.gain_maps import encode_npy, round_to_kind
from registry.importers.layouts.contents import ArrayFile, LayoutEntry, LayoutTree, Part, PartOfFile
from registry.importers.legacy_tree import Hazard
from registry.importers.panel_folders import CheckedTree, PanelFolder
from registry.parallel import Progress, map_in_threads
from registry.records import CheckedConstants, CheckedFile, Conversion, ConvertedStage
from registry.registration.versions import build_constants


@dataclass(frozen=True, slots=True)
class _ConvertedPart:
    """An array as a checked file, which is at ``stored``, and how it was converted."""

    checked: CheckedFile
    stored: Path
    dtype: str
    digits: int | None
    absolute_error: float
    relative_error: float


@dataclass(frozen=True, slots=True)
class _ConvertedFile:
    sha256: str
    size: int
    parts: Mapping[int, _ConvertedPart]


def convert_tree(content: LayoutTree, folder: Path, progress: Progress, *, allow_odd: bool) -> CheckedTree:
    """Convert the arrays of a tree into files of an empty folder; hazards are the entries that do not pass."""
    conversion = _Conversion(folder, allow_odd=allow_odd)
    files = content.list_files()
    converted: dict[int, _ConvertedFile | RegistryError] = {}
    with progress("checking files", len(files)) as advance:
        for file, result in zip(files, map_in_threads(conversion.convert_file, files), strict=True):
            converted[id(file)] = result
            advance()
    tree = content.tree
    folders: dict[Path, PanelFolder] = {}
    hazards: list[Hazard] = []
    for entry in content.entries:
        problems = list(_list_problems(entry, converted))
        hazards += problems
        place = entry.build_entry(tree.root)
        tree.entries.append(place)
        tree.kinds[entry.name] = tuple(entry.constants)
        if not problems:
            folders[place.folder] = _build_folder(entry, place.folder, converted)
    tree.exclude(hazards)
    gaps = {
        entry.name: tuple(kind for kind, parts in entry.constants.items() if parts is None)
        for entry in content.entries
    }
    return CheckedTree(tree, folders, gaps)


@dataclass(slots=True)
class _Conversion:
    """Converts files, several at a time; those of the same bytes are kept once."""

    folder: Path
    allow_odd: bool = field(kw_only=True)
    stored: dict[str, Path] = field(default_factory=dict)

    def convert_file(self, file: ArrayFile) -> _ConvertedFile | RegistryError:
        """Return the converted arrays of a file that are wanted, or why it cannot be taken."""
        try:
            parts = {
                part.place: self._convert_part(file, part, file.gain_ranges[part.place])
                for part in file.read()
                if part.place in file.gain_ranges
            }
            with translate_os_errors("read", file.path):
                return _ConvertedFile(sha256_of_file(file.path), file.path.stat().st_size, parts)
        except (ArrayError, NotFoundError, UnavailableError) as error:
            return error

    def _convert_part(self, file: ArrayFile, part: Part, gain_range: int) -> _ConvertedPart:
        name = Path(file.name)
        values, kind = part.values, file.kind
        if values.shape != file.detector.panel_shape:
            raise ArrayError(
                f"{file.name!r} holds an array of {values.shape}; {file.detector.panel_shape} is expected",
                path=file.name,
            )
        rounded, absolute, relative = _cast_to_kind(values, kind, name)
        content = encode_npy(rounded)
        checked = check_content(content, name, file.detector, kind, gain_range, allow_odd=self.allow_odd)
        stored = self.stored.get(checked.sha256)
        if stored is None:
            stored = self.folder / checked.sha256[:2] / checked.sha256 / name.name
            with translate_os_errors("written", stored, "the converted arrays"):
                stored.parent.mkdir(parents=True, exist_ok=True)
                stored.write_bytes(content)
            self.stored[checked.sha256] = stored
        digits = None if part.sha256 == checked.sha256 else _find_lost_digits(rounded, part.digits)
        dtype = "text" if part.is_text else values.dtype.str
        return _ConvertedPart(checked, stored, dtype, digits, absolute, relative)


def _cast_to_kind(
    values: NDArray[np.generic], kind: Kind, name: Path
) -> tuple[NDArray[np.generic], float, float]:
    """Return the values as files of the kind hold them, and the largest absolute and relative error."""
    required = np.dtype(kind.dtype)
    if required.kind == "f" and values.dtype.kind == "f":
        return round_to_kind(values.astype(np.float64), kind, name)
    if required.kind in "iu" and values.dtype.kind in "iu":
        cast = values.astype(required)
        if (cast == values).all():
            return cast, 0.0, 0.0
        raise ArrayError(f"{str(name)!r} holds values that {required.name} cannot", path=str(name))
    raise ArrayError(
        f"{str(name)!r} holds {values.dtype.name}; {kind.name} is {required.name}", path=str(name)
    )


def _find_lost_digits(values: NDArray[np.generic], digits: int | None) -> int | None:
    """Return the digits after the point to which a text was rounded, None where it has all that its floats need."""
    if digits is None or values.dtype.kind != "f":
        return None
    sample = np.abs(values[:: values.shape[0] // 64 | 1])
    used = sample[(sample > 0) & np.isfinite(sample)]
    return digits if used.size and 10.0**-digits > np.spacing(np.median(used)) else None


def _list_problems(
    entry: LayoutEntry, converted: Mapping[int, _ConvertedFile | RegistryError]
) -> Iterator[Hazard]:
    """Yield a hazard for each kind of an entry whose files cannot be taken."""
    for kind, parts in entry.constants.items():
        files = {id(part.file): part.file for part in parts or ()}
        errors = [error for key in files if isinstance(error := converted[key], RegistryError)]
        if errors:
            is_odd = all(error.remedy is Remedy.ALLOW_ODD for error in errors)
            reason = "; ".join(error.message for error in errors)
            yield Hazard(entry.name, reason, kind=kind, remedy=Remedy.ALLOW_ODD if is_odd else None)


def _build_folder(
    entry: LayoutEntry, place: Path, converted: Mapping[int, _ConvertedFile | RegistryError]
) -> PanelFolder:
    detector = find_panel_type(entry.panel)
    constants: list[CheckedConstants] = []
    conversions: dict[str, Conversion] = {}
    for name, parts in entry.constants.items():
        if parts is None:
            continue
        kind = detector.find_kind(name)
        content = [_get_part(part, converted) for part in parts]
        shown = [part.checked for part in content]
        stored = [replace(part.checked, path=part.stored) for part in content]
        constants.append(build_constants(detector.name, name, stored, array_warnings(kind, shown)))
        conversions[name] = _describe_conversion(parts, converted)
    return PanelFolder(place, tuple(constants), (), conversions)


def _get_part(part: PartOfFile, converted: Mapping[int, _ConvertedFile | RegistryError]) -> _ConvertedPart:
    file = converted[id(part.file)]
    if isinstance(file, RegistryError):  # its entries are hazards
        raise file
    return file.parts[part.place]


def _describe_conversion(
    parts: Sequence[PartOfFile], converted: Mapping[int, _ConvertedFile | RegistryError]
) -> Conversion:
    """Return what is recorded of the origin of constants."""
    files = {id(part.file): part.file for part in parts}
    results = [file for key in files if isinstance(file := converted[key], _ConvertedFile)]
    names = [escape_undecodable(file.path.name) for file in files.values()]
    of_parts = [_get_part(part, converted) for part in parts]
    digits = [part.digits for part in of_parts if part.digits is not None]
    is_single = len(files) == 1
    if is_single:
        sha256 = results[0].sha256
    else:  # that of what sha256sum prints for the files
        lines = (f"{result.sha256}  {name}\n" for result, name in zip(results, names, strict=True))
        sha256 = sha256_of("".join(lines).encode())
    return Conversion(
        file=_abbreviate(names),
        sha256=sha256,
        size=sum(result.size for result in results),
        dtype=of_parts[0].dtype + (f", rounded to {format_count(max(digits), 'digit')}" if digits else ""),
        stages=tuple(
            ConvertedStage(
                f"array {part.place}" if is_single else escape_undecodable(part.file.path.name),
                part.file.gain_ranges[part.place],
                content.absolute_error,
                content.relative_error,
                None if is_single else results[list(files).index(id(part.file))].sha256,
            )
            for part, content in zip(parts, of_parts, strict=True)
        ),
        left_out=(),
    )


def _abbreviate(names: Sequence[str]) -> str:
    """Return what names have in common, with ``*`` for the rest."""
    if len(set(names)) == 1:
        return names[0]
    start = _find_common_start(names)
    end = _find_common_start([name[len(start) :][::-1] for name in names])[::-1]
    return f"{start}*{end}"


def _find_common_start(names: Sequence[str]) -> str:
    columns = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in columns)
