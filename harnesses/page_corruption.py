"""Overwrite pages and single bits of a SQLite file: all that changes a row, an index or a guard is found."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from harnesses.facts import Facts, find_differences, find_owners, read_facts
from harnesses.file_faults import overwrite_page
from harnesses.row_corruption import HistoryTestbed, compare_answers, find_fault_of_names, list_problems
from harnesses.tallies import FaultTally
from registry.errors import RegistryError
from registry.records import Problem
from testing.registries import RegistryLocation

_UNREADABLE = (sqlite3.Error, UnicodeError, ValueError)


def plant_page_fault(testbed: HistoryTestbed, tally: FaultTally, rng: random.Random) -> None:
    """Overwrite a page, or flip a bit, in a copy of the file; where nothing that is read is changed, count it apart."""
    location = testbed.factory.copy(testbed.untouched)
    if location.file is None:
        raise TypeError("pages are those of a file")
    overwrite_page(location.file, tally.kind, rng)
    state, untouched = _read_state(location), _read_state(testbed.untouched)
    if state == untouched:
        tally.without_effect += 1
    else:
        tally.planted += 1
        # Rows of other columns are not other rows.
        is_readable = state is not None and untouched is not None and state[1] == untouched[1]
        _judge(testbed, location, tally, state[0] if state is not None and is_readable else None)
    testbed.factory.remove(location)


def _read_state(location: RegistryLocation) -> tuple[Facts, list[tuple[str, ...]], list[str]] | None:
    """Return the rows, the schema, and what SQLite says of the file; None where something cannot be read."""
    try:
        with closing(sqlite3.connect(str(location.file))) as connection:
            rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
            texts = [tuple(_fold_space(str(text)) for text in row) for row in rows]
            (*checks,) = (text for (text,) in connection.execute("PRAGMA integrity_check"))
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        return read_facts(location), [*texts, (mode,)], checks
    except _UNREADABLE:
        return None
    except Exception as error:
        if isinstance(error.__cause__, _UNREADABLE):  # as SQLAlchemy raises it
            return None
        raise


def _fold_space(text: str) -> str:
    """Return a text of the schema without what has no meaning in it."""
    return text if text.startswith("CREATE TRIGGER") else re.sub(r"\s+", " ", text)


def _judge(
    testbed: HistoryTestbed, location: RegistryLocation, tally: FaultTally, facts: Facts | None
) -> None:
    try:
        try:
            with location.open() as registry:
                problems = list_problems(registry)
                compare_answers(testbed, registry, tally)
        except RegistryError as error:  # it cannot be opened
            problems = [Problem(None, "", str(error))]
            tally.reads += len(testbed.answers)
            tally.refused += len(testbed.answers)
        fault = _find_fault(testbed, problems, facts)
    except Exception as error:  # noqa: BLE001 - any error but a refusal is a finding
        fault = f"{type(error).__name__}: {error}"
    tally.detected += fault is None
    tally.problems += [] if fault is None else [fault]


def _find_fault(testbed: HistoryTestbed, problems: Sequence[Problem], facts: Facts | None) -> str | None:
    """Return what is wrong with the answer of verify; where rows differ and can be read, it names the revision."""
    if not problems:
        return "verify finds nothing"
    differences = [] if facts is None else find_differences(testbed.facts, facts)
    owners = find_owners(differences, testbed.facts, facts or testbed.facts)
    is_whole = not any("damaged" in problem.problem or "integrity" in problem.problem for problem in problems)
    return find_fault_of_names(problems, owners, differences, testbed.newest) if owners and is_whole else None
