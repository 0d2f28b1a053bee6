"""Plant edits of the past together with all seals from there on: heads that were kept elsewhere must tell."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import sqlalchemy as sa

from harnesses.edits import Statements
from harnesses.facts import Facts, find_differences, read_facts
from harnesses.forgery import reseal
from harnesses.row_corruption import HistoryTestbed
from harnesses.scenarios import delete_revision, exchange
from harnesses.tallies import FaultTally
from harnesses.tampering import open_behind_guards, undo
from registry import schema
from registry.api import Registry
from registry.heads import Head, HeadFile, StoreHead
from registry.lookup.broken_seals import find_broken_seals
from registry.parallel import no_progress


def _rewrite_newest(facts: Facts, _: random.Random) -> Statements:
    newest = len(facts["revision"])
    return [_rename_author(newest)]


def _rewrite_earlier(facts: Facts, rng: random.Random) -> Statements:
    return [_rename_author(rng.randrange(1, len(facts["revision"])))]


def _rename_author(number: int) -> sa.Executable:
    return sa.update(schema.revision).where(schema.revision.c.number == number).values(author="somebody else")


def _edit_export(facts: Facts, rng: random.Random) -> Statements:
    sealed = max(row["export"] or 0 for row in facts["seal"].values())
    export = schema.export
    return [
        sa.update(export).where(export.c.id == rng.randrange(1, sealed + 1)).values(author="somebody else")
    ]


def _cut_off(facts: Facts, rng: random.Random) -> Statements:
    newest = len(facts["revision"])
    return [
        statement
        for number in range(newest, newest - rng.randrange(1, 6), -1)
        for statement in delete_revision(number, with_seal=True)
    ]


FORGERIES: Mapping[str, Callable[[Facts, random.Random], Statements]] = {
    "newest revision, resealed": _rewrite_newest,
    "earlier revision, all resealed": _rewrite_earlier,
    "constants exchanged, all resealed": partial(
        exchange, schema.version, ("constants_id",), ("kind", "withdrawn_in")
    ),
    "export, all resealed": _edit_export,
    "newest revisions cut off": _cut_off,
}


def plant_forgery(testbed: HistoryTestbed, tally: FaultTally, rng: random.Random) -> None:
    """Plant a forgery: it must be found by the store's head and, where that is forged too, by a quoted one."""
    file = HeadFile(testbed.location.store)
    kept = file.read()
    if kept is None:
        raise RuntimeError("the store has no head")
    _forge(testbed, FORGERIES[tally.kind], rng)
    after = read_facts(testbed.location)
    differences = find_differences(testbed.facts, after)
    tally.planted += 1
    faults = list(_find_faults(testbed.registry, file, kept.committed, _find_head(after)))
    tally.detected += not faults
    tally.problems += [f"{tally.kind}: {fault}" for fault in faults]
    file.write(kept)
    undo(testbed.location, differences)
    if read_facts(testbed.location) != testbed.facts:
        raise RuntimeError(f"{tally.kind}: the rows could not be put back")


def _forge(
    testbed: HistoryTestbed, build: Callable[[Facts, random.Random], Statements], rng: random.Random
) -> None:
    for statements in (build(testbed.facts, rng), None):
        forged = reseal(read_facts(testbed.location)) if statements is None else statements
        with open_behind_guards(testbed.location) as connection:
            for statement in forged:
                connection.execute(statement)


def _find_head(facts: Facts) -> Head:
    number = max(number for (number,) in facts["seal"])
    return Head(number, facts["seal"][number,]["digest"])


def _find_faults(registry: Registry, file: HeadFile, kept: Head, forged: Head) -> Iterator[str]:
    with registry._backend.read_transaction() as view:  # noqa: SLF001
        broken = [seal.problem for seal in find_broken_seals(view.connection, no_progress)]
    if broken:
        yield f"the forgery is not good enough: {broken}"
    yield from _find_unnoticed(registry, kept, "by the store's head")
    file.write(StoreHead(forged))
    if registry.verify().problems:
        yield f"the forgery is not good enough beside its own head: {registry.verify().problems}"
    yield from _find_unnoticed(registry, kept, "by a quoted head", quoted=True)


def _find_unnoticed(registry: Registry, kept: Head, how: str, *, quoted: bool = False) -> Iterator[str]:
    problems = registry.verify(heads=[str(kept)] if quoted else []).problems
    named = [
        problem for problem in problems if str(kept) in problem.problem and problem.revision == kept.number
    ]
    if not named:
        yield f"it is not found {how}: {problems}"
