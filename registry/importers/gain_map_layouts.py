"""Other layouts that a maker's file may be in than the one that its detector type states.

The file has no header, so its size alone tells which stages it holds, and another layout may have the same size: six
stages of float32 have that of three of float64. If the values cannot be gains in the stated layout, it is read in the
others. One in which they can be is named in the refusal, with the command that writes the file as the maker does;
nothing is converted because it looks right.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.arrays import compute_statistics
from registry.detectors import DetectorType, Kind, MakerFormat
from registry.errors import ArrayError
from registry.files import open_input
from registry.identifiers import format_count

_DTYPES = {
    "<f8": "float64",
    "<f4": "float32",
    ">f8": "big-endian float64",
    ">f4": "big-endian float32",
}
# Noise holds NaN and infinity too; of maps at most a few pixels are such.
_FINITE_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class _Layout:
    """A way to read the bytes: stages of a dtype, whole one after the other or side by side for every pixel.

    ``order`` gives for each of the maker's stages its place in the file.
    """

    dtype: str
    stages: tuple[str, ...]
    is_interleaved: bool = False
    order: tuple[int, ...] = ()

    def read(self, content: bytes) -> NDArray[Any]:
        """Return the values as (stage, pixel), in the maker's order."""
        values = np.frombuffer(content, self.dtype)
        count = len(self.stages)
        array = values.reshape(-1, count).T if self.is_interleaved else values.reshape(count, -1)
        return array[list(self.order)] if self.order else array

    def __str__(self) -> str:
        names = [self.stages[self.order.index(place)] for place in range(len(self.order))] or self.stages
        arrangement = ", those of a pixel side by side" if self.is_interleaved else ""
        return (
            f"{format_count(len(names), 'stage')} of {_DTYPES[self.dtype]} ({', '.join(names)}{arrangement})"
        )

    def build_command(self, path: Path, maps: MakerFormat) -> str:
        """Return the command that writes the file as the maker does."""
        count = len(self.stages)
        shape = f"(-1, {count}).T" if self.is_interleaved else f"({count}, -1)"
        order = f"[{list(self.order)}]" if self.order else ""
        program = (
            f"import numpy as np; a = np.fromfile({str(path)!r}, {self.dtype!r}).reshape{shape}{order};"
            f" a.astype({maps.dtype!r}).tofile({str(path.with_name(f'mended-{path.name}'))!r})"
        )
        return f"python -c {shlex.quote(program)}"


def refuse_other_layout(path: Path, detector: DetectorType, maps: MakerFormat) -> None:
    """Raise an `ArrayError` if the values of a file can be gains in another layout, and cannot in the maker's."""
    kind = detector.find_kind(maps.kind)
    pixels = math.prod(detector.panel_shape)
    layouts = list(_list_layouts(maps))
    sizes = {_compute_size(layout, pixels) for layout in layouts}
    with open_input(path, "the maker's maps", ArrayError) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size) if size in sizes else b""
    possible = [
        layout
        for layout in layouts
        if _compute_size(layout, pixels) == len(content) and _is_possible(layout.read(content), kind)
    ]
    if not possible or any(_is_stated(layout, maps) for layout in possible):
        return
    command = f"; {possible[0].build_command(path, maps)} writes it so" if len(possible) == 1 else ""
    raise ArrayError(
        f"{str(path)!r} does not hold {maps.kind} as the maker writes it, stages of {_DTYPES[maps.dtype]} one after"
        f" the other; its values are possible as {' or as '.join(map(str, possible))}{command}",
        path=str(path),
        layouts=[str(layout) for layout in possible],
    )


def _list_layouts(maps: MakerFormat) -> Iterator[_Layout]:
    for stages in (maps.stages, maps.stages + maps.optional_stages):
        for dtype in _DTYPES:
            yield _Layout(dtype, stages)
            yield _Layout(dtype, stages, is_interleaved=True)
    for dtype in _DTYPES:
        for order in permutations(range(len(maps.stages))):
            if list(order) != sorted(order):
                yield _Layout(dtype, maps.stages, order=order)


def _is_stated(layout: _Layout, maps: MakerFormat) -> bool:
    return layout.dtype == maps.dtype and not layout.is_interleaved and not layout.order


def _compute_size(layout: _Layout, pixels: int) -> int:
    return len(layout.stages) * pixels * np.dtype(layout.dtype).itemsize


def _is_possible(stages: NDArray[Any], kind: Kind) -> bool:
    """Tell whether the first stages can be the gain ranges of the kind."""
    for gain_range, stage in enumerate(stages[: len(kind.typical_medians)]):
        with np.errstate(invalid="ignore"):
            statistics = compute_statistics(np.ascontiguousarray(stage))
        if statistics.median is None or statistics.nonfinite > (1 - _FINITE_SHARE) * stage.size:
            return False
        if not kind.is_possible(gain_range, statistics.median):
            return False
    return True
