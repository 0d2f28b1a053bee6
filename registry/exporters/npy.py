"""Arrays as ``.npy``: format version 1.0, C order, little-endian, one file a calibration type."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib import format as npy_format

from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, WrittenFiles, write_parallel
from registry.parallel import Advance
from registry.provenance.document import Document

NAME = "npy"
HAS_RUN_RANGE = False
REQUIRED_PACKAGE = None


def layout(draft: Document) -> Layout:
    """Return the names of the files, one a calibration type."""
    return Layout(arrays={name: f"{name}.npy" for name in draft.resolution.types})


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> WrittenFiles:
    """Write the arrays."""
    return WrittenFiles(write_parallel(layout(draft).arrays, generate_chunks, assemblies, target, advance))


def generate_chunks(assembly: Assembly, advance: Advance) -> Iterator[bytes | memoryview]:
    """Make the bytes of the file, one after the other: the header, then every panel's payload.

    Raises
    ------
    CorruptionError
        An input is missing or damaged; what came before must not be used then.
    """
    yield _build_header(assembly)
    for part in assembly.read_parts():
        yield part.payload
        advance()


def _build_header(assembly: Assembly) -> bytes:
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(
        stream,
        {"descr": np.dtype(assembly.kind.dtype).str, "fortran_order": False, "shape": assembly.shape},
    )
    return stream.getvalue()
