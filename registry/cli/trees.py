"""``calreg import``: import a legacy directory of links, or show where it and the registry differ."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.options import Comment, DryRun, Json, Supersede, Timezone, open_from_context
from registry.cli.reports import print_outcome
from registry.errors import RequestError

if TYPE_CHECKING:
    from registry.records import ChoiceDifference, LinkDifference, RunDifference, TreeComparison

_WIDTH = 80
_DIGITS_SHOWN = 8


def import_tree(
    ctx: typer.Context,
    tree: Annotated[Path, typer.Argument(metavar="TREE", help="A directory of links to M-numbers.")],
    timezone: Timezone = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what cannot be imported.")] = False,
    supersede: Supersede = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Record nothing; show where directory and registry differ.")
    ] = False,
    json: Json = False,
) -> None:
    """Import a legacy directory of links.

    All of it becomes one revision, or nothing is recorded.
    """
    if compare:
        _refuse_recording_options(skip_bad=skip_bad, supersede=supersede, comment=comment, dry_run=dry_run)
        with open_from_context(ctx, timezone) as registry:
            found = registry.compare_tree(tree, progress=output.show_progress)
        _print_comparison(found, as_json=json)
        return
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.import_tree(
            tree,
            skip_bad=skip_bad,
            supersede=supersede,
            comment=comment,
            dry_run=dry_run,
            progress=output.show_progress,
        )
    print_outcome(outcome, as_json=json)


def _refuse_recording_options(**options: object) -> None:
    """Refuse options of an import that records.

    Raises
    ------
    RequestError
        One is given; all such are named.
    """
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if given:
        raise RequestError(f"--compare records nothing: it cannot be given with {' or '.join(given)}")


def _print_comparison(found: TreeComparison, *, as_json: bool) -> None:
    """Print where a directory and the registry differ."""
    if as_json:
        output.print_json(found)
    else:
        _print_links(found)
        _print_runs(found)
        if found.hazards:
            output.print_text()
            output.print_text("cannot be imported:")
            for hazard in found.hazards:
                _print_wrapped(hazard, "  ")
    output.print_notes(found.notes)


def _print_links(found: TreeComparison) -> None:
    compared = f"{found.compared_links} link{'' if found.compared_links == 1 else 's'}"
    if not found.links:
        output.print_text(f"{compared} compared with revision {found.revision}: no difference")
        return
    output.print_text(f"{compared} compared with revision {found.revision}:")
    for (change, panel, start, _), group in groupby(
        found.links, key=lambda each: (each.change, each.panel, each.valid_from, each.link)
    ):
        differences = list(group)
        output.print_text(f"  {change}: {_format_subject(panel, differences)} from {start}")
        for said in dict.fromkeys(each.reason for each in differences):
            _print_wrapped(said, "    ")


def _format_subject(panel: str, differences: Iterable[LinkDifference | ChoiceDifference]) -> str:
    return f"{panel} {', '.join(each.kind for each in differences)}"


def _print_runs(found: TreeComparison) -> None:
    output.print_text()
    compared = f"{found.compared_runs} run{'' if found.compared_runs == 1 else 's'}"
    if not found.runs:
        output.print_text(f"{compared} compared: the directory picks the same constants")
        return
    output.print_text(f"{compared} compared, the directory picks other constants for {len(found.runs)}:")
    for (experiment, source, choices), group in groupby(
        sorted(found.runs, key=lambda each: (each.experiment, each.source, each.run)),
        key=lambda each: (each.experiment, each.source, each.choices),
    ):
        output.print_text(f"  {experiment} {source} {_format_runs(list(group))}")
        for (panel, link, _), alike in groupby(
            choices, key=lambda each: (each.panel, each.link, each.reason)
        ):
            _print_choices(panel, link, list(alike))


def _format_runs(alike: Sequence[RunDifference]) -> str:
    first, last = alike[0].run, alike[-1].run
    return f"run {first}" if first == last else f"{len(alike)} runs, {first} to {last}"


def _print_choices(panel: str, link: str | None, choices: Sequence[ChoiceDifference]) -> None:
    output.print_text(f"    {_format_subject(panel, choices)}")
    theirs = ", ".join(_shorten(each.directory) for each in choices)
    _print_wrapped(f"directory: {link} ({theirs})" if link else "directory: nothing", "      ")
    ours = ", ".join(
        f"version {each.version} ({_shorten(each.registry)})" for each in choices if each.version is not None
    )
    _print_wrapped(f"registry: {ours or 'nothing valid'}", "      ")
    _print_wrapped(f"because: {choices[0].reason}", "      ")


def _shorten(constants: str | None) -> str:
    return constants[:_DIGITS_SHOWN] if constants else "none"


def _print_wrapped(text: str, indent: str) -> None:
    """Print text in lines that fit a terminal; names are never broken."""
    for line in textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    ):
        output.print_text(line)
