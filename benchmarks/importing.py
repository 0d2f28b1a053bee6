"""Rows of the import: a directory of very many links that share few files, as one revision.

The baselines insert the same rows by the bare driver in one durable transaction, into a registry with all indexes and
foreign keys, but without our triggers: they read no directory, check no file and compare nothing. That of a bulk load
is COPY on PostgreSQL; the other one hashes the distinct files, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import baselines, works
from benchmarks.bench import Bench
from benchmarks.detector import module_name, panel_id
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Seconds, Task
from registry import schema
from registry.database.guards.texts import build_guards
from registry.database.transactions import Database
from registry.errors import RegistryError
from registry.instants import Instant, parse_instant
from registry.records import Outcome
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation

_FIRST = parse_instant("2010-01-01T00:00:00Z")
_STEP = 60_000_000

TableRows = list[tuple[str, list[tuple[Any, ...]]]]
"""By table, parents first, the rows."""


def measure_import(bench: Bench) -> Iterator[Row]:
    """Measure an import against the same rows by ``executemany``."""
    modules, links = bench.scale.modules, bench.scale.links
    tree = make_tree(bench.folder / "links", modules, links)
    for dialect in bench.databases:
        try:
            yield _measure_row(bench, dialect, tree, links, f"import {links} links", reach=6)
        except RegistryError as error:
            yield Row(work=f"import {links} links", database=dialect, remark=f"refused: {error}")
    fewer = links // 10
    small = make_tree(bench.folder / "fewer", modules, fewer)
    peak, small_peak = (
        bench.measure_peak(works.import_tree, partial(_tree_arguments, folder), bench.factory.make)
        for folder in (tree, small)
    )
    grown = (peak - small_peak) * 2**20 / (links - fewer)
    yield Row(work=f"peak memory, {links} links", database="sqlite", unit="MiB", ours=peak)
    yield Row(work=f"a link of it, above {fewer}", database="sqlite", unit="B", ours=grown, reach=1024)


def measure_loading(bench: Bench) -> Iterator[Row]:
    """Measure the import of the field's scenario: a link is the start of a panel's gain and of its offset."""
    panels, links = bench.scale.scenario_panels, bench.scale.scenario_panels * bench.scale.scenario_starts
    tree = make_tree(bench.folder / "scenario", panels // 2, links)
    for dialect in bench.databases:
        work = f"import {2 * links} ranges of {panels} panels"
        yield _measure_row(bench, dialect, tree, links, work, reach=2, is_bulk=True)


def _tree_arguments(tree: Path, _: Path) -> list[str]:
    return [str(tree)]


def make_tree(folder: Path, modules: int, links: int) -> Path:
    """Make a directory of links: two panel Ids a module, starts a minute apart."""
    for number in range(modules):
        write_panel_folder(folder / module_name(number), number, noisy=True)
    for link in range(links):
        number = link // 2 % modules
        panel = panel_id(number) if link % 2 else panel_id(number).replace("171113", "170505", 1)
        stamp = Instant(_FIRST + link // (2 * modules) * _STEP).datetime.strftime("%Y%m%d%H%M%S")
        (folder / f"{panel}-{stamp}").symlink_to(module_name(number))
    return folder


def _measure_row(
    bench: Bench, dialect: str, tree: Path, links: int, work: str, *, reach: float, is_bulk: bool = False
) -> Row:
    recorded: TableRows = []
    locations: list[RegistryLocation] = []

    def prepare(_: Path) -> None:
        locations.append(bench.factory.make(dialect))

    def ours(_: Path) -> Outcome:
        with locations[-1].open() as registry:
            return works.import_tree(registry, str(tree))

    def check(_: Path, outcome: Outcome) -> None:
        rows = dict(_read_rows(locations[-1]))
        if len(outcome.versions) != 2 * links or len(rows["version"]) != 2 * links:
            raise AssertionError("an import did not record a version of each kind for every link")
        recorded[:] = rows.items()
        remove()

    def remove(*_: object) -> None:
        bench.factory.remove(locations.pop())

    def prepare_baseline(folder: Path) -> None:
        prepare(folder)
        _drop_triggers(locations[-1])

    def baseline(_: Path) -> None:
        _insert(locations[-1], recorded, tree, is_bulk=is_bulk)

    tasks = {"ours": Task(ours, prepare, check), "baseline": Task(baseline, prepare_baseline, remove)}
    seconds = _time_once(bench, tasks) if is_bulk else bench.time(tasks, 3)
    return make_timed_row(work, seconds, database=dialect, reach=reach)


def _time_once(bench: Bench, tasks: dict[str, Task]) -> Seconds:
    """Time work of minutes: without a warm-up, whose round would be the first, in the order of the tasks."""
    in_reverse = dict(reversed(tasks.items()))  # as the first round is
    return bench.time(in_reverse, 1, warm_up=False)


def _drop_triggers(location: RegistryLocation) -> None:
    engine = location.engine()
    with engine.begin() as connection:
        for guard in build_guards(engine.dialect.name):
            if guard.table is not None:
                where = f" ON {guard.table}" if engine.dialect.name == "postgresql" else ""
                connection.exec_driver_sql(f"DROP TRIGGER {guard.name}{where}")
    engine.dispose()


def _read_rows(location: RegistryLocation) -> TableRows:
    """Return every row of a registry but the one that names it."""
    database = Database(location.database)
    try:
        with database.read_transaction() as connection:
            return [
                (table.name, [tuple(row) for row in connection.execute(sa.select(table))])
                # The seal last: no row comes into a sealed revision.
                for table in sorted(schema.metadata.sorted_tables, key=lambda table: table is schema.seal)
                if table is not schema.registry
            ]
    finally:
        database.close()


def _insert(location: RegistryLocation, recorded: TableRows, tree: Path, *, is_bulk: bool) -> None:
    if not is_bulk:
        baselines.hash_files(tree.glob("M*/*.npy"))
    insert_rows(location, recorded, copy=is_bulk)


def insert_rows(location: RegistryLocation, recorded: TableRows, *, copy: bool = False) -> None:
    """Insert rows with the bare driver, in one durable transaction; with `copy` by COPY, which SQLite has not."""
    if location.file:
        with closing(sqlite3.connect(location.file, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement, rows in _build_insertions(recorded, "?"):
                connection.executemany(statement, rows)
            connection.execute("COMMIT")
        return
    import psycopg

    with psycopg.connect(location.database) as one_transaction, one_transaction.cursor() as cursor:
        if copy:
            for table, rows in recorded:
                with cursor.copy(f"COPY {table} FROM STDIN") as sink:
                    for row in rows:
                        sink.write_row(row)
            return
        for statement, rows in _build_insertions(recorded, "%s"):
            cursor.executemany(statement, rows)


def _build_insertions(recorded: TableRows, placeholder: str) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    for table, rows in recorded:
        if rows:
            yield f"INSERT INTO {table} VALUES ({', '.join([placeholder] * len(rows[0]))})", rows
