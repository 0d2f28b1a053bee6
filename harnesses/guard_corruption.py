"""Weaken the guards of a database: `database check` and verify name every guard that is not as it should be."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import sqlalchemy as sa

from harnesses.guard_faults import GuardFault, list_sqlite_faults
from harnesses.server_guard_faults import list_server_faults
from harnesses.tallies import FaultTally
from registry.api import create_registry, open_registry
from registry.errors import RegistryError
from testing.registries import RegistryFactory, RegistryLocation

# A registry in another schema of the same database; half of the faults are planted there.
_ASIDE = "aside"


class GuardTestbed:
    """A registry whose guards are weakened in copies; on PostgreSQL there is another one in a second schema."""

    def __init__(self, factory: RegistryFactory, dialect: str) -> None:
        self.factory = factory
        self.dialect = dialect
        self.location = factory.make_empty(dialect)
        create_registry(self.location.database, self.location.store_folder)
        if not self.location.is_sqlite:
            with _connect(self.location) as connection:
                connection.exec_driver_sql(f"CREATE SCHEMA {_ASIDE}")
                connection.commit()
            beside = _find_second(self.location)
            create_registry(beside.database, beside.store_folder)

    def list_faults(self, rng: random.Random) -> list[GuardFault]:
        """Return all faults of its guards."""
        list_faults = list_sqlite_faults if self.location.is_sqlite else list_server_faults
        with _connect(self.location) as connection:
            return list(list_faults(connection, rng))

    def close(self) -> None:
        """Remove it."""
        self.factory.remove(self.location)


def run_guard_faults(testbed: GuardTestbed, wanted: int, rng: random.Random) -> Iterator[FaultTally]:
    """Plant faults of every kind, `wanted` in all or as many as there are, and yield the result of each kind."""
    by_kind: dict[str, list[GuardFault]] = {}
    for fault in testbed.list_faults(rng):
        by_kind.setdefault(fault.kind, []).append(fault)
    for place, (kind, faults) in enumerate(by_kind.items()):
        share = wanted // len(by_kind) + (place < wanted % len(by_kind))
        tally = FaultTally(kind, testbed.dialect)
        for fault in rng.sample(faults, min(share, len(faults))):
            _plant(testbed, fault, tally, is_aside=rng.random() < 0.5)
        if tally.planted:
            yield tally


def _plant(testbed: GuardTestbed, fault: GuardFault, tally: FaultTally, *, is_aside: bool) -> None:
    copy = testbed.factory.copy(testbed.location)
    location, statements = copy, fault.statements
    if is_aside and not copy.is_sqlite:
        location = _find_second(copy)
        statements = [text.replace("public.", f"{_ASIDE}.") for text in statements]
    tally.planted += 1
    try:
        _execute(location, statements)
        unnoticed = list(_find_unnoticed(location, fault.name))
        tally.detected += not unnoticed
        tally.problems += [f"{fault.kind}: {fault.name}: {text}" for text in unnoticed]
    except Exception as error:  # noqa: BLE001 - any error but a refusal is a finding
        tally.problems.append(f"{fault.kind}: {fault.name}: {type(error).__name__}: {error}")
    testbed.factory.remove(copy)


def _find_unnoticed(location: RegistryLocation, name: str) -> Iterator[str]:
    """Yield what does not name a guard: the check of the database, or verify. A refusal to open is enough."""
    try:
        with open_registry(location.database, location.store_folder) as registry:
            differences = registry.differences()
            try:
                problems: Sequence[str] = [problem.problem for problem in registry.verify().problems]
            except RegistryError as error:
                problems = [str(error)]
    except RegistryError:
        return
    for command, texts in (("database check", differences), ("verify", problems)):
        if not any(name in text for text in texts):
            yield f"{command} does not name it: {texts}"


def _execute(location: RegistryLocation, statements: Sequence[str]) -> None:
    with _connect(location) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%") if not location.is_sqlite else statement)
        connection.commit()


def _find_second(location: RegistryLocation) -> RegistryLocation:
    """Return the registry in the other schema of the same database."""
    url = sa.make_url(location.database).update_query_dict({"options": f"-csearch_path={_ASIDE}"})
    return replace(
        location, database=url.render_as_string(hide_password=False), store=location.folder / _ASIDE
    )


@contextmanager
def _connect(location: RegistryLocation) -> Iterator[sa.Connection]:
    engine = location.engine()
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
