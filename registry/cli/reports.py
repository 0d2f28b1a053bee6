"""How versions, and what a write changed, are shown to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import typer

from registry.cli import folding, output
from registry.errors import CorruptionError

if TYPE_CHECKING:
    from registry.instants import Instant
    from registry.records import Outcome, PixelDifference, UnreferencedFile, Verification, Version

_INDENT = "  "
_DIGITS_SHOWN = 8
_FACTS_SHOWN = 100
_FILES_SHOWN = 20
_DAY_SECONDS = 24 * 3600


def format_end(instant: Instant | None) -> str:
    """Return the end of a validity range for a person."""
    return "still valid" if instant is None else str(instant)


def format_constants(version: Version) -> str:
    """Return the constants of a version for a person, shortened."""
    return version.constants[:_DIGITS_SHOWN] if version.constants else "gap"


def describe_conversion(version: Version) -> Iterator[tuple[str, str]]:
    """Return the lines, with their headings, that say from what a version's constants were converted."""
    made = version.conversion
    if made is None:
        return
    yield "converted", f"from {made.file}, {made.size} bytes, sha256 {made.sha256}"
    for stage in made.stages:
        errors = f"by at most {stage.absolute_error:.1e}, relative {stage.relative_error:.1e}"
        yield "", f"{stage.stage} is gain range {stage.gain_range}, rounded {errors}"
    if made.left_out:
        yield "", f"{', '.join(made.left_out)} left out"


def print_versions(versions: Iterable[Version], *, timelines: bool = False) -> None:
    """Print versions under a heading for each panel; on a terminal with a timeline, if asked."""
    found = list(versions)
    lines, legend = _draw_timelines(found) if timelines else ({}, "")
    for index, (panel, group) in enumerate(
        groupby(found, key=lambda version: (version.panel, version.alias))
    ):
        if index:
            output.print_text()
        output.print_folded(f"{panel[0]}  {panel[1] or ''}".rstrip())
        if panel[0] in lines:
            output.print_text(f"{_INDENT}{lines[panel[0]]}")
        _print_group(list(group))
    if lines:
        output.print_text()
        output.print_folded(legend)


def _draw_timelines(versions: Sequence[Version]) -> tuple[dict[str, str], str]:
    """Return the line of every panel that has one, by panel Id, and what its signs mean: only for a terminal."""
    width = folding.terminal_width()
    if width is None:
        return {}, ""
    from registry.cli.timeline import choose_symbols, draw_timeline, fit_scale, format_legend

    scale, signs = fit_scale(versions), choose_symbols()
    lines = {
        panel: draw_timeline(list(group), scale, width - len(_INDENT), signs)
        for panel, group in groupby(versions, key=lambda version: version.panel)
    }
    return {panel: line for panel, line in lines.items() if line is not None}, format_legend(signs)


def _print_group(group: Sequence[Version]) -> None:
    headings = ["N", "kind", "valid from", "until", "constants", "comment"]
    rows = [
        [
            version.version,
            version.kind,
            version.valid_from,
            "withdrawn" if version.withdrawn_in else format_end(version.valid_to),
            format_constants(version),
            _format_remarks(version),
        ]
        for version in group
    ]
    output.print_table(headings, rows, indent=_INDENT)


def _format_remarks(version: Version) -> str:
    return "; ".join(part for part in (format_withdrawal(version), version.comment or "") if part)


def format_withdrawal(version: Version) -> str:
    """Return by whom, when and why a version was withdrawn; nothing where it was not."""
    found = version.withdrawal
    if found is None:
        return f"withdrawn in {version.withdrawn_in}" if version.withdrawn_in else ""
    return f"withdrawn in {found.revision}, {found.recorded_at}, by {found.author}: {found.comment}"


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """Print what a write changed, or would change."""
    if as_json:
        output.print_json(outcome)
    elif outcome.facts:
        for fact in outcome.facts[:_FACTS_SHOWN]:
            output.print_text(fact)
        if len(outcome.facts) > _FACTS_SHOWN:
            output.print_text(f"... and {len(outcome.facts) - _FACTS_SHOWN} more; --json lists all")
        output.print_text(
            "dry run: nothing was recorded" if outcome.dry_run else f"revision {outcome.revision}"
        )
    else:
        output.print_text("nothing to change: all of it is recorded already")
    output.print_notes(outcome.notes, outcome.warnings)


def report_verification(found: Verification, *, as_json: bool) -> None:
    """Print what a verification found, and end with the exit code for corruption if there is any."""
    if as_json:
        output.print_json(found)
    else:
        output.print_text(f"{found.checked} checked, {len(found.problems)} problems")
        for problem in found.problems:
            output.print_text(f"  {problem.path}: {problem.problem}")
        _print_unreferenced(found.unreferenced)
    output.print_notes(found.notes)
    if found.problems:
        raise typer.Exit(CorruptionError.code)


def _print_unreferenced(files: Sequence[UnreferencedFile]) -> None:
    """Print the files to which nothing refers: all of them after a collection, which names what it removes."""
    if not files:
        return
    collected = any(file.removed for file in files)
    shown = files if collected else files[:_FILES_SHOWN]
    rows = [
        (file.size, _format_age(file.age), "removed" if file.removed else file.kept or "", file.path)
        for file in shown
    ]
    output.print_table(("bytes", "age", "", "file to which nothing refers"), rows)
    if len(shown) < len(files):
        output.print_text(f"... and {len(files) - len(shown)} more; --json lists all")


def _format_age(seconds: int) -> str:
    if seconds >= 2 * _DAY_SECONDS:
        return f"{seconds // _DAY_SECONDS} days"
    return f"{seconds // 3600} h" if seconds >= 3600 else f"{max(seconds, 0) // 60} min"


def print_pixel_differences(gain_ranges: Iterable[PixelDifference]) -> None:
    """Print how two constants differ, gain range by gain range."""
    rows = [
        (
            pixels.gain_range,
            pixels.count,
            f"{pixels.fraction:.6f}",
            f"{pixels.maximum:.4g}",
            f"{pixels.rms:.4g}",
        )
        for pixels in gain_ranges
    ]
    output.print_table(
        ("gain range", "pixels", "fraction", "max difference", "rms difference"), rows, indent="  "
    )
