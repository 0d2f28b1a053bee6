"""Tiles: rectangles of a segment's pixels, and where they are in the plane of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Vector = tuple[float, float]
"""A step or a place in the plane: to the right, and along the vertical axis; mm in a geometry file."""

_SMALLEST_SINE = 1e-3  # of the angle between rows and columns of pixels


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of pixels whose rows and columns are straight in the plane.

    The corner of its first pixel is at ``origin``; a row lies ``row_step`` further than the one before it, and so do
    columns.

    Attributes
    ----------
    rows, columns
        The first one in the segment, and one beyond the last.
    margins
        How far the pixels at its borders reach beyond their regular size, in pixels: before the first row, after the
        last one, before the first column, after the last one.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    origin: Vector
    row_step: Vector
    column_step: Vector
    margins: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def determinant(self) -> float:
        """The area of a pixel; negative where the columns turn to the rows the other way round."""
        return self.column_step[0] * self.row_step[1] - self.column_step[1] * self.row_step[0]

    @property
    def is_flat(self) -> bool:
        """True if pixels have an area: not those of a segment that is seen from its edge."""
        (a, b), (c, d) = self.row_step, self.column_step
        lengths = (a * a + b * b) * (c * c + d * d)
        return lengths > 0 and self.determinant**2 > _SMALLEST_SINE**2 * lengths

    def locate(self, row: float, column: float) -> Vector:
        """Return the place of a point; rows and columns count from the corner of the tile's first pixel."""
        return (
            self.origin[0] + row * self.row_step[0] + column * self.column_step[0],
            self.origin[1] + row * self.row_step[1] + column * self.column_step[1],
        )

    def list_corners(self) -> list[Vector]:
        """Return the four corners, one after the other round the tile."""
        above, below, left, right = self.margins
        height, width = self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]
        return [
            self.locate(row, column)
            for row, column in (
                (-above, -left),
                (-above, width + right),
                (height + below, width + right),
                (height + below, -left),
            )
        ]


def find_centre(tiles: Sequence[Tile]) -> Vector:
    """Return the middle of the corners of tiles."""
    corners = [corner for tile in tiles for corner in tile.list_corners()]
    return sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners)
