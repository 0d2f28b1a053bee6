"""``--format``: a listing as a table, CSV or JSON; the verbs that list, and the records that are their rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperOption

from registry.cli.defaults import find_default
from registry.errors import RequestError
from registry.identifiers import quote, suggestion

LISTINGS = {
    "affected": "AffectedRun",
    "alias list": "Alias",
    "detector list": "Configuration",
    "detector names": "DetectorName",
    "exports": "RecordedExport",
    "log": "Revision",
    "panel list": "Panel",
    "run list": "Run",
    "tag list": "Tag",
    "validity": "Version",
    "verify": "Problem",
    "version list": "Version",
}
"""By verb, the record of `registry.records` that is a row: its fields are the columns of the CSV."""

_FORMAT_KEY = "calreg.format"


class _State:
    """The record of the rows, where the answer is to be CSV."""

    record: str | None = None


def add_format(command: Any, verb: str) -> Any:
    """Add ``--format`` to a verb that lists; return it. Its ``--json`` is true for both formats of scripts."""
    if verb not in LISTINGS:
        return command
    as_json = next(parameter for parameter in command.params if parameter.name == "json")
    as_json.callback = lambda ctx, _option, wanted: _choose_format(ctx, LISTINGS[verb], as_json=wanted)
    position = command.params.index(as_json)
    command.params.insert(
        position,
        TyperOption(
            param_decls=["--format"],
            metavar="table|csv|json",
            default=None,
            expose_value=False,
            is_eager=True,
            callback=_read_format,
            help="csv: a line for each row, with the keys of the JSON as columns.",
        ),
    )
    return command


def _read_format(ctx: Any, _option: Any, wanted: str | None) -> None:
    from registry.configuration import FORMATS  # not needed by the help of a verb

    if wanted is not None and wanted not in FORMATS and not ctx.resilient_parsing:
        raise RequestError(f"{quote(wanted)} is not a format of listings{suggestion(wanted, FORMATS)}")
    ctx.meta[_FORMAT_KEY] = wanted


def _choose_format(ctx: Any, record: str, *, as_json: bool) -> bool:
    """Return whether the answer is for scripts, as JSON or as CSV."""
    wanted = ctx.meta.get(_FORMAT_KEY)
    if ctx.resilient_parsing:
        return as_json
    if as_json and wanted not in (None, "json"):
        raise RequestError(f"--json and --format {wanted} are two answers; give one of them")
    if wanted is None and not as_json:
        default = find_default(ctx, "format")
        wanted = None if default is None else default.value
    if wanted == "csv":
        ctx.with_resource(_print_csv(record))
    return as_json or wanted in ("csv", "json")


@contextmanager
def _print_csv(record: str) -> Iterator[None]:
    """Print what would be JSON as CSV, until the verb ends."""
    _State.record = record
    try:
        yield
    finally:
        _State.record = None


def csv_columns() -> tuple[str, ...] | None:
    """Return the columns of the answer where it is to be CSV; else None."""
    if _State.record is None:
        return None
    import registry.records

    fields: tuple[str, ...] = getattr(registry.records, _State.record).__struct_fields__
    return fields
