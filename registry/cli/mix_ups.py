"""The table of the mix-ups of modules that a verification lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from registry.cli import output
from registry.identifiers import format_count

if TYPE_CHECKING:
    from registry.records import RecordedMixUp

_SHOWN = 100
_HOW = {
    "as it is": "",
    "upside down": "upside down",
    "mirrored": "mirrored",
    "turned by 180 degrees": "turned",
}


def print_mix_ups(mix_ups: Sequence[RecordedMixUp], allowed: Sequence[RecordedMixUp]) -> None:
    """Print the mix-ups by version and kind, and those that were allowed."""
    rows = _format_rows(mix_ups)
    output.print_text(f"{format_count(len(rows), 'mix-up')} of modules")
    _print_rows(rows)
    if any(mix_up.undecided for mix_up in mix_ups):
        output.print_text("or it: as many maps speak for that one, which was recorded earlier")
    if allowed:
        output.print_text("stated as meant when they were recorded:")
        _print_rows(_format_rows(allowed))


def describe(mix_up: RecordedMixUp) -> str:
    """Return a sentence on a mix-up."""
    return (
        f"version {mix_up.version} of {mix_up.module}: its {mix_up.kind} looks like {mix_up.looks_like}, as in version"
        f" {mix_up.with_version}"
    )


def _print_rows(rows: Sequence[tuple[object, ...]]) -> None:
    if not rows:
        return
    headings = ("version", "module", "map", "looks like", "fit", "own", "as in")
    output.print_table(headings, rows[:_SHOWN], indent="  ")
    if len(rows) > _SHOWN:
        output.print_text(f"... and {len(rows) - _SHOWN} more; --json lists all")


def _format_rows(mix_ups: Iterable[RecordedMixUp]) -> list[tuple[object, ...]]:
    """Return a row for each version, kind and way of being mixed up; gain ranges are joined."""
    groups = groupby(mix_ups, key=_describe)
    return [_format_row([mix_up.gain_range for mix_up in group], *key) for key, group in groups]


def _describe(mix_up: RecordedMixUp) -> tuple[RecordedMixUp, str]:
    """Return what rows are joined by: everything but the gain range."""
    from msgspec.structs import replace

    how = mix_up.outcome if mix_up.orientation is None else _HOW[mix_up.orientation]
    return replace(mix_up, gain_range=0), f"{mix_up.looks_like} {how}".rstrip()


def _format_row(gain_ranges: Sequence[int], mix_up: RecordedMixUp, looks_like: str) -> tuple[object, ...]:
    return (
        mix_up.version,
        mix_up.module,
        f"{mix_up.kind} {','.join(map(str, gain_ranges))}",
        looks_like,
        _format_correlation(mix_up.correlation),
        _format_correlation(mix_up.own_correlation),
        f"{mix_up.with_version}{', or it' if mix_up.undecided else ''}",
    )


def _format_correlation(correlation: float | None) -> str:
    return "" if correlation is None else f"{correlation:.2f}"
