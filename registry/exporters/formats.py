"""The formats of exports, by the name that a user gives: written into a folder, or only checksummed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from registry.errors import RequestError
from registry.exporters import npy
from registry.exporters.assembly import Assembly
from registry.identifiers import shown
from registry.provenance.document import Output


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


def write(made: Format, assembly: Assembly, folder: Path) -> Output:
    """Write one array, streaming, and return what was written.

    Raises
    ------
    CorruptionError
        An input is missing or damaged; the file must not be used then.
    """
    with (folder / made.file_name(assembly.kind.calibration_type)).open("wb") as file:
        return _make(made, assembly, file.write)


def expected(made: Format, assembly: Assembly) -> Output:
    """Return what `write` would return, and write nothing.

    Raises
    ------
    CorruptionError
        An input is missing or damaged.
    """
    return _make(made, assembly, _discard)


def _discard(piece: bytes | memoryview) -> None:
    """Let the piece go: only its checksum was wanted."""


def _make(made: Format, assembly: Assembly, sink: Callable[[bytes | memoryview], object]) -> Output:
    digest, size = hashlib.sha256(), 0
    for piece in made.pieces(assembly):
        sink(piece)
        digest.update(piece)
        size += memoryview(piece).nbytes
    name = made.file_name(assembly.kind.calibration_type)
    return assembly.output(path=name, sha256=digest.hexdigest(), size=size)
