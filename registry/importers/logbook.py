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

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from registry.errors import InstantError, RequestError
from registry.identifiers import Dataset, parse_run_number, quote, shorten
from registry.importers.logbook_json import LARGEST, entries_of, looks_like_json, said
from registry.instants import Instant, instant_from_epoch, parse_iso
from registry.reading import read_bounded
from registry.registration.runs import RunStatement

_USUAL = "DATA"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LogbookRuns:
    """The runs that the logbook lists, each once, and what deserves a note."""

    runs: tuple[RunStatement, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """How the entries of one form are read."""

    number: str
    sort: str
    time: Callable[[object], Instant]


def read_logbook(path: Path, experiment: str) -> LogbookRuns:
    """Read the logbook's list of the runs of an experiment.

    Raises
    ------
    NotFoundError
        There is no such file.
    RequestError
        It is no such list, or entries cannot be understood; all such are named, with the field.
    UnavailableError
        It cannot be read.
    """
    content = read_bounded(path, LARGEST, "a logbook's list of runs")
    name = repr(str(path))
    if not looks_like_json(content):
        raise RequestError(
            f"{name} is not JSON, so not a logbook's list of runs;"
            " a table of datasets names its experiments itself: leave --experiment out"
        )
    entries = entries_of(content, name)
    form = _form(entries, name)
    problems: list[str] = []
    first: dict[int, tuple[str, RunStatement]] = {}
    for position, entry in enumerate(entries, start=1):
        place, statement, wrong = _read(entry, form, experiment, f"entry {position}")
        problems += [f"{place}: {each}" for each in wrong]
        if statement is None:
            continue
        earlier, known = first.setdefault(statement.dataset.run, (f"entry {position}", statement))
        if known != statement:
            problems.append(f"{place}: {earlier} gives the run other times")
    if problems:
        raise RequestError(f"{name} cannot be imported", details=problems, problems=problems)
    return LogbookRuns(tuple(known for _, known in first.values()), tuple(_notes(entries, form)))


def _form(entries: Sequence[Any], name: str) -> _Form:
    """Return the form of the list: that of its first entry in which a run's number stands."""
    for entry in entries:
        for form in _FORMS:
            if isinstance(entry, dict) and form.number in entry:
                return form
    raise RequestError(
        f"{name} is no list of runs: no entry has num (with ISO 8601 times) or run_num (with epoch seconds)"
    )


def _read(entry: Any, form: _Form, experiment: str, place: str) -> tuple[str, RunStatement | None, list[str]]:
    """Return where the entry stands, what it states if it is sound, and what is wrong with it."""
    if not isinstance(entry, dict):
        return place, None, [f"{said(entry)} is no run: an object with {form.number} is expected"]
    wrong = [
        f"{other.number} stands beside {form.number}: which is the run?"
        for other in _FORMS
        if other is not form and other.number in entry
    ]
    run = _taken(entry, form.number, _run_number, wrong)
    begin = _taken(entry, "begin_time", form.time, wrong)
    # A run that is still going has no end yet.
    end = None if entry.get("end_time") is None else _taken(entry, "end_time", form.time, wrong)
    if entry.get(form.sort) is not None:
        _taken(entry, form.sort, _type_of_run, wrong)
    if run is not None:
        place = f"{place} (run {run})"
    if run is None or begin is None or wrong:
        return place, None, wrong
    statement = RunStatement(Dataset(experiment, run), begin, end)
    return place, statement, [statement.order_problem] if statement.order_problem else []


def _taken(entry: dict[str, Any], field: str, read: Callable[[object], _T], wrong: list[str]) -> _T | None:
    if field not in entry:
        wrong.append(f"{field} is missing")
        return None
    try:
        return read(entry[field])
    except RequestError as error:
        wrong.append(f"{field}: {error}")
        return None


def _run_number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"{said(value)} is no run number: a whole number is expected")
    return parse_run_number(str(value))


def _type_of_run(value: object) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{said(value)} is no type of a run, as {_USUAL} is")
    return value


def _iso_time(value: object) -> Instant:
    if not isinstance(value, str):
        raise InstantError(
            f"{said(value)} is no ISO 8601 time with its offset, as in 2015-08-04T19:10:15-07:00"
        )
    return parse_iso(value)


def _epoch_time(value: object) -> Instant:
    # Zero, which some programs write for a time that they do not know, would be long before any run.
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value <= 0:
        raise InstantError(f"{said(value)} is no number of seconds since 1970 UTC, as 1438740615 is")
    return instant_from_epoch(value)


_FORMS = (_Form("num", "type", _iso_time), _Form("run_num", "run_type", _epoch_time))


def _notes(entries: Sequence[dict[str, Any]], form: _Form) -> Iterator[str]:
    sorts = Counter(entry.get(form.sort) for entry in entries)
    others = [f"{count} {quote(sort)}" for sort, count in sorts.items() if sort not in (None, _USUAL)]
    if others:
        yield f"runs of every type are recorded, they have their times; not {_USUAL}: {shorten(others)}"
    known = {form.number, form.sort, "begin_time", "end_time", "params"}
    unread = sorted({name for entry in entries for name in entry} - known)
    if unread:
        yield f"of a run only its number and times are read, not {shorten([quote(name) for name in unread])}"
