"""Plant faults in the store and in the database: verify names every one, and no read returns a wrong byte."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harnesses import file_faults
from harnesses.edits import EditKind, list_edit_kinds
from harnesses.forgeries import FORGERIES, plant_forgery
from harnesses.guard_corruption import GuardTestbed, run_guard_faults
from harnesses.page_corruption import plant_page_fault
from harnesses.row_corruption import HistoryTestbed, plant_edit
from harnesses.scenarios import list_scenarios
from harnesses.store_corruption import StoreTestbed, damage_store
from harnesses.tallies import FaultTally
from testing.panels import use_small_panels
from testing.registries import RegistryFactory

_Kind = TypeVar("_Kind")

_MAX_WITHOUT_EFFECT = 20  # for each that is wanted


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of faults: of files; of rows, of rewritten seals and of guards on each database."""

    files: int
    edits: int
    forgeries: int
    guards: int
    seed: int


def run_faults(factory: RegistryFactory, databases: Sequence[str], plan: Plan) -> Iterator[FaultTally]:
    """Plant the faults of a plan, spread over their kinds, and yield the result of each kind."""
    if "sqlite" in databases:  # the store is the same for both databases
        yield from _damage_files(factory, plan)
    with use_small_panels():
        for dialect in databases:
            yield from _edit_rows(factory, dialect, plan)
            guards = GuardTestbed(factory, dialect)
            yield from run_guard_faults(guards, plan.guards, _make_random(plan, dialect, "guards"))
            guards.close()


def list_edits(dialect: str) -> list[EditKind]:
    """Return the kinds of edits of rows."""
    return [*list_scenarios(is_sqlite=dialect == "sqlite"), *list_edit_kinds()]


def _damage_files(factory: RegistryFactory, plan: Plan) -> Iterator[FaultTally]:
    testbed = StoreTestbed(factory, "sqlite")
    for kind, share in _spread(plan.files, list(file_faults.STORE_FAULTS)):
        rng = _make_random(plan, kind)
        tally = FaultTally(kind, "sqlite")
        while tally.planted < share:
            damage_store(testbed, tally, share - tally.planted, rng)
        yield tally
    testbed.close()


def _edit_rows(factory: RegistryFactory, dialect: str, plan: Plan) -> Iterator[FaultTally]:
    testbed = HistoryTestbed(factory, dialect)
    kinds = list_edits(dialect)
    pages = [*file_faults.PAGE_FAULTS, file_faults.BIT_FAULT] if dialect == "sqlite" else []
    on_pages = plan.edits // 10 if pages else 0
    tallies: dict[str, FaultTally] = {}
    for kind, share in _spread(plan.edits - on_pages, kinds):
        tally = tallies.setdefault(kind.group, FaultTally(kind.group, dialect))
        rng = _make_random(plan, dialect, kind.name)
        for _ in range(share):
            plant_edit(testbed, kind, tally, rng)
    _make_up(testbed, kinds, tallies, _make_random(plan, dialect))
    yield from tallies.values()
    for page, share in _spread(on_pages, pages):
        yield _overwrite_pages(testbed, page, share, _make_random(plan, page))
    for forgery, share in _spread(plan.forgeries, list(FORGERIES)):
        tally = FaultTally(forgery, dialect)
        rng = _make_random(plan, dialect, forgery)
        for _ in range(share):
            plant_forgery(testbed, tally, rng)
        yield tally
    testbed.close()


def _make_up(
    testbed: HistoryTestbed, kinds: Sequence[EditKind], tallies: dict[str, FaultTally], rng: random.Random
) -> None:
    """Plant other edits for those that a check of the schema refused."""
    for _ in range(sum(tally.without_effect for tally in tallies.values())):
        kind = rng.choice([kind for kind in kinds if kind.group == "a row removed"])
        plant_edit(
            testbed, kind, tallies.setdefault(kind.group, FaultTally(kind.group, testbed.dialect)), rng
        )


def _overwrite_pages(testbed: HistoryTestbed, kind: str, wanted: int, rng: random.Random) -> FaultTally:
    tally = FaultTally(kind, testbed.dialect)
    while tally.planted < wanted and tally.without_effect < wanted * _MAX_WITHOUT_EFFECT:
        plant_page_fault(testbed, tally, rng)
    return tally


def _spread(count: int, kinds: Sequence[_Kind]) -> list[tuple[_Kind, int]]:
    """Return the kinds with their shares of a count, without those that get none."""
    shares = [count // len(kinds) + (place < count % len(kinds)) for place in range(len(kinds))]
    return [(kind, share) for kind, share in zip(kinds, shares, strict=True) if share]


def _make_random(plan: Plan, *names: str) -> random.Random:
    return random.Random(" ".join([str(plan.seed), *names]))  # noqa: S311 - repeatable on purpose
