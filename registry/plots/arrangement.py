"""Arrangements: where the panels of a detector are in a picture, and its dots filled with their values.

A dot shows the value at the place of its middle: no value is interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry.geometry import Tile

_SEPARATOR = 0.012  # of the width of a panel
_MAX_DOTS = 2000  # along either side
_BORDER = 0.01  # of the larger side, about everything


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The tiles of panels, by position, and of segments without a panel, by segment number.

    Attributes
    ----------
    axes
        The names of the axes in mm, to the right and vertical; None where places mean nothing.
    points_down
        True if the vertical axis points down.
    note
        A sentence on where the places are from.
    """

    panels: tuple[tuple[Tile, ...], ...]
    note: str
    absent: tuple[tuple[int, tuple[Tile, ...]], ...] = ()
    axes: tuple[str, str] | None = None
    points_down: bool = True

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, lowest and highest, with a border."""
        tiles = [tile for tiles in self.panels for tile in tiles]
        tiles += [tile for _, tiles in self.absent for tile in tiles]
        corners = np.array([corner for tile in tiles for corner in tile.list_corners()])
        (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
        border = _BORDER * max(right - left, high - low)
        return float(left - border), float(right + border), float(low - border), float(high + border)

    @property
    def pixel(self) -> float:
        """The side of a pixel."""
        return math.sqrt(abs(self.panels[0][0].determinant))


def arrange_in_grid(panels: int, shape: tuple[int, int]) -> Arrangement:
    """Return panels of this shape row by row in the order of their positions, in a grid about as wide as high."""
    rows, columns = shape
    across = min(max(round(math.sqrt(panels * rows / columns)), 1), panels)
    gap = max(columns * _SEPARATOR, 0.1)
    places = (divmod(position, across) for position in range(panels))
    return Arrangement(
        panels=tuple(
            (
                Tile(
                    (0, rows),
                    (0, columns),
                    (column * (columns + gap), row * (rows + gap)),
                    (0.0, 1.0),
                    (1.0, 0.0),
                ),
            )
            for row, column in places
        ),
        note="Panels stand in segment order, row by row, not where they are in the detector.",
    )


@dataclass(frozen=True, slots=True)
class Canvas:
    """The dots of a picture, each the number of the block that it shows, -1 for none.

    Blocks are counted through all panels by position, and in each row by row. Row 0 of the dots is at the lowest
    values of the vertical axis. ``overlapping`` dots lie on several panels, and show the last one.
    """

    blocks: NDArray[np.int32]
    overlapping: int


def fill_canvas(arrangement: Arrangement, shape: tuple[int, int], block_size: int) -> Canvas:
    """Return the dots of panels of this shape (row, column) that are drawn in blocks of `block_size` pixels."""
    left, right, low, high = arrangement.extent
    pitch = max(arrangement.pixel * block_size, max(right - left, high - low) / _MAX_DOTS)
    size = math.ceil((high - low) / pitch), math.ceil((right - left) / pitch)
    blocks = np.full(size, -1, np.int32)
    block_rows, block_columns = (-(-pixels // block_size) for pixels in shape)
    overlapping = 0
    for position, tiles in enumerate(arrangement.panels):
        for tile in tiles:
            for dots, rows, columns in _find_dots(tile, (left, low), pitch, size):
                numbers = rows // block_size * block_columns + columns // block_size
                overlapping += int(np.count_nonzero(blocks[dots] >= 0))
                blocks[dots] = position * block_rows * block_columns + numbers
    return Canvas(blocks, overlapping)


def _find_dots(
    tile: Tile, corner: tuple[float, float], pitch: float, size: tuple[int, int]
) -> Iterator[tuple[tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the dots whose middles are in a tile, and the rows and the columns of the segment that they show."""
    corners = (np.array(tile.list_corners()) - corner) / pitch
    (first_x, first_y), (last_x, last_y) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    y = np.arange(max(int(first_y), 0), min(int(last_y), size[0]))
    x = np.arange(max(int(first_x), 0), min(int(last_x), size[1]))
    if not (x.size and y.size):
        return
    right = (x + 0.5) * pitch + corner[0] - tile.origin[0]
    up = ((y + 0.5) * pitch + corner[1] - tile.origin[1])[:, np.newaxis]
    row = (tile.column_step[0] * up - tile.column_step[1] * right) / tile.determinant
    column = (tile.row_step[1] * right - tile.row_step[0] * up) / tile.determinant
    above, below, before, after = tile.margins
    height, width = tile.rows[1] - tile.rows[0], tile.columns[1] - tile.columns[0]
    inside = (row >= -above) & (row < height + below) & (column >= -before) & (column < width + after)
    dot_rows, dot_columns = np.nonzero(inside)
    yield (
        (dot_rows + y[0], dot_columns + x[0]),
        tile.rows[0] + np.clip(row[inside], 0, height - 1).astype(np.intp),
        tile.columns[0] + np.clip(column[inside], 0, width - 1).astype(np.intp),
    )


def locate_pixels(
    tiles: Sequence[Tile], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the places of pixels, (pixel, axis)."""
    places = np.zeros((rows.size, 2))
    for tile in tiles:
        chosen = (rows >= tile.rows[0]) & (rows < tile.rows[1])
        chosen &= (columns >= tile.columns[0]) & (columns < tile.columns[1])
        down = (rows[chosen] - tile.rows[0] + 0.5)[:, np.newaxis] * np.array(tile.row_step)
        aside = (columns[chosen] - tile.columns[0] + 0.5)[:, np.newaxis] * np.array(tile.column_step)
        places[chosen] = np.array(tile.origin) + down + aside
    return places
