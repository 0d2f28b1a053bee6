"""The texts in a picture, with their positions and sizes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

SMALLEST_SIZE = 7.0
_MAX_OVERLAP = 0.75  # dots, which letters with descenders may share


class _Measurer(RendererAgg):
    """Measures as the renderer does that makes the picture, and paints nothing, which takes most of a drawing."""

    def paint_nothing(self, *_: Any, **__: Any) -> None:
        pass

    draw_path = draw_markers = draw_path_collection = draw_quad_mesh = draw_image = draw_text = paint_nothing


def draw_texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, float, Any]]:
    """Draw the figure; yield every text with its size in points and its box in dots."""
    texts: list[tuple[str, float, Any]] = []

    def note(text: Text, renderer: Any) -> None:
        if text.get_visible() and text.get_text():
            texts.append((text.get_text(), text.get_fontsize(), text.get_window_extent(renderer)))

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", note)
        FigureCanvasAgg(figure)
        figure.draw(_Measurer(*figure.bbox.size, figure.dpi))
    yield from texts


def assert_legible(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Assert that no text is too small, outside the page or over another; return all texts."""
    texts = list(draw_texts(figure, monkeypatch))
    assert texts
    assert [text for text, size, _ in texts if size < SMALLEST_SIZE] == []
    page = figure.bbox
    assert [
        text
        for text, _, box in texts
        if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < page.y0 or box.y1 > page.y1
    ] == []
    boxes = np.array([[box.x0, box.y0, box.x1, box.y1] for _, _, box in texts])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    over = ((high - low) > _MAX_OVERLAP).all(axis=-1)
    pairs = [(texts[i][0], texts[j][0]) for i, j in np.argwhere(np.triu(over, 1))]
    assert pairs == []
    return [text for text, _, _ in texts]
