"""Checks of one panel's arrays before they are registered, their statistics, and warnings about them.

The payload of a registered file is streamed into exports unchanged, so exactly one layout is accepted:
.npy without pickles, C order, little-endian, the exact shape and dtype, no byte after the payload. Every
function that reads the bytes of a file raises `ArrayError` for any other layout.
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
from registry.errors import ArrayError, NotFoundError, Remedy
from registry.files import blake3_of, open_input, sha256_of
from registry.identifiers import format_count
from registry.patterns import ALGORITHM, compute_pattern
from registry.records import CheckedFile, FilePattern, PixelDifference, Statistics

MAX_HEADER_SIZE = 65_536
_LENGTH_FIELD_SIZES = {(1, 0): 2, (2, 0): 4}  # in bytes, by version of the format
# Raised by numpy, and by Python's tokenizer and evaluator below it, for a damaged header.
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
# Two of the eight ASICs of a panel may be broken; of other bytes read as numbers about half are too large or small.
_LARGEST_SHARE = 0.25
# Python's filter of warnings is shared by all threads.
_WARNINGS_LOCK = threading.Lock()


def check_file(
    path: Path,
    detector: DetectorType,
    kind: Kind,
    gain_range: int,
    *,
    allow_nonfinite: bool = False,
    allow_odd: bool = False,
) -> CheckedFile:
    """Read a panel's file once and return its checksum, size and statistics.

    Parameters
    ----------
    path
        A ``.npy`` file of shape ``detector.panel_shape`` (row, column) and dtype ``kind.dtype``.
    allow_nonfinite
        Accept NaN and infinity; they are counted all the same.
    allow_odd
        Accept values that cannot be: nothing but zeros, or a median, or a quarter of the pixels, that is impossible in
        this gain range.

    Raises
    ------
    ArrayError
        The file is not such an array. Where numpy can convert it, the message gives the command.
    UnavailableError
        The file cannot be read.
    """
    content = _read_content(path, math.prod(detector.panel_shape) * np.dtype(kind.dtype).itemsize)
    return check_content(
        content, path, detector, kind, gain_range, allow_nonfinite=allow_nonfinite, allow_odd=allow_odd
    )


def check_content(
    content: bytes,
    path: Path,
    detector: DetectorType,
    kind: Kind,
    gain_range: int,
    *,
    allow_nonfinite: bool = False,
    allow_odd: bool = False,
) -> CheckedFile:
    """Check the bytes of a panel's file, which need not be at `path` yet; see `check_file`."""
    array = parse_array(content, path, detector.panel_shape, kind.dtype)
    statistics = compute_statistics(array)
    if statistics.nonfinite == array.size:
        raise ArrayError(f"{str(path)!r} holds no finite value", path=str(path))
    problem = describe_odd_values(kind, gain_range, array, statistics)
    if problem and not allow_odd:
        raise ArrayError(
            f"{str(path)!r} {problem}",
            remedy=Remedy.ALLOW_ODD,
            path=str(path),
            kind=kind.name,
            gain_range=gain_range,
            median=statistics.median,
        )
    if statistics.nonfinite and not allow_nonfinite:
        raise ArrayError(
            f"{str(path)!r} holds {_count_nonfinite(statistics, 'that ')}",
            remedy=Remedy.ALLOW_NONFINITE,
            path=str(path),
            nonfinite=statistics.nonfinite,
        )
    return CheckedFile(
        path=path,
        sha256=sha256_of(content),
        size=len(content),
        dtype=kind.dtype,
        shape=detector.panel_shape,
        statistics=statistics,
        blake3=blake3_of(content),
        odd=problem,
        pattern=_find_pattern(array, detector, kind, gain_range),
    )


def _find_pattern(
    array: NDArray[Any], detector: DetectorType, kind: Kind, gain_range: int
) -> FilePattern | None:
    """Return what the sensor is known by, None for a gain range that says nothing of it."""
    return _build_pattern(array, detector) if gain_range in kind.characteristic else None


def compute_file_pattern(content: bytes, path: Path | str, detector: DetectorType, kind: Kind) -> FilePattern:
    """Return what the sensor is known by in the bytes of a file of a characteristic gain range."""
    return _build_pattern(parse_array(content, path, detector.panel_shape, kind.dtype), detector)


def _build_pattern(array: NDArray[Any], detector: DetectorType) -> FilePattern:
    pattern = compute_pattern(array, detector.asic_shape)
    if pattern is None:
        return FilePattern(ALGORITHM)
    return FilePattern(pattern.algorithm, pattern.signs, pattern.samples.tobytes())


def describe_odd_values(
    kind: Kind, gain_range: int, array: NDArray[Any], statistics: Statistics
) -> str | None:
    """Return what is wrong with values that cannot be those of their kind and gain range, None if they can."""
    if statistics.minimum is None or statistics.median is None or statistics.maximum is None:
        return None
    if statistics.minimum == statistics.maximum == 0:
        return None if kind.zero is ZeroMeaning.GOOD else "holds nothing but zeros"
    if not kind.is_possible(gain_range, statistics.median):
        problem = kind.describe_impossible(gain_range, statistics.median)
        swapped = compute_statistics(array.byteswap()).median
        if kind.typical_medians and swapped is not None and kind.is_possible(gain_range, swapped):
            problem += "; with the bytes of each value in the other order it is possible"
        return problem
    low, high = kind.possible_medians(gain_range)
    if low <= statistics.minimum and statistics.maximum <= high:
        return None
    with np.errstate(invalid="ignore"):  # a signalling NaN
        beyond = np.count_nonzero(array < low) + np.count_nonzero(array > high)
    if kind.zero is ZeroMeaning.DEAD:
        beyond -= statistics.zeros
    if beyond <= _LARGEST_SHARE * array.size:
        return None
    return (
        f"has {format_count(int(beyond), 'value')} of {array.size} beyond {low:.4g} to {high:.4g} {kind.unit}, where"
        f" {kind.name} of gain range {gain_range} is possible"
    )


def _read_content(path: Path, payload: int) -> bytes:
    """Read the file, and at most one byte more than the largest legal one has."""
    try:
        with open_input(path, "an array", ArrayError) as file:
            # A larger buffer than the file would be returned to the system, and cleared again for every file.
            size = os.fstat(file.fileno()).st_size
            return file.read(min(size, payload + MAX_HEADER_SIZE) + 1)
    except NotFoundError as error:
        raise ArrayError(error.message, path=str(path)) from None


def parse_array(content: bytes, path: Path | str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return the array in the bytes of a ``.npy`` file, which must be of that shape and dtype."""
    start = find_payload_start(content, len(content), path, shape, dtype)
    return np.frombuffer(content, np.dtype(dtype), offset=start).reshape(shape)


def describe_content(content: bytes, path: Path | str) -> tuple[str, tuple[int, ...], Statistics]:
    """Return dtype, shape and statistics of the array in the bytes of a ``.npy`` file."""
    shape, _, dtype, _ = read_header(content, path)
    return dtype.str, shape, compute_statistics(parse_array(content, path, shape, dtype.str))


def find_payload_start(header: bytes, size: int, path: Path | str, shape: tuple[int, ...], dtype: str) -> int:
    """Return the offset of the payload in a ``.npy`` file, from its first bytes and its size."""
    actual_shape, fortran, actual, start = read_header(header, path)
    required = np.dtype(dtype)
    expected, length = math.prod(shape) * required.itemsize, size - start
    if actual.hasobject:
        problem = "holds pickled objects, which are never loaded"
    elif actual != required:
        problem = f"is {actual.str}, must be {required.str}{_cast_command(path, actual, required)}"
    elif actual_shape != shape:
        reshape = f".reshape({shape})" if [n for n in actual_shape if n != 1] == list(shape) else None
        command = _fix_command(path, actual, reshape)
        problem = f"has the shape {_format_shape(actual_shape)}, must have {shape}{command}"
    elif fortran:
        command = _fix_command(path, actual, ".copy(order=chr(67))")
        problem = f"is in Fortran order, must be in C order{command}"
    elif length < expected:
        problem = f"is cut short: {length} of {expected} bytes are there after the header"
    elif length > expected:
        problem = f"has bytes after its array: {expected} bytes are expected after the header, more are there"
    else:
        return start
    raise ArrayError(f"{str(path)!r} {problem}", path=str(path))


def read_header(content: bytes, path: Path | str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether in Fortran order, dtype, and offset of the payload, from the first bytes of a file."""
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


# Files of one detector type have the same header, and parsing it is slow.
@lru_cache(maxsize=64)
def _parse_header(
    header: bytes, version: tuple[int, int]
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    stream = io.BytesIO(header)
    npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with _WARNINGS_LOCK, warnings.catch_warnings():
        # Headers written by Python 2 ("512L") are legal, and numpy warns of them and of old dtypes.
        warnings.simplefilter("ignore")
        return (*read(stream), stream.tell())


def _format_shape(shape: tuple[int, ...]) -> str:
    try:
        text = str(shape)
    except ValueError:  # Python does not format a number of thousands of digits
        return f"of {format_count(len(shape), 'dimension')}"
    return text if len(text) < 60 else f"{text[:60]}..."


def _cast_command(path: Path | str, actual: np.dtype[Any], required: np.dtype[Any]) -> str:
    """Return the command that writes the array in another dtype, nothing where that could change values."""
    call = f".astype({required.str!r})"
    if np.can_cast(actual, required, "same_kind"):
        return _fix_command(path, actual, call)
    if actual.kind == "i" and required.kind == "u":
        return _fix_command(path, actual, call, "assert a.min() >= 0; ")
    return ""


def _fix_command(path: Path | str, dtype: np.dtype[Any], call: str | None, condition: str = "") -> str:
    """Return the command that writes the array in the required layout, nothing where numpy cannot convert it."""
    if call is None or dtype.kind not in "fiu":
        return ""
    mended = Path(path).with_name(f"mended-{Path(path).name}")
    program = f"import numpy as np; a = np.load({str(path)!r}); {condition}np.save({str(mended)!r}, a{call})"
    return f"; python -c {shlex.quote(program)} writes it so"


def compute_statistics(array: NDArray[Any]) -> Statistics:
    """Return minimum, median and maximum of the finite values, and the counts of zero and non-finite ones.

    Integers are rounded to float64, which differs from them only beyond 2**53.
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
    """Return the exact median of finite values, in a third of the time of `numpy.median`.

    Only the values near the middle of a sample are sorted. In float32 the mean of two could overflow.
    """
    lower, upper = (values.size - 1) // 2, values.size // 2
    sample = np.sort(values[:: values.size // 4096 | 1])  # an odd step visits all columns
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
    """Return warnings about legal but suspicious values in a kind's files, which are in order of gain range."""
    return [*_value_warnings(kind, files), *_pixel_warnings(kind, files)]


def _value_warnings(kind: Kind, files: Sequence[CheckedFile]) -> Iterator[str]:
    for gain_range, file in enumerate(files):
        statistics = file.statistics
        name = repr(str(file.path))
        low, high = kind.expected_medians[gain_range] if kind.expected_medians else (-math.inf, math.inf)
        if statistics.median is not None and not low <= statistics.median <= high:
            yield (
                f"{name}: the median {statistics.median:.4g} {kind.unit} is outside {low:g} to {high:g},"
                f" where {kind.name} of gain range {gain_range} is expected"
            )
        if statistics.nonfinite:
            kept = "it is kept as it is" if statistics.nonfinite == 1 else "they are kept as they are"
            yield f"{name}: {_count_nonfinite(statistics)}, as allowed; {kept}"
        good = 0 if kind.zero is ZeroMeaning.GOOD else 1 if kind.is_mask else None
        if statistics.minimum is not None and statistics.minimum == statistics.maximum != good:
            unit = "" if kind.unit == "1" else f" {kind.unit}"
            yield f"{name}: every pixel has the same value {statistics.minimum:.4g}{unit} (a placeholder?)"


def _pixel_warnings(kind: Kind, files: Sequence[CheckedFile]) -> Iterator[str]:
    """Yield the numbers of dead and flagged pixels by gain range, unless all are zero."""
    zeros = [file.statistics.zeros for file in files]
    folder = repr(str(files[0].path.parent))
    if kind.zero is ZeroMeaning.DEAD and any(zeros):
        yield f"{folder}: {_describe_pixels(zeros, 'has', 'have', f'{kind.name} 0 (dead?)')}"
    flagged = [math.prod(file.shape) - file.statistics.zeros for file in files]
    if kind.zero is ZeroMeaning.GOOD and any(flagged):
        yield f"{folder}: {_describe_pixels(flagged, 'is', 'are', f'flagged by {kind.name}')}"


def _describe_pixels(counts: Sequence[int], singular: str, plural: str, predicate: str) -> str:
    """Return how many pixels of each gain range have or are something, and that they are kept."""
    if sum(counts) == 1:
        return f"1 pixel of gain range {list(counts).index(1)} {singular} {predicate}; kept as it is"
    return f"{', '.join(map(str, counts))} pixels (by gain range) {plural} {predicate}; kept as they are"


def _count_nonfinite(statistics: Statistics, relative: str = "") -> str:
    verb = "is" if statistics.nonfinite == 1 else "are"
    return f"{format_count(statistics.nonfinite, 'value')} {relative}{verb} NaN or infinite"


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
    """Return the absolute differences; integers are subtracted before they are rounded."""
    if before.dtype.kind == "f":
        before, after = before.astype(np.float64), after.astype(np.float64)
    larger, smaller = np.maximum(before, after), np.minimum(before, after)
    differences: NDArray[np.float64] = (larger - smaller).astype(np.float64)
    return differences
