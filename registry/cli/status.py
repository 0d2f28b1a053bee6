"""``calreg status``: where the registry is, what is in it, and what is stale or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.cli import local_times, output
from registry.cli.options import Context, Json
from registry.identifiers import format_count
from registry.settings import is_service_url

if TYPE_CHECKING:
    from registry.records import Counts, MirrorState, RecordedExport, SettingInUse, Status

_STALE_SHOWN = 5
_VALUES = {("timezone", ""): "the registry's", ("pager", ""): "none"}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def show_status(ctx: Context, json: Json = False) -> None:
    """Show where the registry is, what is in it, and what is wrong.

    Little is read, however large the registry is: verify checks everything. A registry that cannot be opened is
    described as far as it is known; the exit code is that of the refusal.
    """
    from registry.api.status import find_status
    from registry.timezones import find_zone

    status, error = find_status(ctx.obj.database, ctx.obj.store)
    zone = next((row.value for row in status.settings if row.name == "timezone"), "")
    if zone and local_times.has_local_times():
        local_times.use_zone(find_zone(zone))
    output.print_answer(status, _print_status, as_json=json)
    output.print_notes(warnings=status.problems)
    if error is not None:
        raise error


def _print_status(status: Status) -> None:
    output.print_fields(
        registry=status.registry or "not opened",
        database=_add_size(status.database, status.database_bytes),
        store=None
        if is_service_url(status.database)
        else _add_size(status.store, status.counts.file_bytes if status.counts else None),
        schema=_describe_schema(status),
        time_zone=status.timezone,
        newest=_describe_newest(status),
        follows=_describe_mirror(status.mirror),
        recorded=None if status.counts is None else _describe_counts(status.counts),
        exports=[_describe_export(export) for export in status.newest_exports] or None,
        stale=_describe_stale(status),
        wrong=_describe_problems(status),
        settings=[_describe_setting(row) for row in status.settings],
    )


def _add_size(place: str, size: int | None) -> str:
    return place if size is None else f"{place}, {_format_size(size)}"


def _format_size(size: int) -> str:
    number, unit = float(size), 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return format_count(size, "byte") if not unit else f"{number:.3g} {_UNITS[unit]}"


def _describe_schema(status: Status) -> str | None:
    if is_service_url(status.database):
        return None
    if status.schema is None:
        return f"none; this software needs {status.software_schema}"
    if status.schema == status.software_schema:
        return f"{status.schema}, current"
    return f"{status.schema}; this software needs {status.software_schema}"


def _describe_newest(status: Status) -> list[str] | None:
    if status.revision is None:
        return None
    if status.revision == 0:
        return ["nothing is recorded yet"]
    newest = [f"revision {status.revision}  {status.recorded_at}  {status.author}"]
    return newest if status.seal is None else [*newest, f"seal {status.seal}", f"pin {status.pin}"]


def _describe_mirror(mirror: MirrorState | None) -> list[str] | None:
    if mirror is None:
        return None
    behind = f"{format_count(mirror.behind, 'revision')} behind" if mirror.behind else "up to date"
    files = "" if mirror.with_files else ", without files"
    if mirror.problem is None:
        return [mirror.upstream, f"{behind}, followed {mirror.followed_at}{files}"]
    return [mirror.upstream, f"{behind} when it followed, {mirror.followed_at}{files}", mirror.problem]


def _describe_counts(counts: Counts) -> str:
    files = "very many files" if counts.files is None else format_count(counts.files, "file")
    known = (
        (counts.panels, "panel"),
        (counts.versions, "version"),
        (counts.runs, "run"),
        *([] if counts.exports is None else [(counts.exports, "export")]),
    )
    return ", ".join([*(format_count(number, noun) for number, noun in known), files])


def _describe_export(export: RecordedExport) -> str:
    return f"{export.export}  {export.recorded_at}  {export.author}  {_shorten(export)}"


def _shorten(export: RecordedExport) -> str:
    """Return the run, or the number of panels of a detector."""
    if export.experiment is not None:
        return str(export.target)
    return f"a detector of {format_count(export.detector_id.count('_') + 1, 'panel')}"


def _describe_stale(status: Status) -> list[str] | None:
    if not status.exports_compared:
        return None
    compared = f"of the newest {format_count(status.exports_compared, 'export')}"
    if not status.stale_exports:
        return [f"none {compared}"]
    more = len(status.stale_exports) - _STALE_SHOWN
    return [
        f"{len(status.stale_exports)} {compared}: calreg exports --stale says why",
        *(_describe_export(export) for export in status.stale_exports[:_STALE_SHOWN]),
        *([f"... and {more} more"] if more > 0 else []),
    ]


def _describe_problems(status: Status) -> str | None:
    if status.refusal is not None:
        return "it cannot be opened"
    return (
        f"{format_count(len(status.problems), 'problem')}, see below" if status.problems else "nothing known"
    )


def _describe_setting(row: SettingInUse) -> str:
    place = "" if row.place is None or row.origin == "option" else f" {row.place}"
    value = "" if row.name in ("database", "store") else f"{_VALUES.get((row.name, row.value), row.value)}  "
    return f"{row.name:<8}  {value}({row.origin}{place})"
