"""The effect of an import, for people, and the commands that close the starts that it leaves open."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from registry.cli import output, reports
from registry.identifiers import format_count

if TYPE_CHECKING:
    from registry.records import ImportOutcome, OpenStart

_MAX_COMMENT_LENGTH = 200
_READ_BY_THE_SHELL = frozenset('"$`\\!')  # between double quotes


def print_import(outcome: ImportOutcome, *, as_json: bool, gap_bad: bool) -> None:
    """Print the effect of an import; then, for every start that it leaves open, the command that ends it."""
    output.print_answer(outcome, _print_effect, as_json=as_json)
    for start in outcome.open_starts:
        output.print_message(f"warning: {_describe_open_start(start)}")
        output.print_message(f"  {format_gap_command(start)}")
    if not gap_bad and any(start.accepts_gap for start in outcome.open_starts):
        output.print_notes(notes=["--gap-bad records such gaps with the import, in the same revision"])
    if any(skipped.cause != "bad" for skipped in outcome.skipped):
        output.print_notes(
            notes=["--supersede with a comment takes entries that conflict with what is recorded"]
        )


def _print_effect(outcome: ImportOutcome) -> None:
    if outcome.facts or not outcome.skipped:
        reports.print_facts(outcome)
        return
    skipped = {entry.entry for entry in outcome.skipped}
    withdrawn = {entry.entry for entry in outcome.skipped if entry.cause == "withdrawn"}
    text = f"nothing to change: skipped {format_count(len(skipped), 'link')}"
    if withdrawn:
        some = "" if withdrawn == skipped else f", {len(withdrawn)} of them"
        text += f"{some} because of a withdrawal ({', '.join(sorted(withdrawn))})"
    output.print_text(
        f"{text}; {'all others are recorded already' if outcome.unchanged else 'there are no others'}"
    )


def _describe_open_start(start: OpenStart) -> str:
    if start.valid_from is None:
        return (
            f"{start.entry} was skipped, and its start cannot be read: an older {start.kind} of {start.panel} may stay"
            " valid over it; with its true start T, this ends it:"
        )
    since = start.since or "beginning"
    left_out = "was skipped because of a withdrawal" if start.cause == "withdrawn" else "was skipped"
    return (
        f"{start.entry} {left_out}, and version {start.version}, {start.kind} of {start.panel} from {since}, stays"
        f" valid over its start {start.valid_from}; this ends it:"
    )


def format_gap_command(start: OpenStart) -> str:
    """Return the command that ends what stays valid over an open start."""
    reason = f"{start.entry}: {start.reason}"
    if len(reason) > _MAX_COMMENT_LENGTH:
        reason = f"{reason[:_MAX_COMMENT_LENGTH]}..."
    comment = shlex.quote(reason) if _READ_BY_THE_SHELL & set(reason) else f'"{reason}"'
    return (
        f"calreg version gap {start.panel} --valid-from {start.valid_from or 'T'} --kind {start.kind}"
        f" --comment {comment}"
    )
