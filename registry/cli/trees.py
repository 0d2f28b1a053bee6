"""``calreg import``: import a legacy directory of links, or show where it and the registry differ."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output, skipped
from registry.cli.options import (
    AllowOdd,
    AllowPattern,
    AnyTime,
    Comment,
    Context,
    DryRun,
    Json,
    SameAs,
    Supersede,
    Timezone,
    open_from_context,
)
from registry.errors import RequestError
from registry.identifiers import format_count
from registry.instants import BEGINNING

if TYPE_CHECKING:
    from registry.records import ChoiceDifference, LinkDifference, TreeComparison

_WIDTH = 80
_DIGITS_SHOWN = 8


def import_tree(
    ctx: Context,
    tree: Annotated[
        Path,
        typer.Argument(metavar="TREE", help="The directory of links to M-numbers, or the tree of a layout."),
    ],
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="lcls2|lcls1-darks|psana|lcls2-arrays|cdb|dcs",
            help="The layout of a tree of another system.",
        ),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", metavar="EXPERIMENT", help="Of a tree whose files name runs only."),
    ] = None,
    timezone: Timezone = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip entries that cannot be imported.")
    ] = False,
    allow_odd: AllowOdd = False,
    same_as: SameAs = None,
    allow_pattern: AllowPattern = False,
    gap_bad: Annotated[
        bool,
        typer.Option("--gap-bad", help="Skip them, and record a gap where one leaves older constants valid."),
    ] = False,
    supersede: Supersede = False,
    same_module: Annotated[
        bool,
        typer.Option("--same-module", help="An M-number may have several serial numbers; needs a comment."),
    ] = False,
    any_time: AnyTime = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Record nothing; show how directory and registry differ.")
    ] = False,
    json: Json = False,
) -> None:
    """Import a directory of links, or a tree of another system.

    Everything is recorded in one revision, or nothing is.
    """
    if compare and (layout or experiment):
        raise RequestError(
            "--compare is about a directory of links; --dry-run shows what a layout would record"
        )
    if compare:
        _refuse_recording_options(
            skip_bad=skip_bad,
            gap_bad=gap_bad,
            allow_odd=allow_odd,
            same_as=same_as,
            allow_pattern=allow_pattern,
            supersede=supersede,
            same_module=same_module,
            any_time=any_time,
            comment=comment,
            dry_run=dry_run,
        )
        with open_from_context(ctx, timezone) as registry:
            comparison = registry.compare_tree(tree, progress=output.show_progress)
        output.print_answer(comparison, _print_comparison, as_json=json)
        return
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.import_tree(
            tree,
            skip_bad=skip_bad,
            allow_odd=allow_odd,
            gap_bad=gap_bad,
            same_as=same_as or (),
            allow_pattern=allow_pattern,
            supersede=supersede,
            same_module=same_module,
            any_time=any_time,
            layout=layout,
            experiment=experiment,
            comment=comment,
            dry_run=dry_run,
            progress=output.show_progress,
        )
        registry_zone = registry.timezone
    skipped.print_import(outcome, as_json=json, gap_bad=gap_bad)
    chosen = timezone or os.environ.get("CALREG_TIMEZONE")
    stamped = any(version.valid_from != BEGINNING for version in (*outcome.versions, *outcome.unchanged))
    if stamped and chosen and chosen != registry_zone:
        output.print_notes(
            notes=[f"calreg init --timezone {chosen} --comment TEXT makes {chosen} the registry's time zone"]
        )


def _refuse_recording_options(**options: object) -> None:
    """Refuse the options of an import that records, naming all that are given."""
    refused = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if refused:
        raise RequestError(f"--compare records nothing and cannot be given with {' or '.join(refused)}")


def _print_comparison(comparison: TreeComparison) -> None:
    _print_links(comparison)
    _print_runs(comparison)
    if comparison.hazards:
        output.print_text()
        output.print_text("cannot be imported:")
        for hazard in comparison.hazards:
            _print_wrapped(hazard, "  ")


def _print_links(comparison: TreeComparison) -> None:
    compared = format_count(comparison.compared_links, "link")
    compared += f" compared with revision {comparison.revision}:"
    output.print_text(compared if comparison.links else f"{compared} no difference")
    for (change, panel, start, _), group in groupby(
        comparison.links, key=lambda row: (row.change, row.panel, row.valid_from, row.link)
    ):
        differences = list(group)
        output.print_text(f"  {change}: {_format_subject(panel, differences)} from {start}")
        for reason in dict.fromkeys(row.reason for row in differences):
            _print_wrapped(reason, "    ")


def _format_subject(panel: str, differences: Iterable[LinkDifference | ChoiceDifference]) -> str:
    return f"{panel} {', '.join(row.kind for row in differences)}"


def _print_runs(comparison: TreeComparison) -> None:
    output.print_text()
    compared = f"{format_count(comparison.compared_runs, 'run')} compared"
    if not comparison.runs:
        output.print_text(f"{compared}: the directory picks the same constants")
        return
    output.print_text(f"{compared}, the directory picks other constants for {len(comparison.runs)}:")
    for (experiment, source, choices), runs in groupby(
        sorted(comparison.runs, key=lambda row: (row.experiment, row.source, row.run)),
        key=lambda row: (row.experiment, row.source, row.choices),
    ):
        output.print_text(f"  {experiment} {source} {_format_runs([row.run for row in runs])}")
        for (panel, link, _), group in groupby(choices, key=lambda row: (row.panel, row.link, row.reason)):
            _print_choices(panel, link, list(group))


def _format_runs(runs: Sequence[int]) -> str:
    if len(runs) == 1:
        return f"run {runs[0]}"
    return f"{format_count(len(runs), 'run')}, {runs[0]} to {runs[-1]}"


def _print_choices(panel: str, link: str | None, choices: Sequence[ChoiceDifference]) -> None:
    output.print_text(f"    {_format_subject(panel, choices)}")
    constants = ", ".join(_shorten(row.directory) for row in choices)
    _print_wrapped(f"directory: {link} ({constants})" if link else "directory: nothing", "      ")
    versions = ", ".join(
        f"version {row.version} ({_shorten(row.registry)})" for row in choices if row.version is not None
    )
    _print_wrapped(f"registry: {versions or 'nothing valid'}", "      ")
    _print_wrapped(f"because: {choices[0].reason}", "      ")


def _shorten(constants: str | None) -> str:
    return constants[:_DIGITS_SHOWN] if constants else "none"


def _print_wrapped(text: str, indent: str) -> None:
    """Print text in lines that fit a terminal, without breaking names."""
    line = indent + text
    if len(line) <= _WIDTH and line.isprintable() and not line.endswith(" "):
        output.print_text(line)  # many are short, and wrapping takes most of their time
        return
    for line in textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    ):
        output.print_text(line)
