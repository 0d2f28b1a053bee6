"""Statements whose texts are kept, and connections of the driver, which execute them without SQLAlchemy."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from documentation.kept_texts import build_file
from registry import schema
from registry.database import sqlite_files
from registry.database.driver_connections import DriverConnection, DriverPool, use_sqlalchemy
from registry.database.engine import make_file_engine, read_transaction
from registry.database.kept_statements import FILE, KeptCall, KeptStatement, list_kept_calls
from registry.database.sqlite_files import SQLiteFile
from registry.errors import UnavailableError
from registry.instants import parse_instant
from registry.lookup.panels import find_known_panels
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.copies import AT

pytestmark = pytest.mark.small_panels

_VALUES: dict[str, Any] = {
    "instant": parse_instant(AT),
    "names": [PANEL_A, PANEL_B],
    "panels": [PANEL_A, PANEL_B],
    "kind_0": "gain",
    "kind_1": "offset",
    "m_number": "M068",
    "experiment": "xcsls3716",
    "number": 1,
    "numbers": [1, 2, 3],
    "seal": "",
    "values": '[["xcsls3716", 1, 8]]',
    "configurations": [1],
    "begin": 0,
    "end": 2**62,
    "first_known": 1,
    "second_known": None,
    "as_of": None,
}
_REVISIONS = {"instant": 2**62, "tag": "first", "back": 1}


@pytest.fixture
def location(sqlite_location: RegistryLocation) -> RegistryLocation:
    """Texts are kept for SQLite alone."""
    return sqlite_location


@pytest.fixture
def file(sample: RegistryLocation) -> SQLiteFile:
    return SQLiteFile(str(sample.file), "rw")


@pytest.fixture
def pool(file: SQLiteFile) -> Iterator[DriverPool]:
    """Connections of the driver to a registry with a row of every sort."""
    engine = make_file_engine(file, "sqlite:///")
    connections = DriverPool(file, lambda: engine)
    yield connections
    connections.dispose()
    engine.dispose()


def _is_select(call: KeptCall) -> bool:
    return "_insert_into" not in call.key


def _choose_values(key: str, sha256: str) -> dict[str, Any]:
    by = next((by for by in _REVISIONS if f"by='{by}'" in key), "number")
    return {**_VALUES, "revision": _REVISIONS.get(by, 15), "file": sha256, "wanted": [sha256]}


def test_the_kept_texts_are_those_that_sqlalchemy_writes_now() -> None:
    assert FILE.read_bytes() == build_file(), "python -m documentation writes them"


def test_every_kept_text_has_the_rows_and_names_that_sqlalchemy_has(
    sample: RegistryLocation, pool: DriverPool
) -> None:
    engine = make_file_engine(SQLiteFile(str(sample.file), "rw"), sample.database)
    filled = set()
    with read_transaction(engine) as connection, pool.begin() as plain:
        wanted = connection.execute(sa.select(schema.constants.c.sha256)).scalars().first()
        document = connection.execute(sa.select(schema.export.c.provenance_sha256)).scalars().first()
        array = connection.execute(sa.select(schema.export_output.c.sha256)).scalars().first()
        for call in filter(_is_select, list_kept_calls()):
            values = _choose_values(call.key, str(wanted))
            values["file"] = array if "of_array" in call.key else document
            expected = connection.execute(call.build(), values)
            rows = plain.execute(KeptStatement(call.key, call.build), values).all()
            assert [tuple(row) for row in rows] == [tuple(row) for row in expected], call.key
            if rows:
                filled.add(call.key)
                assert rows[0]._fields == tuple(expected.keys()), call.key
                assert [type(value) for value in rows[0]] == [
                    type(value) for value in connection.execute(call.build(), values).first() or ()
                ], call.key
    engine.dispose()
    empty = {call.key for call in filter(_is_select, list_kept_calls())} - filled
    assert {key.partition("(")[0] for key in empty} <= {"database.closing._select_closure"}


def test_a_statement_without_a_kept_text_goes_on_in_the_same_transaction(
    sample: RegistryLocation, pool: DriverPool
) -> None:
    insert = "INSERT INTO closure (number, reason, place, closed_at, author, host, command, software)"
    count: sa.Select[Any] = sa.select(sa.func.count()).select_from(schema.closure)
    with pool.begin("BEGIN IMMEDIATE", writing=True) as connection:
        source: Any = connection
        assert isinstance(source, DriverConnection)
        source.raw.execute(f"{insert} VALUES (1, 'arrival', '', 0, '', '', '', '')").close()
        assert not source.is_taken
        assert connection.execute(count).scalar() == 1
        assert source.is_taken
        assert use_sqlalchemy(connection) is use_sqlalchemy(connection)
        assert sa.inspect(use_sqlalchemy(connection)).has_table("closure")
    with pool.begin() as connection:  # nothing was committed
        assert connection.execute(count).scalar() == 0
    with pool.begin("BEGIN IMMEDIATE", writing=True) as connection:
        source = connection
        source.raw.execute(f"{insert} VALUES (1, 'arrival', '', 0, '', '', '', '')").close()
        assert connection.execute(count).scalar() == 1
        connection.commit()
    with pool.begin() as connection:
        assert connection.execute(count).scalar() == 1


def test_what_the_driver_wrote_is_committed_where_sqlalchemy_has_executed_nothing(pool: DriverPool) -> None:
    with pool.begin("BEGIN IMMEDIATE", writing=True) as connection:
        source: Any = connection
        source.raw.execute("CREATE TABLE kept (value)").close()
        use_sqlalchemy(connection)
        connection.commit()
    with pool.begin() as connection:
        source = connection
        assert source.raw.execute("SELECT * FROM kept").fetchall() == []


def test_a_reader_that_goes_on_with_sqlalchemy_sees_the_same_moment(
    sample: RegistryLocation, pool: DriverPool
) -> None:
    count: sa.Select[Any] = sa.select(sa.func.count()).select_from(schema.tag)
    with pool.begin() as connection:
        known = find_known_panels(connection, [PANEL_A], None)
        with sample.open() as registry:
            registry.tags.add("meanwhile")
        assert connection.execute(count).scalar() == 5
        assert find_known_panels(connection, [PANEL_A], None) == known
    with pool.begin() as connection:
        assert connection.execute(count).scalar() == 6


def test_an_error_gives_the_connection_back_and_an_interruption_closes_it(pool: DriverPool) -> None:
    with pool.begin() as connection:
        first = _get_raw(connection)
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), pool.begin("BEGIN IMMEDIATE", writing=True) as connection:
            _raise(error, of=_get_raw(connection) is first)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        first.execute("SELECT 1")
    with pool.begin() as connection:
        assert _get_raw(connection) is not first


def test_an_interruption_is_passed_on_where_the_connection_of_sqlalchemy_was_closed_meanwhile(
    pool: DriverPool,
) -> None:
    with pytest.raises(KeyboardInterrupt), pool.begin() as connection:
        _interrupt_closed(connection)
    with pool.begin() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1


def _interrupt_closed(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT 1"))
    _get_raw(connection).close()
    raise KeyboardInterrupt


def _raise(error: type[BaseException], *, of: bool) -> None:
    assert of
    raise error


def _get_raw(connection: Any) -> sqlite3.Connection:
    raw: sqlite3.Connection = connection.raw
    return raw


def test_an_engine_that_is_made_later_refuses_a_file_that_replaced_the_opened_one(
    sample: RegistryLocation, tmp_path: Path
) -> None:
    assert sample.file is not None
    with sample.open() as registry:
        database = registry._backend.database
        assert database._made_engine is None
        registry.validity(PANEL_A, at=AT)
        assert database._made_engine is None
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(sample.file.read_bytes())
        copy.replace(sample.file)
        with pytest.raises(UnavailableError, match="not the file any more"):
            registry.validity(PANEL_A, at=AT)
        assert database._engine is database._engine
        with pytest.raises(UnavailableError, match="not the file any more"):
            registry.panels.list()


def test_who_opens_a_locked_database_waits_for_it_once(
    sample: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "BUSY_SECONDS", 0)
    holder = sqlite3.connect(str(sample.file), isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UnavailableError, match="database is locked") as refusal:
        sample.open()
    holder.close()
    assert isinstance(refusal.value.__cause__, sqlite3.Error)  # of the first connection, not of an engine's


def test_an_open_registry_imports_sqlalchemy_when_something_else_is_asked(
    sample: RegistryLocation,
) -> None:
    program = f"""
import sys
from registry.api import open_registry
with open_registry({sample.database!r}, {str(sample.store)!r}) as registry:
    registry.validity({PANEL_A!r}, at={AT!r})
    registry.validity({PANEL_A!r}, at={AT!r}, as_of=12)
    registry.validity({PANEL_A!r}, at={AT!r}, as_of="first")
    print("sqlalchemy" in sys.modules, len(registry.panels.list()), "sqlalchemy" in sys.modules)
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "False 4 True\n", "")
