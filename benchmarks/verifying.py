"""The seals of a long history against a bare read of the same rows, and a whole verification against its target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from benchmarks.bench import Bench
from benchmarks.history import History
from benchmarks.loading import load_history
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from registry import schema
from registry.database.engine import make_engine, read_transaction
from registry.database.sealed_tables import RECORDED_TABLES
from registry.lookup.broken_seals import find_broken_seals
from registry.lookup.sealed_sources import find_recorded, find_withdrawn, read_batches
from registry.parallel import no_progress

_REACH = 3.0
_ROUNDS = 3


def measure_verification(bench: Bench) -> Iterator[Row]:
    """Measure on each database how long the seals of the longest history take, against its rows read and left alone."""
    history = History(bench.scale.look_up_panels, bench.scale.starts[-1])
    for database in bench.databases:
        location = bench.factory.make(database)
        load_history(location, history)
        engine = make_engine(location.database)
        tasks = {"ours": _make_task(engine, _check_seals), "baseline": _make_task(engine, _read_rows)}
        seconds = bench.time(tasks, _ROUNDS)
        engine.dispose()
        bench.factory.remove(location)
        yield make_timed_row(
            f"seals of {history.versions:,} versions", seconds, database=database, reach=_REACH
        )


def _make_task(engine: sa.Engine, work: Callable[[sa.Connection], None]) -> Task:
    def run(_folder: Path) -> None:
        with read_transaction(engine) as connection:
            connection.execute(sa.select(schema.registry)).one()  # begins the transaction
            work(connection)

    return Task(run)


def _check_seals(connection: sa.Connection) -> None:
    broken = find_broken_seals(connection, no_progress)
    if broken:
        raise AssertionError(broken[0].problem)


def _read_rows(connection: sa.Connection) -> None:
    """Read the rows that the seals are of, and the seals, in the same order and by the same cursors."""
    tables = [schema.revision, *RECORDED_TABLES.values()]
    queries = [find_recorded(connection, table).query for table in tables]
    queries += [find_withdrawn(table).query for table in tables if table.info.get("fact")]
    queries.append(sa.select(schema.seal).order_by(schema.seal.c.revision))
    for query in queries:
        for _ in read_batches(connection, query):
            pass
