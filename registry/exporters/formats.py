"""The formats of exports, by the name that a user gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast

from registry.errors import RequestError
from registry.exporters.assembly import Assembly, build_assemblies, name_missing_in
from registry.exporters.layout import Layout, Target, WrittenFiles
from registry.exporters.slots import find_slots, list_absent_segments
from registry.extras import import_extra
from registry.identifiers import quote
from registry.packages import find_version
from registry.parallel import Advance, Progress
from registry.provenance.document import Document, Output
from registry.records import ExportedFile
from registry.store import ContentStore


class Format(Protocol):
    """The module of a format: it writes from the draft of the provenance document and from the store.

    Attributes
    ----------
    NAME
        The name that a user gives; also that of calreg's extra with the required package.
    BY_SEGMENT
        Whether a panel's place in the arrays is its segment number, not its position in the detector Id.
    HAS_RUN_RANGE
        Whether the files are for a range of runs.
    HAS_SHORT_NAME
        Whether the files are for an experiment and a detector by its short name in the newer data system.
    LAYOUT
        The layout in which new files are written; documents of all from 1 on are replayed in theirs.
    REQUIRED_PACKAGE
        The package that it needs beside those that calreg always has.
    """

    NAME: str
    BY_SEGMENT: bool
    HAS_RUN_RANGE: bool
    HAS_SHORT_NAME: bool
    LAYOUT: int
    REQUIRED_PACKAGE: str | None

    def layout(self, draft: Document) -> Layout:
        """Return the names of the files."""

    def write(
        self, draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance
    ) -> WrittenFiles:
        """Write all files but the document."""


FORMATS = ("npy", "psana", "lcls2", "hdf5")
"""The names of the formats, and of their modules, which are imported when they are used: some need numpy."""


def find_format(name: str) -> Format:
    """Return the format of that name; refuse an unknown one, and one whose package is not installed."""
    if name not in FORMATS:
        raise RequestError(
            f"{quote(name)} is not a format of exports; known: {', '.join(FORMATS)}", known=list(FORMATS)
        )
    export_format = _import_format(name)
    package = export_format.REQUIRED_PACKAGE
    if package is not None:
        import_extra(package, name, f"the format {name} needs {package}")
    return export_format


def _import_format(name: str) -> Format:
    return cast("Format", import_module(f"registry.exporters.{name}"))


def build_format_assemblies(
    export_format: Format,
    draft: Document,
    store: ContentStore,
    blake3_by_sha256: Mapping[str, str] = MappingProxyType({}),
) -> list[Assembly]:
    """Return the arrays of an export as its format arranges them, not read yet."""
    slots = find_slots(draft) if export_format.BY_SEGMENT else None
    return build_assemblies(draft.resolution, store, blake3_by_sha256, slots)


def list_zeroed_segments(export_format: Format, draft: Document) -> tuple[int, ...]:
    """Return the segment numbers in whose place the arrays of a format have zeros, because no panel has them."""
    return tuple(list_absent_segments(draft)) if export_format.BY_SEGMENT else ()


def get_software_versions(export_format: Format) -> dict[str, str]:
    """Return the version of the required package, on which the bytes of the files depend."""
    package = export_format.REQUIRED_PACKAGE
    return {} if package is None else {package: find_version(package)}


def list_formats_with_runs() -> list[str]:
    """Return the names of the formats whose files are for a range of runs."""
    return [name for name in FORMATS if _import_format(name).HAS_RUN_RANGE]


def list_formats_with_short_names() -> list[str]:
    """Return the names of the formats whose files are for an experiment and a detector by its short name."""
    return [name for name in FORMATS if _import_format(name).HAS_SHORT_NAME]


def write_files(
    export_format: Format, draft: Document, assemblies: Sequence[Assembly], target: Target, progress: Progress
) -> WrittenFiles:
    """Write all files of an export but its document; after an error, do not use any of them.

    Raises
    ------
    CorruptionError
        Stored files are missing or damaged: every one is named.
    """
    total = sum(assembly.part_count for assembly in assemblies)
    with name_missing_in(assemblies), progress("writing arrays", total) as advance:
        return export_format.write(draft, assemblies, target, advance)


def build_exported_file(folder: Path, output: Output) -> ExportedFile:
    """Return the record of an array that was written in a folder."""
    return ExportedFile(
        type=output.type,
        path=str(folder / (output.path or "")),
        sha256=output.sha256 or "",
        size=output.size or 0,
        shape=output.shape,
        dtype=output.dtype,
    )
