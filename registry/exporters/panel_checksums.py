"""The checksums of the files that would hold one panel's array, to find a registered file by the values in another."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray


def compute_npy_checksums(part: NDArray[Any]) -> Iterator[str]:
    """Yield the SHA-256 of the npy files of an array: as numpy saves it today, and before version 1.14."""
    payload = np.ascontiguousarray(part)
    for header in _build_npy_headers(payload):
        digest = hashlib.sha256(header)
        digest.update(payload.data)
        yield digest.hexdigest()


def _build_npy_headers(array: NDArray[Any]) -> Iterator[bytes]:
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(stream, npy_format.header_data_from_array_1_0(array))
    header = stream.getvalue()
    yield header
    text = header[10:].rstrip()
    blanks = 16 - (10 + len(text) + 1) % 16
    yield header[:8] + (len(text) + blanks + 1).to_bytes(2, "little") + text + b" " * blanks + b"\n"
