"""The formats of exports, by the name that a user gives: written into a folder, or only checksummed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from registry.errors import RequestError
from registry.exporters import npy
from registry.exporters.assembly import Assembly
from registry.identifiers import shown
from registry.provenance.document import Output
from registry.records import ExportedFile


class Format(Protocol):
    """What a module of a format has."""

    def file_name(self, calibration_type: str) -> str:
        """Return the name of the file of a calibration type."""

    def pieces(self, assembly: Assembly) -> Iterator[bytes | memoryview]:
        """Make the bytes of the file, one after the other."""


_FORMATS: dict[str, Format] = {npy.NAME: npy}


def format_of(name: str) -> Format:
    """Return the format of that name.

    Raises
    ------
    RequestError
        There is none; those that are known are named.
    """
    if name not in _FORMATS:
        raise RequestError(f"{shown(name)} is no format of exports; known: {', '.join(_FORMATS)}")
    return _FORMATS[name]


Piece = bytes | memoryview
Track = Callable[[Iterator[Piece], str, int], Iterable[Piece]]
"""What shows progress: it hands on the pieces of (pieces, description, how many)."""


def write(made: Format, assembly: Assembly, folder: Path, track: Track) -> Output:
    """Write one array, streaming, and return what was written.

    Raises
    ------
    CorruptionError
        An input is missing or damaged; the file must not be used then.
    """
    name = made.file_name(assembly.kind.calibration_type)
    with (folder / name).open("wb") as file:
        return _make(
            made, assembly, track(made.pieces(assembly), f"writing {name}", assembly.files), file.write
        )


def expected(made: Format, assembly: Assembly) -> Output:
    """Return what `write` would return, and write nothing.

    Raises
    ------
    CorruptionError
        An input is missing or damaged.
    """
    return _make(made, assembly, made.pieces(assembly), _discard)


def placed(folder: Path, output: Output) -> ExportedFile:
    """Return the record of a written array that lies in its folder."""
    return ExportedFile(
        type=output.type,
        path=str(folder / (output.path or "")),
        sha256=output.sha256 or "",
        size=output.size or 0,
        shape=output.shape,
        dtype=output.dtype,
    )


def _discard(piece: Piece) -> None:
    """Let the piece go: only its checksum was wanted."""


def _make(
    made: Format, assembly: Assembly, pieces: Iterable[Piece], sink: Callable[[Piece], object]
) -> Output:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        sink(piece)
        digest.update(piece)
        size += memoryview(piece).nbytes
    name = made.file_name(assembly.kind.calibration_type)
    return assembly.output(path=name, sha256=digest.hexdigest(), size=size)
