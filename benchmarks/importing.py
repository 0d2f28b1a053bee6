"""Rows of the import: a directory of very many links that share few files, as one revision."""

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
from benchmarks.timing import Task
from registry import schema
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
    """Measure an import against the same rows by ``executemany`` and the distinct files hashed."""
    modules, links = bench.scale.modules, bench.scale.links
    tree = make_tree(bench.folder / "links", modules, links)
    files = sorted(tree.glob("M*/*.npy"))
    for dialect in bench.databases:
        try:
            yield _measure_row(bench, dialect, tree, files, links)
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


def _measure_row(bench: Bench, dialect: str, tree: Path, files: list[Path], links: int) -> Row:
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

    def baseline(_: Path) -> None:
        baselines.hash_files(files)
        insert_rows(locations[-1], recorded)

    tasks = {"ours": Task(ours, prepare, check), "baseline": Task(baseline, prepare, remove)}
    seconds = bench.time(tasks, 3)
    return make_timed_row(f"import {links} links", seconds, database=dialect, reach=6)


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


def insert_rows(location: RegistryLocation, recorded: TableRows) -> None:
    """Insert rows with the bare driver, in one durable transaction, under the guards of the schema."""
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
        for statement, rows in _build_insertions(recorded, "%s"):
            cursor.executemany(statement, rows)


def _build_insertions(recorded: TableRows, placeholder: str) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    for table, rows in recorded:
        if rows:
            yield f"INSERT INTO {table} VALUES ({', '.join([placeholder] * len(rows[0]))})", rows
