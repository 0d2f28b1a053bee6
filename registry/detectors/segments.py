"""Segment numbers: the places of panels in their detector, as the data system counts them from 0.

They ascend in a detector Id, which is in segment order. A detector may run with some panels absent, so its panels do
not tell their numbers. Only those of a whole detector are known without being stated: 0, 1, 2 ...
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral

from registry.detectors.known import find_source_type
from registry.detectors.types import DetectorType
from registry.errors import RequestError
from registry.identifiers import format_count, quote

_RANGE = re.compile(r"s?([0-9]{1,3})(?:-s?([0-9]{1,3}))?", re.ASCII)
_LISTED = re.compile(r"[\[(]\s*(.*?)[\s,]*[\])]", re.ASCII)  # as Python and numpy print a list


def parse_segment_numbers(value: str | Iterable[int]) -> tuple[int, ...]:
    """Read segment numbers in ascending order: integers, or a text with ranges as ``0-3,8``.

    A text may be as the newer data system writes them, too: ``s00``, and lists as ``[0, 1]`` or ``[0 1]``.
    """
    if isinstance(value, str):
        return _parse_text(value)
    numbers = tuple(value) if isinstance(value, Iterable) else (value,)
    if any(isinstance(number, bool) or not isinstance(number, Integral) for number in numbers):
        raise RequestError(f"{quote(repr(value))} is not a list of segment numbers")
    _refuse_wrong_order(numbers)
    return tuple(map(int, numbers))


def _parse_text(text: str) -> tuple[int, ...]:
    numbers: list[int] = []
    listed = _LISTED.fullmatch(text.strip())
    for part in re.split(r"[\s,]+", listed[1]) if listed else text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if not match:
            raise RequestError(f"{quote(text)} is not a list of segment numbers: one like 0-3,8 is expected")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise RequestError(f"{quote(text)} is not a list of segment numbers: {part.strip()} is reversed")
        numbers += range(first, last + 1)
        _refuse_wrong_order(numbers)  # at once, so that the list does not grow without end
    return tuple(numbers)


def format_segment_numbers(segments: Sequence[int]) -> str:
    """Return segment numbers as they are written, with ranges: ``0-3,8``."""
    runs: list[list[int]] = []
    for number in segments:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def list_whole_sizes(detector_type: DetectorType, source: str | None = None) -> tuple[int, ...]:
    """Return the numbers of panels of whole detectors of a type; with a source, of those that its device can be."""
    if source is None:
        return detector_type.whole_sizes
    fewest = detector_type.find_device(source).fewest_panels
    return tuple(
        size for size in detector_type.whole_sizes if fewest <= size <= detector_type.most_panels(source)
    )


def find_default_segments(
    detector_type: DetectorType, panels: int, source: str | None = None
) -> tuple[int, ...] | None:
    """Return the segment numbers of a detector with this number of panels for which none were stated.

    Those of a whole detector are 0, 1, 2 ...; of any other nobody knows them: None.
    """
    return tuple(range(panels)) if panels in list_whole_sizes(detector_type, source) else None


def refuse_wrong_segments(
    segments: Sequence[int], panels: int, detector_type: DetectorType, source: str | None = None
) -> None:
    """Refuse segment numbers that are not one for each panel, ascending, and those of a detector of the type.

    With a source, those of the detectors that its device can be.
    """
    _refuse_wrong_order(segments)
    largest = detector_type.whole_sizes[-1] if source is None else detector_type.most_panels(source)
    outside = [number for number in segments if not 0 <= number < largest]
    if outside:
        raise RequestError(
            f"{outside[0]} is not a segment number of {source or detector_type.name}: they are 0 to {largest - 1}",
            segments=list(segments),
        )
    if len(segments) != panels:
        raise RequestError(
            f"{format_count(len(segments), 'segment number')} for {format_count(panels, 'panel')}:"
            " one for each is expected, in the same order",
            segments=list(segments),
        )


def _refuse_wrong_order(segments: Sequence[int]) -> None:
    for before, number in pairwise(segments):
        if number == before:
            raise RequestError(f"segment number {number} occurs more than once", segments=list(segments))
        if number < before:
            raise RequestError(
                f"segment number {number} stands after {before}: the panels of a detector are in segment order",
                segments=list(segments),
            )


def complete_segments(
    source: str, panels: Sequence[str], stated: Sequence[int] | None
) -> tuple[int, ...] | None:
    """Return the segment numbers of a source's panels: the stated ones, or those of a whole detector."""
    detector_type = find_source_type(source)
    if stated is None:
        return find_default_segments(detector_type, len(panels), source)
    refuse_wrong_segments(stated, len(panels), detector_type, source)
    return tuple(stated)
