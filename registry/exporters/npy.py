"""Arrays as ``.npy``: format version 1.0, C order, little-endian, one file per calibration type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from registry.exporters.assembly import Assembly
from registry.exporters.layout import Layout, Target, WrittenFiles, write_parallel
from registry.npy_headers import build_npy_header
from registry.parallel import Advance
from registry.provenance.document import Document

NAME = "npy"
BY_SEGMENT = False
HAS_RUN_RANGE = False
HAS_SHORT_NAME = False
LAYOUT = 1
REQUIRED_PACKAGE = None


def layout(draft: Document) -> Layout:
    """Return the names of the files, one per calibration type."""
    return Layout(arrays={name: f"{name}.npy" for name in draft.resolution.types})


def write(draft: Document, assemblies: Sequence[Assembly], target: Target, advance: Advance) -> WrittenFiles:
    """Write the arrays."""
    return WrittenFiles(write_parallel(layout(draft).arrays, generate_chunks, assemblies, target, advance))


def generate_chunks(assembly: Assembly, advance: Advance) -> Iterator[bytes | memoryview]:
    """Yield the bytes of the file in order: the header, then every panel's payload."""
    yield build_npy_header(assembly.shape, assembly.kind.dtype)
    for part in assembly.read_parts():
        yield part.payload
        advance()
