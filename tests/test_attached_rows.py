"""SQLite copies rows from one of its files into another by itself, or they are carried as between any two databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.api import Registry
from registry.database import transfer
from registry.database.creation import populate_database
from registry.database.engine import open_engine, read_transaction
from registry.errors import CorruptionError
from registry.parallel import Advance, no_progress
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.copies import read_facts
from tests.refusals import assert_refused

# Each is in a table that is read before those of the statements before it.
ODD = {
    "UPDATE panel SET serial_number = x'00'": "panel",
    "UPDATE revision SET recorded_at = 'soon'": "revision",
    "UPDATE revision SET comment = CAST(x'ff' AS TEXT)": "revision",
}


@pytest.fixture
def small(sqlite_location: RegistryLocation) -> Iterator[Registry]:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068")
        yield registry


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables whose rows pass through Python."""
    tables: list[str] = []
    insert = transfer.insert_rows

    def note(connection: sa.Connection, table: str, *arguments: object) -> None:
        tables.append(table)
        insert(connection, table, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(transfer, "insert_rows", note)
    return tables


def _copy(registry: Registry, file: Path, progress: transfer.Progress = no_progress) -> dict[str, int]:
    database = registry._backend.database
    with (
        populate_database(f"sqlite:///{file}", registry.id) as target,
        open_engine(database.url) as engine,
        read_transaction(engine) as source,
    ):
        source.execute(sa.text("SELECT * FROM revision"))  # the moment of the copy
        return transfer.copy_rows(source, target, transfer.select_all_rows(source, target), progress)


@pytest.mark.slow
def test_the_rows_are_the_same_whether_sqlite_copies_or_python_carries_them(
    small: Registry,
    sqlite_location: RegistryLocation,
    carried: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = _copy(small, tmp_path / "copied.sqlite")
    assert carried == []
    monkeypatch.setattr(transfer, "can_attach", lambda *_: False)
    assert _copy(small, tmp_path / "carried.sqlite") == numbers
    assert "panel" in carried
    urls = [f"sqlite:///{tmp_path / name}.sqlite" for name in ("copied", "carried")]
    assert read_facts(urls[0]) == read_facts(urls[1]) == read_facts(sqlite_location.database)
    assert _list_indexes(tmp_path / "copied.sqlite") == _list_indexes(tmp_path / "carried.sqlite")


@pytest.mark.slow
def test_rows_of_one_moment_are_copied_where_others_write_meanwhile(
    small: Registry, carried: list[str], sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    before = read_facts(sqlite_location.database)

    @contextmanager
    def meanwhile(_description: str, _total: int) -> Iterator[Advance]:
        if not carried and len(small.panels.list()) == 1:
            small.panels.add(PANEL_B)
        yield lambda _steps=1: None

    _copy(small, tmp_path / "copied.sqlite", meanwhile)
    assert "panel" in carried
    assert read_facts(f"sqlite:///{tmp_path / 'copied.sqlite'}") == before


@pytest.mark.slow
def test_odd_values_are_refused_with_their_table(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    for number, (statement, table) in enumerate(ODD.items()):
        with closing(sqlite3.connect(sqlite_location.file, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            guards = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
            for name, _ in guards:
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(statement)
            connection.execute("COMMIT")
        with assert_refused(CorruptionError, table):
            _copy(small, tmp_path / f"{number}.sqlite")
        assert not (tmp_path / f"{number}.sqlite").exists()


def _list_indexes(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        return connection.execute(query).fetchall()
