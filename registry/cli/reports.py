"""Reports that several verbs print: versions, changes, verifications."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import typer

from registry.cli import folding, formats, mix_ups, output
from registry.cli.quiet import is_quiet
from registry.cli.remedies import format_remedy
from registry.errors import ConflictError, CorruptionError, DeniedError, Remedy
from registry.identifiers import format_count

if TYPE_CHECKING:
    from registry.instants import Instant
    from registry.records import (
        AddedPatterns,
        DeliveryMatch,
        Outcome,
        Problem,
        Repair,
        UnreferencedFile,
        Verification,
        Version,
    )

_INDENT = "  "
_DIGITS_SHOWN = 8
_FACTS_SHOWN = 100
_FILES_SHOWN = 20
_PROBLEMS_SHOWN = 100
_DAY_SECONDS = 24 * 3600


def format_end(instant: Instant | None) -> str:
    """Return the end of a validity range."""
    return "still valid" if instant is None else str(instant)


def format_constants(version: Version) -> str:
    """Return the first digits of a version's constants."""
    return version.constants[:_DIGITS_SHOWN] if version.constants else "gap"


def format_number(value: float | None) -> str:
    """Return a statistic of an array, None where no value is finite."""
    return "none" if value is None else f"{value:.4g}"


def print_versions(versions: Iterable[Version], *, timelines: bool = False) -> None:
    """Print versions under a heading for each panel; with a timeline, if asked for and stdout is a terminal."""
    lines: dict[str, str] = {}
    legend = ""
    if timelines:
        versions = list(versions)
        lines, legend = _draw_timelines(versions)
    # Those that come one by one are not kept in memory: a panel of several modules has several headings there.
    aliases = _list_m_numbers(versions) if isinstance(versions, Sequence) else {}
    panels = groupby(versions, key=lambda version: (version.panel, aliases.get(version.panel, version.alias)))
    for index, ((panel, alias), group) in enumerate(panels):
        if index:
            output.print_text()
        output.print_folded(f"{panel}  {alias or ''}".rstrip(), "heading")
        if panel in lines:
            output.print_text(f"{_INDENT}{lines[panel]}")
        _print_group(group)
    if lines:
        output.print_text()
        output.print_folded(legend)


def _list_m_numbers(versions: Sequence[Version]) -> dict[str, str]:
    """Return by panel Id the M-numbers that it bears at the starts of its versions, in that order."""
    borne: dict[str, dict[str, None]] = {}
    for version in sorted(versions, key=lambda version: version.valid_from):
        borne.setdefault(version.panel, {}).update({version.alias: None} if version.alias else {})
    return {panel: ", ".join(m_numbers) for panel, m_numbers in borne.items()}


def _draw_timelines(versions: Sequence[Version]) -> tuple[dict[str, str], str]:
    """Return the timelines by panel Id, and their legend; none where stdout is not a terminal."""
    width = folding.terminal_width()
    if width is None:
        return {}, ""
    from registry.cli.timeline import choose_symbols, draw_timeline, fit_scale, format_legend

    scale, symbols = fit_scale(versions), choose_symbols()
    lines = {
        panel: draw_timeline(list(group), scale, width - len(_INDENT), symbols)
        for panel, group in groupby(versions, key=lambda version: version.panel)
    }
    return {panel: line for panel, line in lines.items() if line is not None}, format_legend(symbols)


def _print_group(group: Iterable[Version]) -> None:
    rows = (
        (
            version.version,
            version.kind,
            version.valid_from,
            "withdrawn" if version.withdrawn_in else format_end(version.valid_to),
            format_constants(version),
            "; ".join(text for text in (format_withdrawal(version), version.comment) if text),
        )
        for version in group
    )
    headings = ("N", "kind", "valid from", "until", "constants", "comment")
    output.print_table(headings, rows, indent=_INDENT)


def format_withdrawal(version: Version) -> str:
    """Return when, by whom and why a version was withdrawn; an empty text if it was not."""
    stamp = version.withdrawal
    if stamp is None:
        return f"withdrawn in {version.withdrawn_in}" if version.withdrawn_in else ""
    return f"withdrawn in {stamp.revision}, {stamp.recorded_at}, by {stamp.author}: {stamp.comment}"


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """Print what a write changed, or would change."""
    output.print_answer(outcome, print_facts, as_json=as_json)


def print_facts(outcome: Outcome) -> None:
    """Print the facts that a write recorded and withdrew, and its revision.

    In a dry run of a delivery, what would be taken for which panel comes first.
    """
    matches: Sequence[DeliveryMatch] = getattr(outcome, "matches", ())
    if outcome.dry_run and matches:
        _print_matches(matches)
    if outcome.facts:
        for fact in outcome.facts[:_FACTS_SHOWN]:
            output.print_text(fact)
        if len(outcome.facts) > _FACTS_SHOWN:
            output.print_text(f"... and {len(outcome.facts) - _FACTS_SHOWN} more; --json lists all")
        output.print_text(
            "dry run: nothing was recorded" if outcome.dry_run else f"revision {outcome.revision}"
        )
    else:
        output.print_text("nothing to change: all of this is recorded already")


def _print_matches(matches: Sequence[DeliveryMatch]) -> None:
    rows = [(match.path, match.alias, match.panel, ", ".join(match.kinds)) for match in matches]
    output.print_table(("in the delivery", "M-number", "panel", "kinds"), rows)
    output.print_text()


def report_verification(verification: Verification, *, as_json: bool) -> None:
    """Print the result of a verification; exit with the code for corruption if there are problems.

    Files that this user may not read are not known to be damaged.
    """
    output.print_answer(verification, _print_verification, as_json=as_json)
    if any(problem.damage in {"missing", "damaged", "unreadable"} for problem in verification.problems):
        output.print_notes([format_remedy(Remedy.REPAIR_STORE, {})])
    if formats.csv_columns() is not None:
        output.print_notes([f"{verification.checked} checked, head {verification.head}"])
    end_with_problems(verification.problems)
    if verification.mix_ups:
        if is_quiet():
            sentences = [mix_ups.describe(mix_up) for mix_up in verification.mix_ups]
            raise ConflictError.combine("maps are mix-ups", sentences)
        raise typer.Exit(ConflictError.code)


def end_with_problems(problems: Sequence[Problem]) -> None:
    """End with the exit code of problems, if there are any; name them where nothing else has been printed."""
    if not problems:
        return
    error_class = DeniedError if all(problem.denied for problem in problems) else CorruptionError
    if is_quiet():
        raise error_class.combine("problems", [f"{problem.path}: {problem.problem}" for problem in problems])
    raise typer.Exit(error_class.code)


def list_remaining_problems(repair: Repair) -> list[Problem]:
    """Return what stays wrong after a repair: the files that were not mended, and what no file mends."""
    from registry.records import Problem

    files = [
        Problem(file.sha256, file.path, file.problem, denied=file.damage == "denied", damage=file.damage)
        for file in repair.unmended
    ]
    return [*files, *repair.problems]


def _print_verification(verification: Verification) -> None:
    output.print_text(
        f"{verification.checked} checked, {format_count(len(verification.problems), 'problem')}"
    )
    if verification.head is not None:
        output.print_text(f"head {verification.head}")
    _print_problems(verification.problems)
    _print_unreferenced(verification.unreferenced)
    if verification.mix_ups is not None:
        mix_ups.print_mix_ups(verification.mix_ups, verification.allowed_mix_ups or ())


def print_added_patterns(added: AddedPatterns) -> None:
    """Print how many patterns were recorded, and the files that could not be read."""
    if added.revision is not None:
        without = f"; {added.without_pattern} have none: flat or filled in" if added.without_pattern else ""
        output.print_text(f"{format_count(added.patterns, 'pattern')} recorded{without}")
        output.print_text(f"revision {added.revision}")
    elif not added.problems:
        output.print_text("every gain map has its pattern: nothing was recorded")
    if added.problems:
        output.print_text(f"{format_count(len(added.problems), 'problem')}")
        _print_problems(added.problems)


def _print_problems(problems: Sequence[Problem]) -> None:
    for problem in problems[:_PROBLEMS_SHOWN]:
        output.print_text(f"  {problem.path}: {problem.problem}")
    if len(problems) > _PROBLEMS_SHOWN:
        output.print_text(f"... and {len(problems) - _PROBLEMS_SHOWN} more; --json lists all")


def _print_unreferenced(files: Sequence[UnreferencedFile]) -> None:
    """Print the files to which nothing refers; after a collection all of them, else the first."""
    if not files:
        return
    collected = any(file.removed for file in files)
    shown = files if collected else files[:_FILES_SHOWN]
    rows = [
        (
            file.size,
            _format_age(file.age),
            "removed" if file.removed else file.kept or "--collect removes it",
            file.path,
        )
        for file in shown
    ]
    output.print_table(("bytes", "age", "", "file to which nothing refers"), rows)
    if len(shown) < len(files):
        output.print_text(f"... and {len(files) - len(shown)} more; --json lists all")


def _format_age(seconds: int) -> str:
    if seconds >= 2 * _DAY_SECONDS:
        return format_count(seconds // _DAY_SECONDS, "day")
    return f"{seconds // 3600} h" if seconds >= 3600 else f"{max(seconds, 0) // 60} min"
