"""Arrays as ``.npy``: format version 1.0, C order, little-endian, one file a calibration type."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib import format as npy_format

from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, Written, write_side_by_side
from registry.progress import Advance
from registry.provenance.document import Document

NAME = "npy"
SAYS_RUNS = False
EXTRA = None


def layout(draft: Document) -> Layout:
    """Return the names of the files, one a calibration type."""
    return Layout(arrays={name: f"{name}.npy" for name in draft.resolution.types})


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> Written:
    """Write the arrays."""
    return Written(write_side_by_side(layout(draft).arrays, pieces, assemblies, target, advance))


def pieces(assembly: Assembly, advance: Advance) -> Iterator[bytes | memoryview]:
    """Make the bytes of the file, one after the other: the header, then every panel's payload.

    Raises
    ------
    CorruptionError
        An input is missing or damaged; what came before must not be used then.
    """
    yield _header(assembly)
    for part in assembly.parts():
        yield part.payload
        advance()


def _header(assembly: Assembly) -> bytes:
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(
        stream,
        {"descr": np.dtype(assembly.kind.dtype).str, "fortran_order": False, "shape": assembly.shape},
    )
    return stream.getvalue()
