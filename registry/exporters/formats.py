"""The formats of exports, by the name that a user gives."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from registry.errors import RequestError
from registry.exporters import npy
from registry.exporters.assembly import Assembly
from registry.identifiers import shown
from registry.provenance.document import Output


class Writer(Protocol):
    """What a module of a format has."""

    def file_name(self, calibration_type: str) -> str:
        """Return the name of the file of a calibration type."""

    def write(self, assembly: Assembly, folder: Path) -> Output:
        """Write one array into a folder."""


_WRITERS: dict[str, Writer] = {npy.NAME: npy}


def writer_of(name: str) -> Writer:
    """Return the writer of a format.

    Raises
    ------
    RequestError
        There is no such format; those that are known are named.
    """
    if name not in _WRITERS:
        raise RequestError(f"{shown(name)} is no format of exports; known: {', '.join(_WRITERS)}")
    return _WRITERS[name]
