"""The header of a ``.npy`` file, written and known again without numpy, whose import takes longer than a small export.

The format: a magic string, the version 1.0, the length of the text, and the text of a Python dictionary, padded so that
the array is aligned (numpy, ``numpy/lib/_format_impl.py``).
"""

from __future__ import annotations

_MAGIC = b"\x93NUMPY\x01\x00"
_LENGTH_SIZE = 2  # of the text's length, in bytes
_ALIGNMENT = 64
_MAX_DIGITS = 21  # room for a longer first axis, as numpy leaves it


def build_npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Return the header of an array in C order, byte for byte as numpy writes it.

    Parameters
    ----------
    dtype
        As numpy writes it, ``<f4``.
    """
    text = _build_text(shape, dtype) + b" " * (_MAX_DIGITS - len(str(shape[0])) if shape else 0)
    size = len(_MAGIC) + _LENGTH_SIZE + len(text) + 1
    text += b" " * (_ALIGNMENT - size % _ALIGNMENT) + b"\n"
    return _MAGIC + len(text).to_bytes(_LENGTH_SIZE, "little") + text


def is_npy_header_of(header: bytes, shape: tuple[int, ...], dtype: str) -> bool:
    """Tell whether these bytes are a header of that shape and dtype as some version of numpy writes it.

    Versions differ in their padding. Others than numpy may write another header that is legal, too.
    """
    length, text = header[len(_MAGIC) :][:_LENGTH_SIZE], header[len(_MAGIC) + _LENGTH_SIZE :]
    return (
        header.startswith(_MAGIC)
        and int.from_bytes(length, "little") == len(text)
        and text.endswith(b"\n")
        and text[:-1].rstrip(b" ") == _build_text(shape, dtype)
    )


def _build_text(shape: tuple[int, ...], dtype: str) -> bytes:
    return f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode("latin-1")
