"""Details beside the map of one panel: a number for each ASIC, and the histogram of the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from numpy.typing import NDArray

from registry.detectors import Kind, ZeroMeaning
from registry.plots.page import BLACK, BLUE, SMALL, Page, choose_ticks, measure_height
from registry.plots.pixels import find_live_pixels, find_percentiles

_PERCENTILES = (0.1, 99.9)
_WIDENING = 0.35  # of their distance, on either side
_BINS = 80
_BOX_COLOUR = "#F2F2F2"
DETAIL_WIDTH = 2.7
_ROW_HEIGHT = 0.2
_HISTOGRAM_HEIGHT = 0.95
_AXIS_HEIGHT = 0.42


@dataclass(frozen=True, slots=True)
class PanelDetail:
    """The values of one array.

    Attributes
    ----------
    asics
        The median of each ASIC (row, column), NaN where it has no value; of flags how many pixels are flagged. None
        where the panel is not made of whole ASICs.
    counts, edges
        A histogram of the values, all but the ``outside`` ones; empty for flags.
    median
        Of the values, None if there are none.
    """

    asics: NDArray[np.float64] | None
    counts: NDArray[np.intp]
    edges: NDArray[np.float64]
    outside: int
    median: float | None


def build_detail(array: NDArray[Any], kind: Kind, asic_grid: tuple[int, int] | None) -> PanelDetail:
    """Return the details of an array (row, column)."""
    if kind.zero is ZeroMeaning.GOOD:
        flagged = [[float(np.count_nonzero(part)) for part in row] for row in _split(array, asic_grid)]
        return PanelDetail(np.array(flagged) if flagged else None, np.zeros(0, np.intp), np.zeros(0), 0, None)
    medians = [[_find_median(part, kind) for part in row] for row in _split(array, asic_grid)]
    values = array[find_live_pixels(array, kind)].astype(np.float64)
    counts, edges = _count_values(values)
    return PanelDetail(
        np.array(medians) if medians else None,
        counts,
        edges,
        int(values.size - counts.sum()),
        find_percentiles(values, (50.0,))[0] if values.size else None,
    )


def _split(array: NDArray[Any], grid: tuple[int, int] | None) -> list[list[NDArray[Any]]]:
    if grid is None:
        return []
    return [np.hsplit(row, grid[1]) for row in np.vsplit(array, grid[0])]


def _find_median(array: NDArray[Any], kind: Kind) -> float:
    values = array[find_live_pixels(array, kind)]
    return find_percentiles(values, (50.0,))[0] if values.size else float("nan")


def _count_values(values: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return counts and edges of bins that hold nearly all values."""
    if not values.size:
        return np.zeros(0, np.intp), np.zeros(0)
    low, high = find_percentiles(values, _PERCENTILES)
    padding = _WIDENING * (high - low) or max(abs(low) * 1e-3, 1e-6)
    return np.histogram(values, bins=_BINS, range=(low - padding, high + padding))


def measure_details(asic_grid: tuple[int, int] | None) -> float:
    """Return the height in inches of the details of a panel."""
    asics = measure_height(SMALL) + _ROW_HEIGHT * asic_grid[0] + 0.1 if asic_grid else 0.0
    return asics + measure_height(SMALL) + _HISTOGRAM_HEIGHT + _AXIS_HEIGHT


def draw_details(page: Page, left: float, top: float, detail: PanelDetail, kind: Kind) -> None:
    """Draw the ASICs as they lie on the panel, and below them the histogram."""
    if detail.asics is not None:
        what = "flagged pixels" if kind.zero is ZeroMeaning.GOOD else f"medians, {kind.unit}"
        rows, columns = detail.asics.shape
        top = page.write(left, top, [f"{what}, of the {rows} x {columns} ASICs as they lie"], SMALL)
        axes = page.add_axes(left, top, DETAIL_WIDTH, _ROW_HEIGHT * rows, numbered=False)
        _draw_asics(axes, detail.asics)
        top += _ROW_HEIGHT * rows + 0.1
    if detail.median is None:
        if kind.zero is not ZeroMeaning.GOOD:
            page.write(left, top, ["no value"], SMALL)
        return
    words = f"all values; dashed: the median, {detail.median:.5g}"
    top = page.write(left, top, [words + (f"; {detail.outside} beyond" if detail.outside else "")], SMALL)
    _draw_histogram(page.add_axes(left, top + 0.02, DETAIL_WIDTH, _HISTOGRAM_HEIGHT), detail, kind)


def _draw_asics(axes: Axes, asics: NDArray[np.float64]) -> None:
    rows, columns = asics.shape
    axes.set(xlim=(0, columns), ylim=(rows, 0), facecolor=_BOX_COLOUR)
    for number in range(1, max(rows, columns)):
        for draw, most in ((axes.axhline, rows), (axes.axvline, columns)):
            if number < most:
                draw(number, color=BLACK, linewidth=0.4)
    for (row, column), value in np.ndenumerate(asics):
        text = f"{value:.5g}" if np.isfinite(value) else "none"
        axes.text(column + 0.5, row + 0.5, text, size=SMALL, ha="center", va="center")


def _draw_histogram(axes: Axes, detail: PanelDetail, kind: Kind) -> None:
    axes.stairs(detail.counts, detail.edges, fill=True, color=BLUE, linewidth=0)
    axes.set_yscale("log")
    low, high = float(detail.edges[0]), float(detail.edges[-1])
    most = max(int(detail.counts.max()), 1)
    decades = [10**power for power in range(0, len(str(most)), 2)]
    axes.set(xlim=(low, high), ylim=(0.7, most * 2))
    axes.set_yticks(decades, labels=[f"{value}" for value in decades])
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    ticks, labels = choose_ticks(low, high)
    axes.set_xticks(ticks, labels=labels)
    axes.set_xlabel(kind.unit, size=SMALL, labelpad=1)
    axes.set_ylabel("pixels", size=SMALL, labelpad=1)
    if detail.median is not None:
        axes.axvline(detail.median, color=BLACK, linewidth=1.0, linestyle=(0, (4, 2)))
