"""Plant edits of rows behind the guards: verify names the revision and the table of every one."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from harnesses.edits import EditKind
from harnesses.facts import Difference, Facts, Owners, find_differences, find_owners, read_facts
from harnesses.history import PANELS, make_history
from harnesses.tallies import FaultTally
from harnesses.tampering import open_behind_guards, undo
from registry.api import Registry
from registry.detectors import find_panel_type
from registry.errors import RegistryError
from registry.identifiers import format_count
from registry.records import Problem
from testing.registries import RegistryFactory

_INSTANTS = ("2018-06-01T00:00:00Z", "2021-06-01T00:00:00Z")
_MAX_TRIES = 40
_EXPORTS = re.compile(r"\bexports? ([0-9]+)(?: to ([0-9]+))?\b")


class HistoryTestbed:
    """A registry with a rich history, which is edited and put back, and the answers that it gives untouched."""

    def __init__(self, factory: RegistryFactory, dialect: str) -> None:
        self.dialect = dialect
        self.factory = factory
        self.location = make_history(factory, dialect)
        # Never open: of the other one SQLite has a part in its log.
        self.untouched = factory.copy(self.location)
        self.facts = read_facts(self.location)
        self.newest = len(self.facts["revision"])
        self.registry = self.location.open()
        answers = {key: _ask(self.registry, *key) for key in _list_questions()}
        self.answers = {key: answer for key, answer in answers.items() if answer is not None}
        if self.registry.verify().problems:
            raise RuntimeError(f"the history has problems before any edit: {self.registry.verify().problems}")

    def close(self) -> None:
        """Remove it."""
        self.registry.close()
        self.factory.remove(self.location)
        self.factory.remove(self.untouched)


def plant_edit(testbed: HistoryTestbed, kind: EditKind, tally: FaultTally, rng: random.Random) -> None:
    """Plant one edit of a kind, judge what verify says of it, and put the rows back."""
    edited = _edit(testbed, kind, rng)
    if edited is None:  # a check of the schema refuses it, which PostgreSQL does not switch off for anybody
        tally.without_effect += 1
        return
    after, differences = edited
    tally.planted += 1
    where = f"{kind.name}, {_describe(differences)}"
    try:
        problems = list_problems(testbed.registry)
        fault = find_fault_of_names(
            problems, find_owners(differences, testbed.facts, after), differences, testbed.newest
        )
        tally.detected += fault is None
        tally.problems += [] if fault is None else [f"{where}: {fault}"]
        compare_answers(testbed, testbed.registry, tally)
    except Exception as error:  # noqa: BLE001 - any error but a refusal is a finding
        tally.problems.append(f"{where}: {type(error).__name__}: {error}")
    undo(testbed.location, differences)
    if read_facts(testbed.location) != testbed.facts:
        raise RuntimeError(f"{where}: the rows could not be put back")


def _edit(
    testbed: HistoryTestbed, kind: EditKind, rng: random.Random
) -> tuple[Facts, list[Difference]] | None:
    """Return the rows after an edit and what differs; an edit that a key refuses, or that changes nothing, is none."""
    for _ in range(_MAX_TRIES):
        statements = kind.build(testbed.facts, rng)
        try:
            with open_behind_guards(testbed.location) as connection:
                for statement in statements:
                    connection.execute(statement)
        except (sa.exc.IntegrityError, sa.exc.DataError):
            continue
        after = read_facts(testbed.location)
        differences = find_differences(testbed.facts, after)
        if differences:
            return after, differences
    return None


def list_problems(registry: Registry) -> Sequence[Problem]:
    """Return what verify says; that the database cannot be read is an answer, too."""
    try:
        return registry.verify().problems
    except RegistryError as error:
        return [Problem(None, "", str(error))]


def find_fault_of_names(
    problems: Sequence[Problem], owners: Owners, differences: Sequence[Difference], newest: int
) -> str | None:
    """Return what is wrong with the names in the problems of an edit, None where they are right.

    The first revision that differs must be named, and its table, and no earlier one; and the first export. Of what is
    said to be recorded after the `newest` revision, the first one that is missing may be named.
    """
    text = " | ".join(problem.problem for problem in problems)
    if not problems:
        return "verify finds nothing"
    named = _find_named_revisions(problems)
    first = min(owners.revisions, default=None)
    if first is not None and first not in named:
        return f"verify does not name revision {first}: {text}"
    if first is not None and not owners.exports and min(named) < min(first, newest + 1):
        return f"verify names revision {min(named)} before {first}: {text}"
    if (
        owners.exports
        and min(owners.exports) not in _find_numbers(_EXPORTS, text)
        and "the exports until then" not in text
    ):
        return f"verify does not name export {min(owners.exports)}: {text}"
    tables = {difference.table.name for difference in differences}
    if not any(_WORDS.get(table, table) in text for table in tables):
        return f"verify names none of {', '.join(sorted(tables))}: {text}"
    return None


# Parts of exports are named with them; the seals with what they are of.
_WORDS = dict.fromkeys(("export_output", "export_input", "export_seal"), "export") | {"seal": "revision"}


def _find_named_revisions(problems: Sequence[Problem]) -> set[int]:
    """Return the revisions that problems are about; 0 is the registry itself."""
    return {problem.revision for problem in problems if problem.revision is not None}


def _find_numbers(pattern: re.Pattern[str], text: str) -> set[int]:
    return {
        number
        for first, last in pattern.findall(text)
        for number in range(int(first), int(last or first) + 1)
    }


def compare_answers(testbed: HistoryTestbed, registry: Registry, tally: FaultTally) -> None:
    """Ask for every array again, and count the answers."""
    for key, answer in testbed.answers.items():
        tally.count_answer(_ask(registry, *key), answer)


def _list_questions() -> Iterator[tuple[str, str, str]]:
    for panel in PANELS:
        for kind in ("gain", "offset"):
            yield from ((panel, kind, instant) for instant in _INSTANTS)


def _ask(registry: Registry, panel: str, kind: str, instant: str) -> str | None:
    """Return the checksum of an array, None where it is refused."""
    name = find_panel_type(panel).find_kind(kind).calibration_type
    try:
        array = registry.constants(panel, at=instant, types=[name])[name]
    except RegistryError:
        return None
    return hashlib.sha256(array.tobytes()).hexdigest()


def _describe(differences: Sequence[Difference]) -> str:
    first = differences[0]
    changed: Any = {
        name: ((first.before or {}).get(name), (first.after or {}).get(name))
        for name in first.changed_columns
    }
    more = f" and {format_count(len(differences) - 1, 'more row')}" if len(differences) > 1 else ""
    return f"{first.table.name} {first.key}: {changed}{more}"
