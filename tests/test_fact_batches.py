"""Many facts of one change: the guards are lifted while they are inserted, and refuse what they would have refused."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry import schema
from registry.api import Registry
from registry.database import fact_batches
from registry.database.change import Change
from registry.database.fact_batches import FactBatch
from registry.errors import ConflictError, RegistryError
from registry.registration.version_batches import _COLUMNS
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation

Row = dict[str, Any]

_MANY = 4
_START = 1_500_000_000_000_000
_TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname",
}


@pytest.fixture
def filled(
    location: RegistryLocation, tmp_path: Path, small_panels: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registry]:
    """A registry with a panel and its constants, where few rows are many."""
    monkeypatch.setattr(fact_batches, "_FEW", _MANY)
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
        yield registry


def build_rows(change: Change, count: int, **values: Any) -> list[Row]:
    """Return rows of versions of the panel's gain, of which the last has other values."""
    first = change.get_next_id(schema.version)
    rows = [
        {
            **dict.fromkeys(_COLUMNS),
            "id": first + number,
            "recorded_in": change.ensure_revision(),
            "panel_id": 1,
            "constants_id": 1,
            "kind": "gain",
            "nonfinite_allowed": 0,
            "valid_from": _START + number,
            "latest_start": _START + number,
        }
        for number in range(count)
    ]
    rows[-1] |= values
    return rows


def record(change: Change, rows: list[Row]) -> None:
    batch = FactBatch(change, schema.version, _COLUMNS)
    batch.add([tuple(row.values()) for row in rows])
    batch.finish()


def read_triggers(registry: Registry) -> list[tuple[Any, ...]]:
    with registry._backend.database.read_transaction() as connection:
        query = _TRIGGERS[connection.dialect.name]
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def refuse_rows(registry: Registry, **values: Any) -> str:
    """Return why a change with such a row is refused."""
    with pytest.raises((RegistryError, sa.exc.DBAPIError)) as raised:
        registry._backend.record_revision(
            lambda change: record(change, build_rows(change, _MANY, **values)), None
        )
    return str(raised.value)


def test_many_facts_are_recorded_and_sealed_as_few_are(filled: Registry) -> None:
    triggers = read_triggers(filled)
    for count in (_MANY - 1, 3 * _MANY):
        filled._backend.record_revision(
            lambda change, count=count: record(change, _move(build_rows(change, count), change.newest)), None
        )
    assert read_triggers(filled) == triggers
    assert filled._backend.database.find_differences() == []
    assert filled.verify().problems == ()
    assert len(filled.versions.list()) == 2 + 4 * _MANY - 1
    assert "append-only" in _insert_raw(filled)


def _move(rows: list[Row], revision: int) -> list[Row]:
    """Let the rows of each revision start later than those of the one before."""
    return [
        row
        | {name: row[name] + 1000 * revision for name in ("valid_from", "latest_start")}
        | {"recorded_in": revision + 1}
        for row in rows
    ]


def _insert_raw(registry: Registry) -> str:
    statement = (
        "INSERT INTO version (id, recorded_in, panel_id, kind, valid_from, nonfinite_allowed, latest_start)"
    )
    with pytest.raises(RegistryError) as raised, registry._backend.database.exclusive_transaction() as raw:
        raw.execute(sa.text(f"{statement} VALUES (99, 1, 1, 'gain', 7, :no, 7)"), {"no": False})
    return str(raised.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"recorded_in": 1}, "recorded_in is not the newest revision"),
        ({"panel_id": 9}, "panel_id refers to no panel"),
        ({"constants_id": 9}, "constants_id refers to no constants"),
        ({"carried_from": 99}, "carried_from refers to no version"),
        ({"latest_start": _START}, "latest_start is not the greatest start of the panel and kind"),
        ({"latest_start": _START + 9}, "latest_start is not the greatest start of the panel and kind"),
        ({"latest_start": None}, "latest_start is not the greatest start of the panel and kind"),
        ({"valid_from": _START - 9}, "latest_start is not the greatest start of the panel and kind"),
    ],
)
def test_a_row_that_the_guards_refuse_is_refused_among_many(
    filled: Registry, monkeypatch: pytest.MonkeyPatch, values: Row, sentence: str
) -> None:
    lifted = refuse_rows(filled, **values)
    assert sentence in lifted or "violates foreign key" in lifted or "FOREIGN KEY" in lifted
    monkeypatch.setattr(fact_batches, "lift_guards", lambda *_: None)
    assert sentence in refuse_rows(filled, **values)
    assert len(filled.log()) == 2


def test_a_row_among_many_is_not_its_own_origin(filled: Registry) -> None:
    assert "carried_from refers to no version" in refuse_rows(filled, carried_from=6)
    assert len(filled.log()) == 2


@pytest.mark.parametrize("values", [{"id": 3}, {"valid_from": _START}, {"kind": None}, {"recorded_in": 9}])
def test_the_constraints_of_the_table_hold_among_many(filled: Registry, values: Row) -> None:
    refuse_rows(filled, **values)
    assert len(filled.log()) == 2
    assert "append-only" in _insert_raw(filled)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": b"gain"},
        {"valid_from": "late", "latest_start": "late"},
        {"nonfinite_allowed": 2},
        {"source_path": b"x"},
    ],
)
def test_sqlite_keeps_no_value_of_another_type_among_many(
    sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: Row
) -> None:
    monkeypatch.setattr(fact_batches, "_FEW", _MANY)
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        statement = sa.text("INSERT INTO constants VALUES (1, :digest, 'jungfrau', 'gain', 2)")

        def record_rows(change: Change) -> None:
            change.ensure_revision()
            change.connection.execute(statement, {"digest": "0" * 64})
            batch = FactBatch(change, schema.version, _COLUMNS)
            rows = [tuple(row.values()) for row in build_rows(change, _MANY, **values)]
            # What seals are made of is refused there too: the rows come behind its back.
            lifted = fact_batches.lift_guards(change.connection, schema.version)
            assert lifted is not None
            names, marks = ", ".join(_COLUMNS), ", ".join("?" for _ in _COLUMNS)
            text = f"INSERT INTO version ({names}) VALUES ({marks})"
            change.connection.exec_driver_sql(text, rows)
            lifted.restore(batch.next_id, len(rows))

        with pytest.raises(ConflictError, match=r"is of another type|latest_start is not"):
            registry._backend.record_revision(record_rows, None)


def test_nothing_is_added_to_a_registry_that_is_closed_meanwhile(filled: Registry) -> None:
    closure = {
        "number": 1,
        "reason": "departure",
        "place": "elsewhere",
        "closed_at": 1,
        "author": "somebody",
        "host": "here",
        "command": "move",
        "software": "calreg",
    }

    def close_meanwhile(change: Change) -> None:
        batch = FactBatch(change, schema.version, _COLUMNS)
        batch.add([tuple(row.values()) for row in build_rows(change, _MANY)])
        change.connection.execute(schema.closure.insert(), closure)
        batch.finish()

    with pytest.raises(ConflictError, match="closed to writes"):
        filled._backend.record_revision(close_meanwhile, None)
    assert len(filled.log()) == 2


def test_an_error_or_an_interruption_leaves_the_guards(filled: Registry) -> None:
    triggers = read_triggers(filled)
    for error in (KeyboardInterrupt, OSError):

        def stop(change: Change, error: type[BaseException] = error) -> None:
            batch = FactBatch(change, schema.version, _COLUMNS)
            batch.add([tuple(row.values()) for row in build_rows(change, _MANY)])
            assert change.is_unguarded
            raise error

        with pytest.raises(error):
            filled._backend.record_revision(stop, None)
        assert read_triggers(filled) == triggers
        assert "append-only" in _insert_raw(filled)
    assert len(filled.log()) == 2


def test_a_change_without_its_guards_is_not_committed(filled: Registry) -> None:
    def forget(change: Change) -> None:
        batch = FactBatch(change, schema.version, _COLUMNS)
        batch.add([tuple(row.values()) for row in build_rows(change, _MANY)])

    with pytest.raises(RuntimeError, match="lifted and not restored"):
        filled._backend.record_revision(forget, None)
    assert len(filled.log()) == 2


_KILLED = """
import os, sys
from registry import schema
from registry.api import open_registry
from registry.database import fact_batches
from tests.test_fact_batches import _COLUMNS, _MANY, FactBatch, build_rows
from testing.panels import use_small_panels

fact_batches._FEW = _MANY

def die(change):
    batch = FactBatch(change, schema.version, _COLUMNS)
    batch.add([tuple(row.values()) for row in build_rows(change, _MANY)])
    assert change.is_unguarded
    os._exit(9)

with open_registry(sys.argv[1], sys.argv[2]) as registry:
    registry._backend.record_revision(die, None)
"""


@pytest.mark.slow
def test_a_kill_leaves_the_guards(filled: Registry, location: RegistryLocation) -> None:
    triggers = read_triggers(filled)
    command = [sys.executable, "-c", _KILLED, location.database, str(location.store)]
    root = Path(__file__).parent.parent
    killed = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert killed.returncode == 9
    assert read_triggers(filled) == triggers
    assert "append-only" in _insert_raw(filled)
    assert filled._backend.database.find_differences() == []


def test_nobody_else_sees_or_uses_the_time_without_guards(
    filled: Registry, location: RegistryLocation
) -> None:
    triggers = read_triggers(filled)
    impatient = {"timeout": 0} if location.is_sqlite else {"options": "-c lock_timeout=100"}
    engine = sa.create_engine(location.engine().url, connect_args=impatient)

    def look(change: Change) -> None:
        batch = FactBatch(change, schema.version, _COLUMNS)
        batch.add([tuple(row.values()) for row in build_rows(change, _MANY)])
        assert read_triggers(filled) == triggers
        assert len(filled.versions.list()) == 2
        with engine.connect() as other, pytest.raises(sa.exc.OperationalError, match="lock"):
            other.execute(
                sa.text(
                    "INSERT INTO version (id, recorded_in, panel_id, kind, valid_from, nonfinite_allowed,"
                    " latest_start) VALUES (99, 1, 1, 'gain', 7, :no, 7)"
                ),
                {"no": False},
            )
        batch.finish()

    with engine.connect() as reader:
        query = sa.text("SELECT count(*) FROM version")
        before = reader.execute(query).scalar_one()
        filled._backend.record_revision(look, None)
        reader.rollback()
        assert reader.execute(query).scalar_one() == before + _MANY  # with the statement that it had prepared
    engine.dispose()


def test_guards_of_somebody_else_stay_and_refuse(filled: Registry, location: RegistryLocation) -> None:
    engine = location.engine()
    with engine.begin() as connection:
        if location.is_sqlite:
            body = "WHEN NEW.valid_from > 0 BEGIN SELECT RAISE(ABORT, 'not at this facility'); END"
            connection.exec_driver_sql("DROP TRIGGER version_closed_insert")
            connection.exec_driver_sql(
                f"CREATE TRIGGER version_closed_insert BEFORE INSERT ON version {body}"
            )
        else:
            body = "BEGIN RAISE 'not at this facility' USING ERRCODE = 'integrity_constraint_violation'; END"
            connection.exec_driver_sql(
                "CREATE OR REPLACE FUNCTION calreg_insert_version() RETURNS trigger LANGUAGE plpgsql"
                f" AS $$ {body} $$"
            )
    engine.dispose()
    assert "not at this facility" in refuse_rows(filled)


@pytest.mark.parametrize("has_guards", [True, False])
def test_a_server_whose_table_is_in_use_asks_each_row(
    request: pytest.FixtureRequest, filled: Registry, location: RegistryLocation, has_guards: bool
) -> None:
    if location.is_sqlite:
        pytest.skip("SQLite has one writer")
    engine = location.engine()
    with engine.connect() as other:
        other.execute(sa.text("LOCK TABLE version IN ROW EXCLUSIVE MODE"))
        if has_guards:
            filled._backend.record_revision(lambda change: record(change, build_rows(change, _MANY)), None)
        else:
            assert "latest_start is not" in refuse_rows(filled, latest_start=_START)
        other.rollback()
    engine.dispose()
    assert filled._backend.database.find_differences() == []


def test_a_rollback_leaves_the_cache_of_sqlite_as_it_was(
    filled: Registry, location: RegistryLocation
) -> None:
    if not location.is_sqlite:
        pytest.skip("the cache of a server is not ours")
    sizes = []

    def stop(change: Change) -> None:
        sizes.append(_read_cache_size(change.connection))
        batch = FactBatch(change, schema.version, _COLUMNS)
        batch.add([tuple(row.values()) for row in build_rows(change, _MANY)])
        sizes.append(_read_cache_size(change.connection))
        raise OSError("stop")

    for _ in range(2):
        with pytest.raises(OSError, match="stop"):
            filled._backend.record_revision(stop, None)
    assert sizes[0] != sizes[1]
    assert sizes[2:] == sizes[:2]


def _read_cache_size(connection: sa.Connection) -> int:
    size: int = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
    return size


_NO_CHANGES_OF_TABLES = """
CREATE FUNCTION no_changes() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
CREATE EVENT TRIGGER no_changes ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION no_changes()
"""
_OTHER_FUNCTION = """
CREATE FUNCTION quote_ident(name) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'nowhere'::text $$
"""


@pytest.mark.parametrize("statements", [_NO_CHANGES_OF_TABLES, _OTHER_FUNCTION])
def test_what_an_administrator_added_to_a_server_keeps_no_rows_away(
    filled: Registry, location: RegistryLocation, statements: str
) -> None:
    if location.is_sqlite:
        pytest.skip("SQLite has no functions of its own in a file")
    engine = location.engine()
    with engine.begin() as connection:
        connection.exec_driver_sql(statements)
    filled._backend.record_revision(lambda change: record(change, build_rows(change, _MANY)), None)
    assert filled._backend.database.find_differences() == []
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP EVENT TRIGGER IF EXISTS no_changes")
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS quote_ident(name)")
    engine.dispose()
    assert "append-only" in _insert_raw(filled)
