"""``calreg version`` and ``calreg validity``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli import output, reports
from registry.cli.application import create_group
from registry.cli.conditions import Condition, add_condition
from registry.cli.listing import Listing, add_one, print_listing
from registry.cli.names import read_names
from registry.cli.number_lists import parse_numbers
from registry.cli.options import (
    AllowOdd,
    AllowPattern,
    AnyTime,
    AsOf,
    At,
    Before,
    Comment,
    Context,
    DryRun,
    IncludeWithdrawn,
    Json,
    Kinds,
    Limit,
    Names,
    RequiredComment,
    SameAs,
    Source,
    Supersede,
    Timezone,
    ValidFrom,
    open_from_context,
)
from registry.cli.pixel_changes import print_pixel_differences
from registry.errors import RequestError
from registry.identifiers import format_count

if TYPE_CHECKING:
    from registry.records import Conversion, Outcome, StoredFile, Version

version = create_group(help="Versions: which constants a panel has, and from when on.")

Panel = Annotated[
    str, typer.Argument(metavar="PANEL", help="A panel Id, or an M-number: every panel under it.")
]
Number = Annotated[int, typer.Argument(metavar="N", help="A version's number.")]


@version.command("add")
def add_version(
    ctx: Context,
    valid_from: ValidFrom,
    panel: Annotated[
        str | None, typer.Argument(metavar="PANEL", help="A panel Id, or an M-number: every panel under it.")
    ] = None,
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR|FILE",
            help="A folder of g0_gain.npy, g1_gain.npy ...; or the maker's gainMaps_M049.bin.",
        ),
    ] = None,
    delivery: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="A delivery, in place of PANEL and DIR: such folders and files, named by M-number or panel Id.",
        ),
    ] = None,
    panels: Annotated[
        list[str] | None,
        typer.Option(
            "--panel",
            metavar="PANEL_ID",
            help="With --from: of a module with several panel Ids this one is meant; repeatable.",
        ),
    ] = None,
    timezone: Timezone = None,
    kinds: Kinds = None,
    condition: Condition = None,
    allow_nonfinite: Annotated[
        bool, typer.Option("--allow-nonfinite", help="Accept NaN and infinity.")
    ] = False,
    allow_odd: AllowOdd = False,
    same_as: SameAs = None,
    allow_pattern: AllowPattern = False,
    supersede: Supersede = False,
    any_time: AnyTime = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Register constants of a panel, valid from an instant on.

    They are read from a folder, or from the maker's file of gain maps. With --from, those of all modules in a delivery
    are registered, in one revision or not at all; --dry-run shows first what would be taken for which panel.
    """
    _refuse_other_words(panel, delivery, panels)
    kinds, _ = add_condition(condition, kinds)
    terms: dict[str, Any] = {
        "valid_from": valid_from,
        "kinds": kinds,
        "allow_nonfinite": allow_nonfinite,
        "allow_odd": allow_odd,
        "same_as": same_as or (),
        "allow_pattern": allow_pattern,
        "supersede": supersede,
        "any_time": any_time,
        "comment": comment,
        "dry_run": dry_run,
    }
    outcome: Outcome
    with open_from_context(ctx, timezone) as registry:
        if delivery is not None:
            outcome = registry.versions.add_delivery(
                delivery, panels=panels or (), progress=output.show_progress, **terms
            )
        elif panel is None or path is None:
            raise RequestError(
                "PANEL and the DIR or FILE of its constants are expected, or --from and a delivery"
            )
        else:
            outcome = registry.versions.add(panel, path, **terms)
    reports.print_outcome(outcome, as_json=json)


def _refuse_other_words(panel: str | None, delivery: Path | None, panels: list[str] | None) -> None:
    """Refuse the words of a panel beside those of a delivery."""
    if delivery is not None and panel is not None:
        raise RequestError(
            "with --from no PANEL and no DIR is given: the names in the delivery say whose constants they are"
        )
    if delivery is None and panels:
        raise RequestError("--panel says which panel Ids are meant in a delivery, which --from names")


@version.command("gap")
def add_gap(
    ctx: Context,
    panel: Panel,
    valid_from: ValidFrom,
    comment: RequiredComment,
    timezone: Timezone = None,
    kinds: Kinds = None,
    condition: Condition = None,
    supersede: Supersede = False,
    any_time: AnyTime = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record that nothing is valid from an instant on.

    This concerns the given kinds, or all kinds of which the panel has versions.
    """
    kinds, _ = add_condition(condition, kinds)
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.versions.gap(
            panel,
            valid_from=valid_from,
            comment=comment,
            kinds=kinds,
            supersede=supersede,
            any_time=any_time,
            dry_run=dry_run,
        )
    reports.print_outcome(outcome, as_json=json)


@version.command("list")
def list_versions(
    ctx: Context,
    names: Names = None,
    every: IncludeWithdrawn = False,
    limit: Limit = None,
    before: Before = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List versions.

    They come by panel, kind and start; with --limit or --before by number, the newest first.
    """
    with open_from_context(ctx, timezone) as registry:
        versions = registry.versions.iterate(
            read_names(names), withdrawn=every, as_of=as_of, before=before, limit=add_one(limit)
        )
        print_listing(
            Listing(versions, limit),
            reports.print_versions,
            lambda version: version.version,
            as_json=json,
            empty_verb="version list" if as_of is None and before is None else None,
        )


@version.command("show")
def show_version(
    ctx: Context, number: Number, as_of: AsOf = None, timezone: Timezone = None, json: Json = False
) -> None:
    """Show a version and its files."""
    from msgspec.structs import asdict

    with open_from_context(ctx, timezone) as registry:
        record, files = registry.versions.show(number, as_of=as_of)
    if json:
        output.print_json({**asdict(record), "files": files})
        return
    print_version(record, files)


def print_version(record: Version, files: Sequence[StoredFile]) -> None:
    """Print a version and its files."""
    output.print_fields(
        version=record.version,
        panel=f"{record.panel}  {record.alias or ''}".rstrip(),
        kind=record.kind,
        valid_from=record.valid_from,
        until=None if record.withdrawn_in else reports.format_end(record.valid_to),
        constants=record.constants or reports.format_constants(record),
        recorded_in=f"revision {record.recorded_in}",
        withdrawn=reports.format_withdrawal(record) or None,
        carried_from=f"version {record.carried_from}" if record.carried_from else None,
        source_path=record.source_path,
        converted=_describe_conversion(record.conversion) if record.conversion else None,
        allowed=_list_allowed(record) or None,
        comment=record.comment,
    )
    if files:
        rows = [_format_file(file) for file in files]
        output.print_table(("range", "minimum", "median", "maximum", "zeros", "non-finite", "sha256"), rows)


def _list_allowed(record: Version) -> list[str]:
    """Return in words what was allowed when the version was registered."""
    allowed = {
        "NaN and infinity": record.nonfinite_allowed,
        "values that cannot be": record.odd_allowed,
        f"files of {record.same_as}": record.same_as,
        "the pattern of another sensor": record.pattern_allowed,
    }
    return [what for what, is_allowed in allowed.items() if is_allowed]


def _describe_conversion(conversion: Conversion) -> list[str]:
    return [
        f"from {conversion.file}, {format_count(conversion.size, 'byte')}, sha256 {conversion.sha256}",
        *((conversion.dtype,) if conversion.dtype.startswith("text") else ()),
        *(
            f"{stage.stage} is gain range {stage.gain_range}, rounded by at most {stage.absolute_error:.1e},"
            f" relative {stage.relative_error:.1e}"
            for stage in conversion.stages
        ),
        *((f"{', '.join(conversion.left_out)} left out",) if conversion.left_out else ()),
    ]


def _format_file(file: StoredFile) -> tuple[object, ...]:
    statistics = file.statistics
    values = map(reports.format_number, (statistics.minimum, statistics.median, statistics.maximum))
    return file.gain_range, *values, statistics.zeros, statistics.nonfinite, file.sha256[:16]


@version.command("withdraw")
def withdraw_versions(
    ctx: Context,
    numbers: Annotated[
        list[str],
        typer.Argument(metavar="N...", help="The numbers of versions: 410, 401-404, or 401-404,410."),
    ],
    comment: RequiredComment,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Withdraw versions, and show what is valid instead.

    All of them are withdrawn in one revision, or none is.
    """
    with open_from_context(ctx) as registry:
        first, *more = parse_numbers(numbers, "versions")
        outcome = registry.versions.withdraw(first, *more, comment=comment, dry_run=dry_run)
    reports.print_outcome(outcome, as_json=json)


@version.command("diff")
def diff_versions(
    ctx: Context,
    before: Number,
    after: Annotated[int, typer.Argument(metavar="M", help="The other version's number.")],
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show which pixels of two versions differ.

    For each gain range: their number and fraction, the largest and the RMS difference; the median change, in percent
    too; its uniform part, a scale (gain, rms) or a shift; what that leaves; and the change of each ASIC. Of status,
    how many pixels are newly flagged and no longer flagged.
    """
    with open_from_context(ctx, timezone) as registry:
        difference = registry.versions.diff(before, after, as_of=as_of)
    if json:
        output.print_json(difference)
    else:
        output.print_text(f"{difference.kind}, version {after} against version {before}")
        print_pixel_differences(difference.gain_ranges, asics=True)


def show_validity(
    ctx: Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="PANEL|DETECTOR_ID|DATASET...",
            help="Panel Ids, M-numbers, detectors or a run; patterns (M0*); @FILE or - reads names.",
        ),
    ],
    kinds: Kinds = None,
    condition: Condition = None,
    at: At = None,
    source: Source = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show what is valid when, or what holds at an instant.

    For a run that is its start.
    """
    kinds, _ = add_condition(condition, kinds)
    targets = read_names(names) or []
    with open_from_context(ctx, timezone) as registry:
        answer = registry.validity(targets, kinds=kinds, at=at, source=source, as_of=as_of)
    if json:
        output.print_json(answer.versions)
    else:
        reports.print_versions(answer.versions, timelines=answer.instant is None)
    if not answer.versions:
        output.print_notes(notes=[f"no version of {', '.join(targets)} is registered"])
        if not json:
            output.hint_if_empty(answer.versions, "validity", as_of=as_of)
    output.print_notes([*answer.without, *answer.notes])
