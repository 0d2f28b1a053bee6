"""The figure: distributions of correlations for the same sensor and for others, by conditions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from documentation.pattern_study.trials import CaseResult
from registry.patterns import FITTING, OWN_FITTING
from registry.plots.page import BLACK, MARGIN, SKY, SMALL, TEXT, lay_out_page

_WIDTH, _LABELS, _ROW = 6.8, 1.75, 0.36  # inches
_LOW, _HIGH = -0.1, 1.0
_BIN = 0.005
_AXIS = 0.75  # inches below the rows, for the numbers and the legend
_GREY = "#BBBBBB"


def draw_figure(results: Mapping[str, CaseResult], modules: int) -> Figure:
    """Return the figure: one row for each case."""
    height = len(results) * _ROW
    page, top = lay_out_page(
        _WIDTH,
        height + _AXIS,
        "Correlations of a new measurement with registered maps",
        [f"{modules} simulated sensors; each distribution is scaled to the same height"],
        [
            "Others: all other sensors, in all four orientations.",
            f"From {FITTING:.2f} on a map counts as one of that sensor; with less than {OWN_FITTING:.2f} it is unlike.",
        ],
    )
    axes = page.add_axes(MARGIN + _LABELS, top, _WIDTH - _LABELS, height)
    axes.set(xlim=(_LOW, _HIGH), ylim=(len(results), 0), yticks=[])
    for row, (name, result) in enumerate(results.items()):
        _draw_distribution(axes, row, result.others, _GREY, "")
        _draw_distribution(axes, row, result.same, SKY, "////")
        axes.axhline(row + 1, color=BLACK, linewidth=0.4)
        page.write(MARGIN, top + (row + 0.35) * _ROW, [name], TEXT)
    axes.axvline(FITTING, color=BLACK, linewidth=0.9, linestyle=":")
    axes.axvline(OWN_FITTING, color=BLACK, linewidth=0.9, linestyle="--")
    axes.set_xlabel("correlation", size=SMALL, labelpad=1)
    handles = [
        axes.fill_between([], [], color=_GREY, label="others"),
        axes.fill_between([], [], facecolor=SKY, edgecolor=BLACK, hatch="////", label="the same sensor"),
        axes.axvline(-1, color=BLACK, linewidth=0.9, linestyle="--", label=f"{OWN_FITTING:.2f}: not unlike"),
        axes.axvline(-1, color=BLACK, linewidth=0.9, linestyle=":", label=f"{FITTING:.2f}: fits"),
    ]
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.4 / height),
        ncols=4,
        fontsize=SMALL,
        frameon=False,
    )
    return page.figure


def _draw_distribution(axes: Axes, row: int, values: NDArray[np.float64], colour: str, hatch: str) -> None:
    edges = np.arange(_LOW, _HIGH + 2 * _BIN, _BIN)
    counts, _ = np.histogram(values, edges)
    first, last = np.flatnonzero(counts)[[0, -1]]
    heights = counts[first : last + 1] / counts.max() * 0.85
    axes.stairs(
        row + 1 - heights,
        edges[first : last + 2],
        baseline=row + 1,
        fill=True,
        facecolor=colour,
        edgecolor=BLACK,
        linewidth=0.4,
        hatch=hatch,
    )
