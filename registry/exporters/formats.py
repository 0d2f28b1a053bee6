"""The formats of exports, by the name that a user gives: written into a folder, or only checksummed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from registry.durable import write_steadily
from registry.errors import RequestError
from registry.exporters import npy
from registry.exporters.assembly import Assembly
from registry.identifiers import shown
from registry.progress import Advance, Progress
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


def write_all(made: Format, assemblies: Sequence[Assembly], folder: Path, progress: Progress) -> list[Output]:
    """Write arrays side by side, streaming, and return what was written.

    A thread an array: reading, hashing and writing release the interpreter's lock.

    Raises
    ------
    CorruptionError
        An input is missing or damaged; no file must be used then.
    """
    total = sum(assembly.files for assembly in assemblies)
    with progress("writing arrays", total) as advance, ThreadPoolExecutor(len(assemblies)) as pool:
        return list(pool.map(lambda assembly: _write(made, assembly, folder, advance), assemblies))


def _write(made: Format, assembly: Assembly, folder: Path, advance: Advance) -> Output:
    with (folder / made.file_name(assembly.kind.calibration_type)).open("wb") as file:

        def take(piece: Piece) -> None:
            write_steadily(file, piece)
            advance()

        return _make(made, assembly, take)


def expected(made: Format, assembly: Assembly) -> Output:
    """Return what `write` would return, and write nothing.

    Raises
    ------
    CorruptionError
        An input is missing or damaged.
    """
    return _make(made, assembly, _discard)


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


def _make(made: Format, assembly: Assembly, sink: Callable[[Piece], None]) -> Output:
    digest, size = hashlib.sha256(), 0
    for piece in made.pieces(assembly):
        sink(piece)
        digest.update(piece)
        size += memoryview(piece).nbytes
    name = made.file_name(assembly.kind.calibration_type)
    return assembly.output(path=name, sha256=digest.hexdigest(), size=size)
