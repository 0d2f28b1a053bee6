"""Maps of panels, with marks over dead and odd pixels."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from numpy.typing import NDArray

from registry.plots.page import BLACK, SMALL
from registry.plots.pixels import PanelMap

MARK_SIZE = 4.0
"""Size of a mark in points."""

CROSS, RING = "\N{MULTIPLICATION SIGN}", "\N{WHITE CIRCLE}"
"""The marks of dead and of odd pixels in text."""

MARKS_FOOTNOTE = "Counted on all pixels; where marks would hide each other, one stands for several."

NO_VALUE_COLOUR = "#BBBBBB"
"""Of pixels without a value."""

_SIGN_THRESHOLD = 0.3  # of the limit of the colours


def draw_map(
    axes: Axes, panel_map: PanelMap, shape: tuple[int, int], limits: tuple[float, float], colours: str
) -> None:
    """Draw a panel of that shape (row, column), row 0 at the top."""
    rows, columns = shape
    axes.imshow(
        panel_map.values,
        cmap=mpl.colormaps[colours].with_extremes(bad=NO_VALUE_COLOUR),
        vmin=limits[0],
        vmax=limits[1],
        extent=(0, columns, rows, 0),
        interpolation="nearest",
        aspect="auto",
    )
    for marks, marker in ((panel_map.dead, "x"), (panel_map.odd, "o")):
        draw_marks(axes, marks.columns + 0.5, marks.rows + 0.5, marker)
    axes.set(xlim=(0, columns), ylim=(rows, 0))


def label_pixels(axes: Axes, shape: tuple[int, int]) -> None:
    """Write numbers of rows and columns beside a map."""
    rows, columns = shape
    x, y = (list(range(0, pixels + 1, max(pixels // 4, 1))) for pixels in (columns, rows))
    axes.set(xticks=x, yticks=y)
    axes.set_xlabel("column", size=SMALL, labelpad=1)
    axes.set_ylabel("row", size=SMALL, labelpad=1)


def draw_signs(axes: Axes, coarse_medians: NDArray[np.float64], side: int, limit: float) -> None:
    """Write + and - over squares clearly above or below zero, for prints without colours.

    Parameters
    ----------
    coarse_medians
        The median of every square, (row, column).
    side
        Of the squares, in pixels.
    """
    for sign, marker in ((1, "+"), (-1, "_")):
        rows, columns = np.nonzero(sign * coarse_medians > limit * _SIGN_THRESHOLD)
        draw_marks(axes, (columns + 0.5) * side, (rows + 0.5) * side, marker)


def draw_marks(
    axes: Axes,
    columns: NDArray[np.floating[Any]],
    rows: NDArray[np.floating[Any]],
    marker: str,
    size: float = MARK_SIZE,
) -> None:
    """Draw black marks with a white rim, seen on every colour and without colours."""
    axes.plot(
        columns,
        rows,
        linestyle="none",
        marker=marker,
        markersize=size,
        markeredgewidth=0.7,
        markeredgecolor=BLACK,
        markerfacecolor="none",
        path_effects=[patheffects.withStroke(linewidth=1.8, foreground="white")],
    )
