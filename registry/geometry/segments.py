"""The segments that geometry files of psana name: their pixels in their own frame, whose origin is their middle.

Between ASICs there is a gap of several pixels. The pixels at either side of it are larger in reality and fill it, each
its half; psana places them as if they were as small as the others (lcls-psana/PSCalib, ``SegGeometryJungfrauV1.py``
and V2, ``SegGeometryEpix10kaV1.py`` and V2; slac-lcls/lcls2, ``SegGeometryJungfrauV3.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from registry.detectors import DetectorType
from registry.detectors.epix10ka import EPIX10KA
from registry.detectors.jungfrau import JUNGFRAU

_MATRIX = re.compile(r"MTRX:([0-9]{1,5}):([0-9]{1,5}):([0-9.]{1,9}):([0-9.]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class SegmentType:
    """A segment by its name: the ASICs of a panel, the gap between them in pixels, and the size of a pixel in um."""

    detector: DetectorType
    pixel: float
    gap: float
    rows_go_up: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the segment."""
        return self.detector.panel_shape

    def build_axes(self) -> tuple[list[Stretch], list[Stretch]]:
        """Return the stretches of the rows along y, and of the columns along x."""
        counts = self.detector.asic_grid or (1, 1)
        rows, columns = (
            _split_axis(pixels, count, self.gap, self.pixel)
            for pixels, count in zip(self.shape, counts, strict=True)
        )
        if not self.rows_go_up:
            rows = [Stretch(one.first, one.end, -one.start, -one.step, one.margins) for one in rows]
        return rows, columns


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows or columns of equal size along an axis: the first, the end, the start and the step in um, the margins."""

    first: int
    end: int
    start: float
    step: float
    margins: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class MatrixType:
    """A segment of equal pixels, ``MTRX:512:1024:75:75``; its origin is the middle of its first pixel, x along rows."""

    shape: tuple[int, int]
    pixel: tuple[float, float]

    def build_axes(self) -> tuple[list[Stretch], list[Stretch]]:
        """Return the stretch of the rows along x, and of the columns along y."""
        (rows, columns), (height, width) = self.shape, self.pixel
        return [Stretch(0, rows, -height / 2, height)], [Stretch(0, columns, -width / 2, width)]


SEGMENT_TYPES = {
    "JUNGFRAU:V1": SegmentType(JUNGFRAU, 75.0, 2.0),
    "JUNGFRAU:V2": SegmentType(JUNGFRAU, 75.0, 2.0, rows_go_up=True),
    "JUNGFRAU:V3": SegmentType(JUNGFRAU, 75.0, 2.0, rows_go_up=True),
    "EPIX10KA:V1": SegmentType(EPIX10KA, 100.0, 3.0),
    "EPIX10KA:V2": SegmentType(EPIX10KA, 100.0, 2.5),
}


def find_segment_type(name: str) -> SegmentType | MatrixType | None:
    """Return the segment of that name, None if it is not that of a segment."""
    if known := SEGMENT_TYPES.get(name):
        return known
    match = _MATRIX.fullmatch(name)
    if match is None or any(text.count(".") > 1 or not text.strip(".") for text in match.groups()):
        return None
    rows, columns, height, width = int(match[1]), int(match[2]), float(match[3]), float(match[4])
    return MatrixType((rows, columns), (height, width)) if rows and columns and height and width else None


def _split_axis(pixels: int, count: int, gap: float, pixel: float) -> list[Stretch]:
    """Return the stretches of `count` ASICs with gaps between them, and the origin in the middle."""
    size = pixels // count
    middle = (pixels + (count - 1) * gap) / 2
    return list(_list_stretches(size, count, gap, pixel, middle))


def _list_stretches(size: int, count: int, gap: float, pixel: float, middle: float) -> Iterator[Stretch]:
    for number in range(count):
        first = number * size
        start = (number * (size + gap) - middle) * pixel
        margins = gap / 2 if number else 0.0, gap / 2 if number < count - 1 else 0.0
        yield Stretch(first, first + size, start, pixel, margins)
