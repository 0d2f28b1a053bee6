"""The options that several verbs share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from registry.cli import local_times, output

if TYPE_CHECKING:
    from registry.api import Registry

Context: TypeAlias = typer.Context

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="X", help="Answer as of a revision: its number, -1, a time, a tag, a pin, or NUMBER:SEAL."
    ),
]
At = Annotated[
    str | None, typer.Option(metavar="T", help="A time: 2018-02-10 14:30, '3 days ago', a run, a stamp ...")
]
ValidFrom = Annotated[
    str, typer.Option(metavar="T", help="2018-02-10 14:30, 'now', a run, a stamp ..., or 'beginning'.")
]
Timezone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE", help="Zone of times without an offset; default: CALREG_TIMEZONE or the registry's."
    ),
]
AnyTime = Annotated[
    bool, typer.Option("--any-time", help="Accept times before 1990 or more than a year ahead.")
]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", metavar="KIND", help="gain, offset ...; repeatable.")
]
Types = Annotated[
    list[str] | None, typer.Option("--type", metavar="TYPE", help="pixel_gain, pixel_offset ...; repeatable.")
]
Comment = Annotated[
    str | None,
    typer.Option("--comment", "-m", metavar="TEXT", help="The reason; kept with the revision."),
]
RequiredComment = Annotated[
    str, typer.Option("--comment", "-m", metavar="TEXT", help="The reason; kept with the revision.")
]
Supersede = Annotated[
    bool, typer.Option("--supersede", help="Replace a conflicting record; needs a comment.")
]
AllowOdd = Annotated[
    bool,
    typer.Option("--allow-odd", help="Accept values that cannot be, such as a gain of the wrong sign."),
]
SameAs = Annotated[
    list[str] | None,
    typer.Option(
        "--same-as",
        metavar="MODULE",
        help="Files of this module, an M-number or panel Id, are meant; may be repeated.",
    ),
]
AllowPattern = Annotated[
    bool,
    typer.Option(
        "--allow-pattern", help="Accept a gain map that looks like another sensor's; needs --comment."
    ),
]
ExperimentFilter = Annotated[str | None, typer.Option(metavar="E", help="Only of this experiment.")]
SameModule = Annotated[
    bool,
    typer.Option("--same-module", help="It is the same module with another serial number; needs --comment."),
]
IncludeWithdrawn = Annotated[bool, typer.Option("--all", help="List the withdrawn ones too.")]
Limit = Annotated[int | None, typer.Option(metavar="COUNT", help="List only this many, the newest.")]
Before = Annotated[int | None, typer.Option(metavar="NUMBER", help="List only what is below this number.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would change, and change nothing.")]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PANEL|DETECTOR_ID|DATASET]...",
        help="Panel Ids, M-numbers, detectors or runs; patterns (M0*); @FILE or - reads names.",
    ),
]
DetectorWords = Annotated[
    list[str],
    typer.Argument(
        metavar="DETECTOR_ID...", help="Panel Ids in segment order, joined or not; a name; @FILE or -."
    ),
]
Source = Annotated[
    str | None, typer.Option(metavar="SOURCE", help="XcsEndstation.0:Jungfrau.0, or a part of it.")
]


@contextmanager
def open_from_context(ctx: Context, timezone: str | None = None) -> Iterator[Registry]:
    """Open the registry that the command line or the environment names.

    If it has moved away, or has not arrived yet, a note warns that the answers may be out of date. Other notes say how
    times were read, where the answer has none of its own.
    """
    from registry.api import open_registry
    from registry.instants import now

    readings: dict[str, None] = {}  # each once, though some verbs make several requests
    with open_registry(
        ctx.obj.database, ctx.obj.store, timezone=timezone, note=readings.setdefault, present=now()
    ) as registry:
        if local_times.has_local_times():
            local_times.use_zone(registry.find_zone())
        yield registry
        output.print_notes(notes=readings)
        if registry.closure is not None and registry.closure.reason not in {"snapshot", "mirror"}:
            output.print_notes(notes=[str(registry.closure)])
