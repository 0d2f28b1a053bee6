"""The list of runs that the facility's electronic logbook answers with: JSON, in one of two forms.

``ws/runs`` gives ISO 8601 times::

    {"success": true, "value": [{"num": 201, "type": "DATA", "begin_time": "2015-08-04T19:10:15-07:00",
                                 "end_time": "2015-08-04T19:11:33-07:00", "params": {}}]}

``ws/runs_for_calib`` gives seconds since 1970 UTC, by itself or as the ``value`` of the same envelope::

    [{"run_num": 201, "run_type": "DATA", "begin_time": 1438740615, "end_time": null}]

The name of the number tells the forms apart. Every run has its times, so runs of every type are taken. Only
numbers and times are read; other fields, which the logbook has at times, are named in a note.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from registry.errors import InstantError, Remedy, RequestError
from registry.files import decode_text, read_bounded
from registry.identifiers import MAX_RUN, Dataset, format_count, quote, shorten
from registry.instants import Instant, instant_from_epoch, parse_iso, refuse_unlikely
from registry.registration.runs import RunStatement

MAX_SIZE = 64 << 20  # bytes
_MAX_VALUES = 4_000_000  # a small JSON text can make large objects
_MAX_RUNS = 100_000

_RunNumber = Annotated[int, Meta(ge=1, le=MAX_RUN)]


class _IsoRun(Struct):
    num: _RunNumber
    begin_time: Instant
    end_time: Instant | None = None  # a run that is still going has no end yet
    type: str | None = None


class _EpochRun(Struct):
    run_num: _RunNumber
    begin_time: Instant
    end_time: Instant | None = None
    run_type: str | None = None


class _Envelope(Struct):
    success: bool
    value: list[Any]


@dataclass(frozen=True, slots=True)
class _Doubled:
    """Stands in the place of an object that has a name twice: which of the two is meant?"""

    name: str


@dataclass(frozen=True, slots=True)
class LogbookRuns:
    """The runs that the logbook lists, each once, and what deserves a note."""

    runs: tuple[RunStatement, ...]
    notes: tuple[str, ...]


def looks_like_json(content: bytes) -> bool:
    """Tell whether a file begins as JSON does: a table of datasets never does."""
    try:
        return decode_text(content).lstrip(" \t\r\n").startswith(("[", "{"))
    except UnicodeDecodeError:
        return content.lstrip(b" \t\r\n").startswith((b"[", b"{"))


def read_logbook(path: Path, experiment: str, *, any_time: bool = False) -> LogbookRuns:
    """Read the logbook's list of the runs of an experiment; a `RequestError` lists all that is wrong with entries."""
    content = read_bounded(path, MAX_SIZE, "a logbook's list of runs")
    name = repr(str(path))
    if not looks_like_json(content):
        raise RequestError(
            f"{name} is not JSON, so not a logbook's list of runs; a table of datasets names its experiments itself",
            remedy=Remedy.OMIT_EXPERIMENT,
        )
    entries = _unwrap_entries(_decode_json(content, name), name)
    fields = {field for entry in entries if isinstance(entry, dict) for field in entry}
    form = next((form for form in _TIMES if form.__struct_fields__[0] in fields), None)
    if form is None:
        raise RequestError(
            f"{name} is not a list of runs: no entry has num (with ISO 8601 times) or run_num (with epoch seconds)"
        )
    runs, problems = _read_entries(entries, form, experiment)
    remedy = None if problems else Remedy.ALLOW_ANY_TIME
    problems += () if any_time else _find_unlikely_times(runs)
    if problems:
        raise RequestError(f"{name} cannot be imported", details=problems, problems=problems, remedy=remedy)
    return LogbookRuns(tuple(runs), tuple(_list_notes(entries, form, fields)))


def _decode_json(content: bytes, name: str) -> Any:
    """Decode with the standard library, which shows names that stand twice and numbers as they are written."""
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > _MAX_VALUES:
        raise RequestError(f"{name} holds more than {_MAX_VALUES} values: not a logbook's list of runs")
    try:
        return json.loads(decode_text(content), object_pairs_hook=_build_object, parse_float=Decimal)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{name} is not JSON from start to end: {error}") from None
    except (RecursionError, ValueError, ArithmeticError):  # Python reads no number of thousands of digits
        raise RequestError(f"{name} is nested too deeply or holds a number too large for a run") from None


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Doubled:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    counts = Counter(name for name, _ in pairs)
    return _Doubled(next(name for name, count in counts.items() if count > 1))


def _unwrap_entries(answer: Any, name: str) -> list[Any]:
    """Return the entries of a list of runs, bare or in the logbook's envelope."""
    if isinstance(answer, _Doubled):
        raise RequestError(f"{name} holds {_describe(answer)}; a logbook's list of runs is expected")
    try:
        decoded = msgspec.convert(answer, list[Any] | _Envelope)
    except msgspec.ValidationError as error:
        raise RequestError(f"{name} is not a logbook's list of runs: {error}") from None
    if isinstance(decoded, _Envelope) and not decoded.success:
        raise RequestError(f"{name} is not an answer with runs: its success is false")
    entries: list[Any] = decoded.value if isinstance(decoded, _Envelope) else decoded
    if not 0 < len(entries) <= _MAX_RUNS:
        raise RequestError(f"{name} holds {format_count(len(entries), 'run')}; 1 to {_MAX_RUNS} are expected")
    return entries


def _read_entries(
    entries: Sequence[Any], form: type[Struct], experiment: str
) -> tuple[list[RunStatement], list[str]]:
    """Return the runs, each once, and all that is wrong with the entries."""
    first: dict[int, tuple[int, RunStatement]] = {}
    problems: list[str] = []
    fields = msgspec.structs.fields(form)
    for position, entry in enumerate(entries, start=1):
        label, wrong = f"entry {position}", list[str]()
        if not isinstance(entry, dict):
            problems.append(f"{label}: {_describe(entry)} is not a run: an object is expected")
            continue
        if {"num", "run_num"} <= entry.keys():
            wrong.append("num stands beside run_num: which is the run?")
        run, begin, end, _ = (_convert_field(entry, field, form, wrong) for field in fields)
        if not wrong:
            statement = RunStatement(Dataset(experiment, run), begin, end)
            earlier, known = first.setdefault(run, (position, statement))
            wrong += [statement.order_problem] if statement.order_problem else []
            wrong += [f"entry {earlier} gives the run other times"] if known != statement else []
        label += f" (run {run})" if run is not None else ""
        problems += [f"{label}: {problem}" for problem in wrong]
    return [statement for _, statement in first.values()], problems


def _find_unlikely_times(runs: Sequence[RunStatement]) -> Iterator[str]:
    """Yield a sentence on each time of a year that cannot be meant."""
    for run in runs:
        for instant, what in ((run.begin, "the start"), (run.end, "the end")):
            try:
                if instant is not None:
                    refuse_unlikely(instant, what)
            except InstantError as error:
                yield f"run {run.dataset.run}: {error.message}"


def _convert_field(
    entry: dict[str, Any], field: msgspec.structs.FieldInfo, form: type[Struct], problems: list[str]
) -> Any:
    """Return the value of one field; None, and a problem more, where it is not sound."""
    if field.name not in entry:
        problems += [f"{field.name} is missing"] if field.required else []
        return None
    value = entry[field.name]
    try:
        return msgspec.convert(value, field.type, dec_hook=lambda _, value: _TIMES[form](value))
    except msgspec.ValidationError as error:
        problems.append(f"{field.name}: {_describe(value)} is not valid: {error}")
    except RequestError as error:
        problems.append(f"{field.name}: {error}")
    return None


def _parse_iso_time(value: object) -> Instant:
    if not isinstance(value, str):
        raise InstantError(
            f"{_describe(value)} is not an ISO 8601 time with its offset, as in 2015-08-04T19:10:15-07:00"
        )
    return parse_iso(value)


def _parse_epoch_time(value: object) -> Instant:
    # Zero, which some programs write for a time that they do not know, would be long before any run.
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value <= 0:
        raise InstantError(f"{_describe(value)} is not a number of seconds since 1970 UTC, as 1438740615 is")
    return instant_from_epoch(value)


_TIMES = {_IsoRun: _parse_iso_time, _EpochRun: _parse_epoch_time}


def _describe(value: object) -> str:
    """Return a value of the file for a message: never the whole of an object or a list."""
    if isinstance(value, _Doubled):
        return f"an object in which {quote(value.name)} stands twice"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = str(value)
    return quote(text) if isinstance(value, str) or len(text) >= 30 else text


def _list_notes(entries: Sequence[dict[str, Any]], form: type[Struct], fields: set[str]) -> Iterator[str]:
    known = form.__struct_fields__
    types = Counter(entry.get(known[-1]) for entry in entries)
    others = [f"{count} {quote(kind)}" for kind, count in types.items() if kind not in (None, "DATA")]
    if others:
        yield f"runs of every type are recorded, they have their times; not DATA: {shorten(others)}"
    unread = sorted(fields - {*known, "params"})
    if unread:
        yield f"of a run only its number and times are read, not {shorten([quote(name) for name in unread])}"
