"""Headers of ``.npy`` files, compared with those of numpy."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib import format as npy

from registry.detectors import DETECTOR_TYPES
from registry.npy_headers import build_npy_header, is_npy_header_of

SHAPES = st.lists(st.integers(0, 10**9), max_size=6).map(tuple)
DTYPES = st.sampled_from(("<f4", "<f8", "<u8", "<u2", "|u1"))


def write_with_numpy(shape: tuple[int, ...], dtype: str, *, fortran: bool = False) -> bytes:
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": fortran, "shape": shape})
    return stream.getvalue()


@given(SHAPES, DTYPES)
def test_a_header_is_that_of_numpy_byte_for_byte(shape: tuple[int, ...], dtype: str) -> None:
    header = build_npy_header(shape, dtype)
    assert header == write_with_numpy(shape, dtype)
    assert is_npy_header_of(header, shape, dtype)


def test_headers_of_older_versions_are_known_by_their_text_whatever_their_padding() -> None:
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (512, 1024), }"
    for padding in (b" " * 5 + b"\n", b"\n", b" " * 60 + b"\n"):
        length = (len(text) + len(padding)).to_bytes(2, "little")
        assert is_npy_header_of(b"\x93NUMPY\x01\x00" + length + text + padding, (512, 1024), "<f4")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x93NUMPY\x01\x00",
        write_with_numpy((512, 1024), "<f8"),
        write_with_numpy((1024, 512), "<f4"),
        write_with_numpy((512, 1024), "<f4", fortran=True),
        write_with_numpy((512, 1024), "<f4")[:-1],
        write_with_numpy((512, 1024), "<f4") + b"\n",
        write_with_numpy((512, 1024), "<f4").replace(b"\x01\x00", b"\x02\x00", 1),
    ],
)
def test_other_headers_are_left_to_numpy(header: bytes) -> None:
    assert not is_npy_header_of(header, (512, 1024), "<f4")


def test_every_kind_has_the_size_and_the_name_that_numpy_gives_its_dtype() -> None:
    for detector in DETECTOR_TYPES.values():
        for kind in detector.kinds:
            dtype = np.dtype(kind.dtype)
            assert (kind.item_size, kind.dtype_name) == (dtype.itemsize, dtype.name)
