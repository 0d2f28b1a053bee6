"""Arrays as ``.npy``: format version 1.0, C order, little-endian, one file a calibration type."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from registry.exporters.assembly import Assembly
from registry.provenance.document import Output

NAME = "npy"


def file_name(calibration_type: str) -> str:
    """Return the name of the file of a calibration type."""
    return f"{calibration_type}.npy"


def write(assembly: Assembly, folder: Path) -> Output:
    """Write one array, streaming, and return what was written.

    Raises
    ------
    CorruptionError
        An input is missing or damaged; the file must not be used then.
    """
    name = file_name(assembly.kind.calibration_type)
    digest = hashlib.sha256()
    header = _header(assembly)
    digest.update(header)
    size = len(header)
    with (folder / name).open("wb") as file:
        file.write(header)
        for part in assembly.parts():
            payload = part.array.data
            digest.update(payload)
            file.write(payload)
            size += payload.nbytes
    return assembly.output(path=name, sha256=digest.hexdigest(), size=size)


def _header(assembly: Assembly) -> bytes:
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(
        stream,
        {"descr": np.dtype(assembly.kind.dtype).str, "fortran_order": False, "shape": assembly.shape},
    )
    return stream.getvalue()
