"""One panel's arrays at the door: what is checked before a file is taken, and what is noted of it.

The payload of a registered file is streamed into exports as it stands, so exactly one layout is taken:
.npy without pickles, C order, little-endian, the exact shape and dtype, no byte after the payload.
"""

from __future__ import annotations

import io
import math
import os
import shlex
import threading
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from registry.detectors import DetectorType, Kind, ZeroMeaning
from registry.errors import ArrayError
from registry.files import blake3_of, sha256_of, translate_os_errors
from registry.records import CheckedFile, PixelDifference, Statistics

MAX_HEADER_SIZE = 65_536
_LENGTH_FIELD_SIZES = {
    (1, 0): 2,
    (2, 0): 4,
}  # bytes that say how long the header is, after the magic, by version
# What numpy, and Python's tokenizer and evaluator below it, raise over a header that is none.
_HEADER_ERRORS = (
    ArithmeticError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)
# Python's filter of warnings is one for all threads.
_WARNINGS_LOCK = threading.Lock()


def check_file(
    path: Path, detector: DetectorType, kind: Kind, *, allow_nonfinite: bool = False
) -> CheckedFile:
    """Read a panel's file once and return its checksum, size and statistics.

    Parameters
    ----------
    path
        A ``.npy`` file of shape ``detector.panel_shape`` (row, column) and dtype ``kind.dtype``.
    allow_nonfinite
        Take NaN and infinity; they are counted all the same.

    Raises
    ------
    ArrayError
        The file is no such array. Where numpy can mend it, the message says with which command.
    UnavailableError
        The file cannot be read.
    """
    content = _read_content(path, math.prod(detector.panel_shape) * np.dtype(kind.dtype).itemsize)
    return check_content(content, path, detector, kind, allow_nonfinite=allow_nonfinite)


def check_content(
    content: bytes, path: Path, detector: DetectorType, kind: Kind, *, allow_nonfinite: bool = False
) -> CheckedFile:
    """Check the bytes of a panel's file, which lies or could lie at `path`; see `check_file`."""
    array = parse_array(content, path, detector.panel_shape, kind.dtype)
    statistics = compute_statistics(array)
    if statistics.nonfinite and not allow_nonfinite:
        raise ArrayError(
            f"{str(path)!r} holds {statistics.nonfinite} values that are NaN or infinite;"
            " give --allow-nonfinite if they are meant",
            path=str(path),
        )
    if statistics.nonfinite == array.size:
        raise ArrayError(f"{str(path)!r} holds no finite value: no constants", path=str(path))
    if statistics.zeros == array.size and kind.zero is not ZeroMeaning.GOOD:
        raise ArrayError(f"{str(path)!r} holds nothing but zeros: no constants", path=str(path))
    return CheckedFile(
        path=path,
        sha256=sha256_of(content),
        size=len(content),
        dtype=kind.dtype,
        shape=detector.panel_shape,
        statistics=statistics,
        blake3=blake3_of(content),
    )


def _read_content(path: Path, payload: int) -> bytes:
    """Read the file, and at most one byte more than the largest legal one has."""
    with translate_os_errors("read", path):
        if not path.is_file():
            raise ArrayError(f"there is no file {str(path)!r}", path=str(path))
        with path.open("rb") as file:
            # Room is made for what is there: more, and the system would take it back and clear it each time.
            there = os.fstat(file.fileno()).st_size
            return file.read(min(there, payload + MAX_HEADER_SIZE) + 1)


def parse_array(content: bytes, path: Path, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return the array in the bytes of a ``.npy`` file, which must be of that shape and dtype.

    Raises
    ------
    ArrayError
        The bytes are no ``.npy`` file of that layout.
    """
    start = find_payload_start(content, len(content), path, shape, dtype)
    return np.frombuffer(content, np.dtype(dtype), offset=start).reshape(shape)


def describe_content(content: bytes, path: Path) -> tuple[str, tuple[int, ...], Statistics]:
    """Return dtype, shape and statistics of what the bytes of a ``.npy`` file hold, whatever it should be.

    Raises
    ------
    ArrayError
        It is none that could have passed the door.
    """
    shape, _, dtype, _ = read_header(content, path)
    return dtype.str, shape, compute_statistics(parse_array(content, path, shape, dtype.str))


def find_payload_start(header: bytes, size: int, path: Path, shape: tuple[int, ...], dtype: str) -> int:
    """Return where the payload begins in a ``.npy`` file, of which the header and the size suffice.

    Raises
    ------
    ArrayError
        The header is none or of another layout, or the payload has another size.
    """
    found_shape, fortran, found_dtype, start = read_header(header, path)
    name = repr(str(path))
    wanted = np.dtype(dtype)
    if found_dtype.hasobject:
        raise ArrayError(f"{name} holds pickled objects, which are never loaded", path=str(path))
    if found_dtype != wanted:
        raise ArrayError(
            f"{name} is {found_dtype.str}, must be {wanted.str}{_cast_command(path, found_dtype, wanted)}",
            path=str(path),
        )
    if found_shape != shape:
        again = f".reshape({shape})" if [n for n in found_shape if n != 1] == list(shape) else None
        raise ArrayError(
            f"{name} has the shape {_format_shape(found_shape)}, must have {shape}{_fix_command(path, found_dtype, again)}",
            path=str(path),
        )
    if fortran:
        raise ArrayError(
            f"{name} is in Fortran order, must be in C order{_fix_command(path, found_dtype, '.copy(order=chr(67))')}",
            path=str(path),
        )
    expected, there = math.prod(shape) * wanted.itemsize, size - start
    if there != expected:
        what = "is cut short" if there < expected else "has bytes after its array"
        raise ArrayError(
            f"{name} {what}: {expected} bytes are expected after the header,"
            f" {'more' if there > expected else there} are there",
            path=str(path),
        )
    return start


def read_header(content: bytes, path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether in Fortran order, dtype, and where the payload begins, from the first bytes of a file.

    Raises
    ------
    ArrayError
        They are no header of a ``.npy`` file.
    """
    try:
        version = npy.read_magic(io.BytesIO(content[: npy.MAGIC_LEN]))
        if version not in _LENGTH_FIELD_SIZES:
            raise ArrayError(
                f"{str(path)!r} is .npy of version {version[0]}.{version[1]}; 1.0 and 2.0 are read",
                path=str(path),
            )
        start = npy.MAGIC_LEN + _LENGTH_FIELD_SIZES[version]
        end = start + int.from_bytes(content[npy.MAGIC_LEN : start], "little")
        return _parse_header(bytes(content[: min(end, MAX_HEADER_SIZE)]), version)
    except _HEADER_ERRORS:
        raise ArrayError(
            f"{str(path)!r} is not a .npy file, or its header is damaged", path=str(path)
        ) from None


# Files of one detector type have the same header, and it is parsed as Python is.
@lru_cache(maxsize=64)
def _parse_header(
    header: bytes, version: tuple[int, int]
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    stream = io.BytesIO(header)
    npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with _WARNINGS_LOCK, warnings.catch_warnings():
        # Headers written under Python 2 ("512L") are legal, and numpy remarks on them and on old dtypes.
        warnings.simplefilter("ignore")
        return (*read(stream), stream.tell())


def _format_shape(shape: tuple[int, ...]) -> str:
    try:
        text = str(shape)
    except ValueError:  # Python does not write out a number of thousands of digits
        return f"of {len(shape)} dimensions"
    return text if len(text) < 60 else f"{text[:60]}..."


def _cast_command(path: Path, found: np.dtype[Any], wanted: np.dtype[Any]) -> str:
    """Return the command that writes the array in another dtype; nothing where that could make other values."""
    call = f".astype({wanted.str!r})"
    if np.can_cast(found, wanted, "same_kind"):
        return _fix_command(path, found, call)
    if found.kind == "i" and wanted.kind == "u":
        return _fix_command(path, found, call, "assert a.min() >= 0; ")
    return ""


def _fix_command(path: Path, dtype: np.dtype[Any], call: str | None, condition: str = "") -> str:
    """Return the command that writes the array as it must be, or nothing where numpy cannot know."""
    if call is None or dtype.kind not in "fiu":
        return ""
    mended = path.with_name(f"mended-{path.name}")
    program = f"import numpy as np; a = np.load({str(path)!r}); {condition}np.save({str(mended)!r}, a{call})"
    return f"; python -c {shlex.quote(program)} writes it so"


def compute_statistics(array: NDArray[Any]) -> Statistics:
    """Return minimum, median and maximum of the finite values, and how many are zero or not finite.

    Integers are noted as the nearest float64, which differs from them only beyond 2**53.
    """
    is_finite = np.isfinite(array)
    finite = array.reshape(-1) if is_finite.all() else array[is_finite]
    if finite.size == 0:
        return Statistics(None, None, None, zeros=0, nonfinite=array.size)
    return Statistics(
        minimum=float(finite.min()),
        median=_compute_median(finite),
        maximum=float(finite.max()),
        zeros=int(np.count_nonzero(finite == 0)),
        nonfinite=int(array.size - finite.size),
    )


def _compute_median(values: NDArray[Any]) -> float:
    """Return the median of finite values, exactly, in a third of the time of `numpy.median`.

    Only the values about the middle of a sample are put in order. In float32 the mean of two may overflow.
    """
    lower, upper = (values.size - 1) // 2, values.size // 2
    sample = np.sort(values[:: values.size // 4096 | 1])  # an odd step walks through all columns
    low, high = sample[int(0.47 * sample.size)], sample[int(0.53 * sample.size)]
    below = int(np.count_nonzero(values < low))
    middle = values[(values >= low) & (values <= high)]
    if below <= lower and upper < below + middle.size:
        lower, upper = lower - below, upper - below
    else:
        middle = values
    ordered = np.partition(middle, (lower, upper))
    return (float(ordered[lower]) + float(ordered[upper])) / 2


def array_warnings(kind: Kind, files: Sequence[CheckedFile]) -> list[str]:
    """Return what is legal about a kind's files, by gain range, and yet worth a look: one warning each."""
    return [*_value_warnings(kind, files), *_pixel_warnings(kind, files)]


def _value_warnings(kind: Kind, files: Sequence[CheckedFile]) -> Iterator[str]:
    for gain_range, file in enumerate(files):
        seen = file.statistics
        name = repr(str(file.path))
        low, high = kind.expected_medians[gain_range] if kind.expected_medians else (-math.inf, math.inf)
        if seen.median is not None and not low <= seen.median <= high:
            yield (
                f"{name}: the median {seen.median:.4g} {kind.unit} is outside {low:g} to {high:g},"
                f" where {kind.name} of gain range {gain_range} is expected"
            )
        if seen.nonfinite:
            yield f"{name}: {seen.nonfinite} values are NaN or infinite, as allowed; they are kept as they are"
        if seen.minimum is not None and seen.minimum == seen.maximum and not _is_flag_free(kind, seen):
            unit = "" if kind.unit == "1" else f" {kind.unit}"
            yield f"{name}: every pixel has the same value {seen.minimum:.4g}{unit} (a placeholder?)"


def _is_flag_free(kind: Kind, seen: Statistics) -> bool:
    return kind.zero is ZeroMeaning.GOOD and seen.maximum == 0


def _pixel_warnings(kind: Kind, files: Sequence[CheckedFile]) -> Iterator[str]:
    """Yield how many pixels are dead or flagged, by gain range, if any is."""
    zeros = [file.statistics.zeros for file in files]
    folder = repr(str(files[0].path.parent))
    if kind.zero is ZeroMeaning.DEAD and any(zeros):
        numbers = ", ".join(map(str, zeros))
        yield f"{folder}: {numbers} pixels (by gain range) have {kind.name} 0 (dead?); kept as they are"
    flagged = [math.prod(file.shape) - file.statistics.zeros for file in files]
    if kind.zero is ZeroMeaning.GOOD and any(flagged):
        numbers = ", ".join(map(str, flagged))
        yield f"{folder}: {numbers} pixels (by gain range) are flagged by {kind.name}; kept as they are"


def compare_pixels(gain_range: int, before: NDArray[Any], after: NDArray[Any]) -> PixelDifference:
    """Return how two arrays (row, column) of one gain range and dtype differ; NaN equals NaN."""
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    count = int(same.size - np.count_nonzero(same))
    finite = np.isfinite(before) & np.isfinite(after)
    difference = _absolute_differences(before[finite], after[finite])
    return PixelDifference(
        gain_range=gain_range,
        count=count,
        fraction=count / same.size,
        maximum=float(difference.max(initial=0.0)),
        rms=float(np.sqrt(np.mean(difference**2))) if difference.size else 0.0,
        nonfinite=int(finite.size - np.count_nonzero(finite)),
    )


def _absolute_differences(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
    """Return by how much values differ, none of them negative; integers are subtracted before they are rounded."""
    if before.dtype.kind == "f":
        before, after = before.astype(np.float64), after.astype(np.float64)
    distances: NDArray[np.float64] = (np.maximum(before, after) - np.minimum(before, after)).astype(
        np.float64
    )
    return distances
