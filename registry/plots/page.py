"""Pages: figures laid out in inches from the upper left corner, so that nothing overlaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

MARGIN = 0.35
TITLE, HEADING, TEXT, SMALL = 11.0, 9.0, 8.0, 7.0
"""Sizes of letters in points; none is smaller."""

# Okabe and Ito's colours, which colour-blind people can tell apart; https://jfly.uni-koeln.de/color/
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"

_LETTER_WIDTH = 0.62  # of its size; of the digits, which are wider than most
_BOLD = 1.13  # times as wide
_LINE_HEIGHT = 1.35  # of the size
_PADDING = 0.12  # inches


class TitledFigure(Figure):
    """A figure with its words for the metadata of the file."""

    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Page:
    """A figure and its size in inches."""

    figure: Figure
    width: float
    height: float

    def write(
        self, left: float, top: float, lines: Sequence[str], size: float = TEXT, **options: str
    ) -> float:
        """Write lines; return where they end."""
        for line in lines:
            self.figure.text(
                left / self.width,
                1 - top / self.height,
                line,
                fontsize=size,
                va="top",
                **options,  # type: ignore[arg-type]
            )
            top += measure_height(size)
        return top

    def add_axes(
        self, left: float, top: float, width: float, height: float, *, numbered: bool = True
    ) -> Axes:
        """Return axes at that position, with or without numbers beside them."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(box)
        if numbered:
            axes.tick_params(labelsize=SMALL, width=0.6, length=2.5, pad=2)
        else:
            axes.xaxis.set_visible(False)
            axes.yaxis.set_visible(False)
        return axes


def lay_out_page(
    width: float, height: float, title: str, subtitles: Sequence[str], footnotes: Iterable[str]
) -> tuple[Page, float]:
    """Return a page with title, subtitles and footnotes, and the top of the space between, of that size in inches."""
    head = (
        wrap_text(title, width, TITLE * _BOLD, " _"),
        [line for text in subtitles for line in wrap_text(text, width, TEXT)],
    )
    notes = [line for text in footnotes for line in wrap_text(text, width, SMALL)]
    top = MARGIN + measure_height(TITLE, len(head[0])) + measure_height(TEXT, len(head[1])) + _PADDING
    whole = (width + 2 * MARGIN, top + height + _PADDING + measure_height(SMALL, len(notes)) + MARGIN)
    figure = TitledFigure(figsize=whole, facecolor="white")
    figure.title, figure.description = title, "; ".join(subtitles)
    page = Page(figure, *whole)
    page.write(MARGIN, page.write(MARGIN, MARGIN, head[0], TITLE, fontweight="bold"), head[1])
    page.write(MARGIN, top + height + _PADDING, notes, SMALL)
    return page, top


def measure_height(size: float, lines: int = 1) -> float:
    """Return the inches that lines of this size take."""
    return lines * size * _LINE_HEIGHT / 72


def measure_width(text: str, size: float) -> float:
    """Return the inches that a text of this size may take."""
    return len(text) * size * _LETTER_WIDTH / 72


def wrap_text(text: str, width: float, size: float, break_after: str = " ") -> list[str]:
    """Return the text in lines of at most so many inches, folded after a mark or hyphen where there is one."""
    length = max(int(width * 72 / (size * _LETTER_WIDTH)), 1)
    lines = []
    while len(text) > length:
        end = max(text.rfind(mark, 1, length + (mark == " ")) for mark in break_after)
        if end < 1:
            end = text.rfind("-", 1, length)  # within a panel Id that is longer than a line
        end = length if end < 1 else end + 1
        lines.append(text[:end].rstrip())
        text = text[end:]
    return [*lines, text]


def draw_colour_bar(axes: Axes, limits: tuple[float, float], colours: str | Colormap, unit: str) -> None:
    """Draw a bar that shows which value a colour has."""
    bar = axes.figure.colorbar(
        ScalarMappable(Normalize(*limits), colours), cax=axes, orientation="horizontal", extend="both"
    )
    ticks, labels = choose_ticks(*limits)
    bar.set_ticks(ticks, labels=labels)
    bar.ax.xaxis.set_minor_locator(ticker.NullLocator())
    bar.set_label(unit, size=SMALL, labelpad=1)
    bar.ax.tick_params(labelsize=SMALL, width=0.6, length=2.5, pad=1)


def choose_ticks(low: float, high: float, margin: float = 0.0) -> tuple[list[float], list[str]]:
    """Return a few round numbers from `low` to `high`, or a margin beyond, and their texts."""
    if low == high and not margin:
        return [low], format_numbers([low])
    # Of a single number the locator would show how exact it is.
    limits = (low, high) if low < high else (low - margin, high + margin)
    candidates = ticker.MaxNLocator(4).tick_values(*limits)
    ticks = [float(value) for value in candidates if low - margin <= value <= high + margin]
    return ticks, format_numbers(ticks)


def format_numbers(values: Sequence[float]) -> list[str]:
    """Return the numbers with as few digits as tell them apart."""
    scale = max((abs(value) for value in values), default=0.0)
    clean = [0.0 if abs(value) < 1e-12 * scale else value for value in values]
    for digits in range(3, 17):
        texts = [f"{value:.{digits}g}" for value in clean]
        if len(set(texts)) == len(set(clean)) and np.allclose(
            [float(text) for text in texts], clean, rtol=1e-4, atol=0
        ):
            break
    return texts
