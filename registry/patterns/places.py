"""Places of a pattern: the pixels of which it has samples, the same on every machine and closed under mirroring.

They are 128 blocks of 8 x 8 pixels in the upper left quarter of the panel, with eight places in each, and their
mirror images in the three other quarters. Blocks begin at the corner of the panel; those that touch the border of an
ASIC are left out. Of the n others, in the order of rows and then columns, number (2 k + 1) n // 256 is the block k of
0 to 127. Its places are at the pixels (r, (3 r + k) mod 8), r from 0 to 7: one in each row and in each column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PATTERN_SIZE = 4096
"""The number of samples."""

BLOCK_SIDE = 8
"""Of the blocks, in pixels, and the number of places in each."""

_BLOCKS = PATTERN_SIZE // BLOCK_SIDE // 4  # of a quarter


@dataclass(frozen=True, slots=True)
class Places:
    """The places on panels of one shape, in the order of the samples, which are those of one block after the other.

    Attributes
    ----------
    rows, columns
        Of the places.
    asics
        The number of the ASIC that holds the place, row by row.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    asics: NDArray[np.intp]


@lru_cache(maxsize=8)
def choose_places(panel_shape: tuple[int, int], asic_shape: tuple[int, int]) -> Places | None:
    """Return the places on a panel; None if it is not made of whole ASICs, these of whole blocks, or is too small."""
    lengths = tuple(zip(panel_shape, asic_shape, strict=True))
    if any(
        asic % BLOCK_SIDE or pixels % asic or pixels % (2 * BLOCK_SIDE) or not pixels
        for pixels, asic in lengths
    ):
        return None
    block_rows, block_columns = (_list_inner_blocks(pixels // 2, asic) for pixels, asic in lengths)
    count = block_rows.size * block_columns.size
    if count < _BLOCKS:
        return None
    numbers = np.arange(_BLOCKS)
    indices = (2 * numbers + 1) * count // (2 * _BLOCKS)
    steps = np.arange(BLOCK_SIDE)
    rows = block_rows[indices // block_columns.size, np.newaxis] + steps
    columns = (
        block_columns[indices % block_columns.size, np.newaxis]
        + (3 * steps + numbers[:, np.newaxis]) % BLOCK_SIDE
    )
    (last_row, last_column), (asic_rows, asic_columns) = np.subtract(panel_shape, 1), asic_shape
    all_rows = np.concatenate([rows, rows, last_row - rows, last_row - rows]).reshape(-1)
    all_columns = np.concatenate([columns, last_column - columns] * 2).reshape(-1)
    asics = all_rows // asic_rows * (panel_shape[1] // asic_columns) + all_columns // asic_columns
    return Places(all_rows, all_columns, asics)


def _list_inner_blocks(pixels: int, asic: int) -> NDArray[np.intp]:
    """Return the first pixel of each block, of the pixels from 0 on, that does not touch the border of an ASIC."""
    starts = np.arange(0, pixels - BLOCK_SIDE + 1, BLOCK_SIDE)
    position = starts % asic
    return starts[(position > 0) & (position < asic - BLOCK_SIDE)]
