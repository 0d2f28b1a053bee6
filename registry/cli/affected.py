"""``calreg affected``: the runs that get something else since a revision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.conditions import Condition, add_condition
from registry.cli.options import AsOf, Context, ExperimentFilter, Json, Timezone, open_from_context
from registry.identifiers import format_count, format_run_range, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.records import AffectedGroup, AffectedRuns

_RANGES_SHOWN = 8


def list_affected(
    ctx: Context,
    since: Annotated[
        str, typer.Option(metavar="X", help="A revision: its number, -1, a time, a tag or NUMBER:SEAL.")
    ],
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Compare only this kind, under every condition; repeatable. Default: all.",
        ),
    ] = None,
    condition: Condition = None,
    experiment: ExperimentFilter = None,
    panel: Annotated[
        str | None, typer.Option(metavar="PANEL", help="Only what changed in this panel Id or M-number.")
    ] = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the runs whose outcome changed since a revision.

    These are the registered runs of which an array of any kind is now made from other constants, or can be made only
    now, or no longer; whatever changed. Runs of which the same is to be said are listed together; --json lists each,
    with the kinds that were compared.
    """
    kinds, _ = add_condition(condition, kinds)
    with open_from_context(ctx, timezone) as registry:
        limits = {"as_of": as_of, "experiment": experiment, "panel": panel}
        if json:
            runs = registry.list_affected_runs(since, kinds=kinds, **limits)
            output.print_json(runs)
            if not runs:
                answer = registry.group_affected_runs(since, kinds=kinds, **limits)
                output.print_notes([f"compared: {', '.join(answer.kinds)}"])
        else:
            _print_affected(registry.group_affected_runs(since, kinds=kinds, **limits))


def _print_affected(answer: AffectedRuns) -> None:
    for group in answer.groups:
        _print_group(group, answer.m_numbers)
    runs = {
        (group.experiment, run)
        for group in answer.groups
        for first, last in group.runs
        for run in range(first, last + 1)
    }
    counted = format_count(len(runs), "affected run") if runs else "no registered run is affected"
    output.print_folded(f"{counted} since revision {answer.since}")
    output.print_folded(f"compared: {', '.join(answer.kinds)}")


def _print_group(group: AffectedGroup, m_numbers: Mapping[str, str]) -> None:
    ranges = [format_run_range(*limits) for limits in group.runs[:_RANGES_SHOWN]]
    more = len(group.runs) - _RANGES_SHOWN
    runs = ",".join(ranges) + (f" and {format_count(more, 'more range')}" if more > 0 else "")
    panels = [f"{m_numbers.get(panel, '')} {panel}".lstrip() for panel in group.panels]
    output.print_folded(f"exp={group.experiment}:run={runs}  {group.source}  {group.change}", "heading")
    output.print_folded(f"  {', '.join(group.kinds)} of {shorten(panels)}")
    output.print_folded(f"  because {group.reason}")
