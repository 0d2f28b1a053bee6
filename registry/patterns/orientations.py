"""Orientations in which the values of one panel may be written down: as they are, mirrored, turned."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Orientation(StrEnum):
    """The four mirrorings of a panel that keep its shape. Each undoes itself."""

    AS_IT_IS = "as it is"
    UPSIDE_DOWN = "upside down"
    MIRRORED = "mirrored"
    TURNED = "turned by 180 degrees"

    @property
    def steps(self) -> tuple[int, int]:
        """The steps through rows and columns, 1 or -1: -1 reads them from the last one to the first."""
        return _STEPS[self]

    def apply(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the values (row, column) in this orientation."""
        row_step, column_step = self.steps
        return values[::row_step, ::column_step]


_STEPS = {
    Orientation.AS_IT_IS: (1, 1),
    Orientation.UPSIDE_DOWN: (-1, 1),
    Orientation.MIRRORED: (1, -1),
    Orientation.TURNED: (-1, -1),
}


def orient_samples(samples: NDArray[np.int8], orientation: Orientation) -> NDArray[np.int8]:
    """Return the samples that the map has in this orientation.

    Samples are ordered by (half of the rows, half of the columns, place): one of another half is at the mirrored place.
    """
    row_step, column_step = orientation.steps
    return samples.reshape(2, 2, -1)[::row_step, ::column_step].reshape(-1)
