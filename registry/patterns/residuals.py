"""The residual of a map: what is left without everything that sensors have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from registry.patterns.places import BLOCK_SIDE, Places

_PASSES = 2
_MIDDLE = slice(BLOCK_SIDE // 2 - 1, BLOCK_SIDE // 2 + 1)  # two pixels of eight, closed under mirroring


def compute_residuals(
    values: NDArray[np.float32], asic_shape: tuple[int, int], places: Places
) -> NDArray[np.float32]:
    """Return the residual at each place: the value minus those of its row, its column and its block.

    Medians are those of the pixels that are not NaN. Those of a row within an ASIC are taken in the two middle
    columns of every block of eight, those of a column in the two middle rows: a quarter of the pixels.
    """
    of_rows, of_columns = _measure_rows_and_columns(values, asic_shape)
    rows, columns = (
        index.reshape(-1, BLOCK_SIDE)[:, :1] // BLOCK_SIDE * BLOCK_SIDE + np.arange(BLOCK_SIDE)
        for index in (places.rows, places.columns)
    )
    blocks = values[rows[:, :, np.newaxis], columns[:, np.newaxis, :]]
    blocks -= of_rows[rows, columns[:, :1] // asic_shape[1]][:, :, np.newaxis]
    blocks -= of_columns[rows[:, :1] // asic_shape[0], columns][:, np.newaxis, :]
    medians = _sort_and_find_medians(blocks.reshape(len(blocks), -1).copy())
    block_numbers = np.arange(len(places.rows)) // BLOCK_SIDE
    residuals: NDArray[np.float32] = blocks[
        block_numbers, places.rows % BLOCK_SIDE, places.columns % BLOCK_SIDE
    ]
    residuals -= medians[block_numbers]
    return residuals


def _measure_rows_and_columns(
    values: NDArray[np.float32], asic_shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the medians of rows (row, ASIC) and, without these, those of columns (ASIC, column), of two passes."""
    height, width = asic_shape
    rows, columns = values.shape
    down, across = rows // height, columns // width
    row_values = values.reshape(down, height, across, -1, BLOCK_SIDE)[..., _MIDDLE]
    row_values = row_values.reshape(down, height, across, -1)
    column_values = values.reshape(down, -1, BLOCK_SIDE, across, width)[:, :, _MIDDLE]
    column_values = np.ascontiguousarray(column_values.reshape(down, -1, across, width).transpose(0, 2, 3, 1))
    of_columns = np.zeros((down, across, width), np.float32)
    for _ in range(_PASSES):
        middle = of_columns.reshape(down, across, -1, BLOCK_SIDE)[..., _MIDDLE]
        of_rows = _sort_and_find_medians(row_values - middle.reshape(down, 1, across, -1))
        middle = of_rows.reshape(down, -1, BLOCK_SIDE, across)[:, :, _MIDDLE]
        middle = middle.reshape(down, -1, across).transpose(0, 2, 1)
        of_columns = _sort_and_find_medians(column_values - middle[:, :, np.newaxis, :])
    return of_rows.reshape(rows, across), of_columns.reshape(down, columns)


def _sort_and_find_medians(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sort the values along the last axis; return the medians of those that are not NaN, NaN where all are."""
    values.sort(axis=-1)  # NaN last
    length = values.shape[-1]
    count = length - np.count_nonzero(np.isnan(values), axis=-1, keepdims=True)
    middles = np.concatenate([np.maximum(count - 1, 0) // 2, np.minimum(count // 2, length - 1)], axis=-1)
    pairs = np.take_along_axis(values, middles, axis=-1)
    return (pairs[..., 0] + pairs[..., 1]) * np.float32(0.5)
