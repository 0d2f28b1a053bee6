"""The picture of docs/scale.md: how long the ranks wait, and when all nodes have their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "scale.png"
_COLOURS = ("#b2182b", "#ef8a62", "#67a9cf", "#1b7837", "#7fbf7b", "#762a83", "#9970ab", "#c2a5cf")
_DASHES = ("-", "-", "-", "-", "--", "-.", "-.", ":")


def draw_scale(
    waits: Mapping[str, Sequence[float]], transfers: Mapping[str, tuple[float, float]], path: Path = PICTURE
) -> None:
    """Draw the waits of all ranks by front, and the seconds until all files are there by link.

    Parameters
    ----------
    waits
        The sorted seconds that ranks wait for their answers.
    transfers
        The seconds with one download a node, and with one a rank.
    """
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 5), width_ratios=(3, 2), layout="constrained")
    _draw_waits(left, waits)
    _draw_transfers(right, transfers)
    figure.savefig(path, dpi=80, metadata={"Software": None})
    pyplot.close(figure)


def _draw_waits(axes: Axes, waits: Mapping[str, Sequence[float]]) -> None:
    for (name, seconds), colour, dash in zip(waits.items(), _COLOURS, _DASHES, strict=False):
        step = max(len(seconds) // 2000, 1)
        shown = [*seconds[::step], seconds[-1]]
        parts = [*(100 * (index + 1) / len(seconds) for index in range(0, len(seconds), step)), 100.0]
        axes.plot(shown, parts, color=colour, linestyle=dash, label=name)
    axes.set_xscale("log")
    axes.set_xticks(
        [0.0001, 0.001, 0.01, 0.1, 1, 10, 100], ["0.1 ms", "1 ms", "10 ms", "0.1 s", "1 s", "10 s", "100 s"]
    )
    axes.set_ylim(0, 102)
    axes.set_xlabel("wait for the head and the constants of 32 panels")
    axes.set_ylabel("% of 64,000 ranks that wait less")
    axes.set_title("Questions: 1,000 nodes of 64 ranks within a minute", loc="left")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8, ncols=2, loc="upper left", bbox_to_anchor=(0, -0.14), frameon=False)


def _draw_transfers(axes: Axes, transfers: Mapping[str, tuple[float, float]]) -> None:
    places = range(len(transfers))
    for shift, (index, colour, name) in zip(
        (-0.2, 0.2), ((0, "#1b7837", "one download a node"), (1, "#b2182b", "one a rank")), strict=True
    ):
        heights = [seconds[index] for seconds in transfers.values()]
        axes.bar([place + shift for place in places], heights, 0.38, color=colour, label=name)
    axes.set_yscale("log")
    axes.set_yticks([10, 60, 600, 3600, 36000, 360000], ["10 s", "1 min", "10 min", "1 h", "10 h", "100 h"])
    axes.axhline(60, color="black", linewidth=0.8, linestyle=":")
    axes.set_xticks(list(places), [name.replace(", ", "\n") for name in transfers], fontsize=8)
    axes.set_title("Files: until all nodes have 384 MiB", loc="left")
    axes.legend(fontsize=8)
