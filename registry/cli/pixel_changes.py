"""Tables of how the pixels of two constants differ: single pixels, what they have in common, and by ASIC."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from registry.cli import output

if TYPE_CHECKING:
    from registry.records import ArrayChange, AsicChange, PixelDifference

_NOTHING = "-"
_MOST_DIGITS = 4  # decimal places of an ASIC's change
_UNIFORM = {
    "scale": "scale: median ratio; left: spread of what it leaves",
    "shift": "change: the uniform shift; left: spread of what it leaves",
}


def print_pixel_differences(gain_ranges: Sequence[PixelDifference], *, asics: bool = False) -> None:
    """Print by gain range how many pixels differ, and by how much in medians; if asked, of each ASIC too."""
    headings = ("gain range", "pixels", "fraction", "max difference", "rms difference")
    rows = [
        (row.gain_range, row.count, f"{row.fraction:.6f}", f"{row.maximum:.4g}", f"{row.rms:.4g}")
        for row in gain_ranges
    ]
    output.print_table(headings, rows, indent="  ")
    changes = [(row.gain_range, row.change) for row in gain_ranges if row.change is not None]
    if not changes:
        return
    if changes[0][1].model == "flags":
        _print_flags(changes)
    else:
        _print_medians(changes)
    if asics:
        _print_asics(changes)


def _print_medians(changes: Sequence[tuple[int, ArrayChange]]) -> None:
    first = changes[0][1]
    output.print_text(f"  medians in {first.unit}; {_UNIFORM[first.model]}")
    scale = ("scale",) if first.model == "scale" else ()
    headings = ("gain range", "change", "percent", *scale, "left", "percent", "beyond", "in one only")
    output.print_table(headings, [tuple(_list_cells(*row)) for row in changes], indent="  ")


def _list_cells(gain_range: int, change: ArrayChange) -> Iterator[object]:
    yield gain_range
    yield _format(change.shift, "+.4g")
    yield _format(change.percent, "+.3g")
    if change.model == "scale":
        yield _format(change.scale, ".5g")
    yield _format(change.spread, ".4g")
    yield _format(change.spread_percent, ".3g")
    yield change.beyond or 0
    yield change.only_before + change.only_after


def _print_flags(changes: Sequence[tuple[int, ArrayChange]]) -> None:
    rows = [(gain_range, change.flagged, change.cleared, change.altered) for gain_range, change in changes]
    output.print_table(("gain range", "newly flagged", "no longer flagged", "other flags"), rows, indent="  ")


def _print_asics(changes: Sequence[tuple[int, ArrayChange]]) -> None:
    """Print a line for each gain range and row of ASICs, with a column for each of their columns."""
    columns = sorted({asic.column for _, change in changes for asic in change.asics})
    if not columns:
        return
    first = changes[0][1]
    what = {
        "flags": "pixels newly flagged and no longer flagged",
        "scale": "median change in percent, and what the scale leaves of it",
        "shift": f"median change in {first.unit}, and what the shift leaves of it",
    }[first.model]
    output.print_text(f"  by ASIC: {what}")
    headings = ("gain range", "row", *(f"column {column}" for column in columns))
    rows = (
        (gain_range, row, *(_format_asic(change, asic) for asic in asics))
        for gain_range, change in changes
        for row, asics in _list_rows(change.asics)
    )
    output.print_table(headings, rows, indent="  ")


def _list_rows(asics: Iterable[AsicChange]) -> Iterator[tuple[int, list[AsicChange]]]:
    by_row: dict[int, list[AsicChange]] = {}
    for asic in asics:
        by_row.setdefault(asic.row, []).append(asic)
    yield from by_row.items()


def _format_asic(change: ArrayChange, asic: AsicChange) -> str:
    if change.model == "flags":
        return f"+{asic.flagged} -{asic.cleared}"
    is_scale = change.model == "scale"
    pair = (asic.percent, asic.left_percent) if is_scale else (asic.shift, asic.left)
    digits = _choose_digits(change.spread_percent if is_scale else change.spread)
    return " ".join(_format(value, f"+.{digits}f") for value in pair)


def _choose_digits(spread: float | None) -> int:
    """Return the decimal places that the spread of the pixels leaves a meaning, so that columns stay narrow."""
    return min(max(-math.floor(math.log10(spread)), 1), _MOST_DIGITS) if spread else _MOST_DIGITS


def _format(value: float | None, form: str) -> str:
    if value is None:
        return _NOTHING
    text = f"{value:{form}}"
    return "0" if float(text) == 0 else text
