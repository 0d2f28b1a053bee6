"""A registry moves from either sort of database to either, whole; and is never open in two places."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry import schema
from registry.api import Registry, copies, create_registry
from registry.api.copies import copy_registry
from registry.database import transfer
from registry.database.closing import record_closure
from registry.database.seals import read_seal
from registry.database.transactions import Database
from registry.errors import (
    ClosedError,
    ConflictError,
    RegistryError,
    Remedy,
    RequestError,
    SchemaError,
    UnavailableError,
)
from registry.parallel import Advance, no_progress
from testing.panels import PANEL_A, PANEL_C
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision
from tests.cli import Calreg
from tests.copies import fill_registry, read_answers, read_facts, read_rows
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is not there, or holds nothing."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("empty_postgres")
        return url
    return f"sqlite:///{tmp_path / 'moved' / 'registry.sqlite'}"


@pytest.fixture
def new(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'moved' / 'registry.sqlite'}"


def _tables(url: str) -> set[str]:
    engine = RegistryLocation(url, Path()).engine()
    tables = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return tables


def interrupt_departure(connection: sa.Connection, reason: Any, *rest: Any) -> None:
    """Record an arrival; interrupt the move when the source is to be closed."""
    if reason == "departure":
        raise KeyboardInterrupt
    record_closure(connection, reason, *rest)


def _move(location: RegistryLocation, to: str, to_store: Path | None = None) -> None:
    copy_registry(to, to_store, location.database, location.store)


def _assert_refused(
    location: RegistryLocation,
    error: type[RegistryError],
    to: str,
    to_store: Path | None = None,
    **values: Any,
) -> RegistryError:
    """Assert that the move is refused, and that the registry is unchanged and open; return the refusal."""
    before = read_rows(location.database)
    with assert_refused(error, **values) as caught:
        _move(location, to, to_store)
    assert read_rows(location.database) == before
    with location.open() as registry:
        assert registry.closure is None
        assert registry.differences() == []
    return caught.value


@pytest.mark.slow
def test_every_row_of_every_table_moves_as_it_is(
    sample: RegistryLocation, filled: Registry, target: str, tmp_path: Path
) -> None:
    filled.detectors.name("front", PANEL_A)
    loss = {"reason": "loss", "ancestor": filled.id, "head_revision": 99, "head_seal": "a" * 64}
    filled._backend.record_revision(lambda change: change.record(schema.lineage, [loss]), None)
    before, answered = read_facts(sample.database), read_answers(filled)
    done = copy_registry(target, None, sample.database, sample.store)
    assert all(before.values())
    assert read_facts(target) == before
    assert read_facts(sample.database) == before
    assert (done.registry, done.revision, done.files) == (filled.id, len(filled.log()), 0)
    counted = {name: count for name, count in done.rows.items() if name != "closure"}
    assert counted == {name: len(table) for name, table in before.items()}
    with RegistryLocation(target, sample.store).open() as moved:
        assert read_answers(moved) == answered
        assert moved.differences() == []
        assert moved.verify().problems == ()
        assert moved.closure is None
        assert moved.tags.add("moved").revision == done.revision + 1
    with assert_refused(ClosedError, reason="departure"):
        filled.tags.add("stayed")
    (departure,), (arrival,) = read_rows(sample.database)["closure"], read_rows(target)["closure"]
    assert (departure["reason"], departure["opened_at"]) == ("departure", None)
    assert (arrival["reason"], arrival["closed_at"]) == ("arrival", departure["closed_at"])


@pytest.mark.slow
def test_a_moved_registry_can_be_moved_again_and_records_its_origin(
    location: RegistryLocation, registry: Registry, new: str, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    _move(location, new)
    last = f"sqlite:///{tmp_path / 'last.sqlite'}"
    _move(RegistryLocation(new, location.store), last)
    first, second = read_rows(last)["closure"]
    assert (first["number"], second["number"]) == (1, 2)
    assert (first["place"].partition(":")[0], second["place"]) == (
        location.database.partition(":")[0],
        new,
    )
    assert read_facts(last) == read_facts(location.database)


@pytest.mark.slow
def test_the_stored_files_move_too_when_asked(
    sqlite_location: RegistryLocation, tmp_path: Path, new: str
) -> None:
    with sqlite_location.open() as registry:
        fill_registry(registry, tmp_path / "made")
    to_store = tmp_path / "moved" / "store"
    done = copy_registry(new, to_store, sqlite_location.database, sqlite_location.store)
    assert (done.files, done.files_there, done.store) == (9, 0, str(to_store))
    with RegistryLocation(new, to_store).open() as moved:
        assert moved.verify().problems == ()


@pytest.mark.slow
def test_a_database_that_holds_a_registry_is_refused(
    sqlite_location: RegistryLocation, target: str, tmp_path: Path
) -> None:
    location = sqlite_location
    with location.open() as registry:
        registry.panels.add(PANEL_A)
    other = create_registry(target, tmp_path / "other")
    _assert_refused(location, ConflictError, target, database=other)
    assert read_rows(target)["registry"][0]["id"] == other
    _assert_refused(location, ConflictError, location.database, database=registry.id)


@pytest.mark.slow
def test_a_database_with_foreign_tables_is_refused(
    sqlite_location: RegistryLocation, target: str, tmp_path: Path
) -> None:
    (tmp_path / "moved").mkdir()
    engine = RegistryLocation(target, Path()).engine()
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE customers (id INTEGER)"))
    engine.dispose()
    _assert_refused(sqlite_location, SchemaError, target)
    assert _tables(target) == {"customers"}


@pytest.mark.slow
def test_a_newer_schema_is_refused(sqlite_location: RegistryLocation, new: str, tmp_path: Path) -> None:
    target = new
    create_registry(target, tmp_path / "other")
    engine = RegistryLocation(target, Path()).engine()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    _assert_refused(sqlite_location, ConflictError, target)
    with assert_refused(SchemaError):
        _move(RegistryLocation(target, tmp_path / "other"), f"sqlite:///{tmp_path / 'no.sqlite'}")
    assert not (tmp_path / "no.sqlite").exists()


@pytest.mark.slow
def test_the_store_of_another_registry_is_refused(
    sqlite_location: RegistryLocation, new: str, tmp_path: Path
) -> None:
    other = create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    _assert_refused(sqlite_location, ConflictError, new, tmp_path / "other", store=other)


@pytest.mark.slow
def test_an_unusable_database_url_is_refused(sqlite_location: RegistryLocation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for to, error in (
        (f"sqlite:///{tmp_path / 'file' / 'registry.sqlite'}", UnavailableError),
        (f"sqlite:///{tmp_path}", UnavailableError),
        ("mysql://somewhere", RequestError),
    ):
        _assert_refused(sqlite_location, error, to)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@pytest.mark.parametrize("instant", ["before the source is closed", "before the target is opened"])
def test_a_killed_move_is_completed_by_the_same_command(
    location: RegistryLocation,
    registry: Registry,
    target: str,
    instant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.panels.add(PANEL_A)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if instant == "before the source is closed":
            patch.setattr(copies, "record_closure", interrupt_departure)
        else:
            patch.setattr(Database, "open_for_writes", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _move(location, target)
    half = RegistryLocation(target, location.store)
    with half.open() as arriving, assert_refused(ClosedError, remedy=Remedy.CONTINUE_COPY):
        arriving.panels.add(PANEL_C)
    if instant == "before the source is closed":
        registry.panels.add(PANEL_C)  # nothing keeps others from writing until somebody tries again
    else:
        with pytest.raises(ClosedError):
            registry.panels.add(PANEL_C)
    _move(location, target)
    assert read_facts(target) == read_facts(location.database)
    with half.open() as moved:
        assert moved.differences() == []
        assert moved.tags.add("moved").revision == len(registry.log()) + 1
    assert copy_registry(target, None, location.database, location.store).rows == {}


@pytest.mark.slow
def test_an_unfinished_copy_is_not_confused_with_the_one_finished_elsewhere(
    sqlite_location: RegistryLocation, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(copies, "record_closure", interrupt_departure)
        with pytest.raises(KeyboardInterrupt):
            _move(sqlite_location, new)
    _move(sqlite_location, f"sqlite:///{tmp_path / 'elsewhere.sqlite'}")
    for to in (new, f"sqlite:///{tmp_path / 'nowhere.sqlite'}"):
        with assert_refused(ClosedError, reason="departure") as caught:
            _move(sqlite_location, to)
        assert caught.value.values["place"].endswith("elsewhere.sqlite")
    with RegistryLocation(new, sqlite_location.store).open() as unfinished:
        assert unfinished.closure is not None


@pytest.mark.slow
def test_a_move_whose_rows_differ_is_rolled_back(
    sqlite_location: RegistryLocation, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = sqlite_location
    with location.open() as registry:
        registry.panels.add(PANEL_A)
    insert = transfer.insert_rows

    def losing(connection: sa.Connection, table: str, columns: Any, batches: Any) -> None:
        batches = [[row for row in batch if table != "panel"] for batch in batches]
        insert(connection, table, columns, [batch for batch in batches if batch])

    monkeypatch.setattr(transfer, "can_attach", lambda *_: False)  # SQLite would copy the rows by itself
    monkeypatch.setattr(transfer, "insert_rows", losing)
    _assert_refused(location, ConflictError, target)  # as if a trigger there did it
    monkeypatch.undo()
    _move(location, target)
    assert read_facts(target) == read_facts(location.database)


@pytest.mark.slow
@pytest.mark.parametrize("comment", ["nul \0 inside", "T" + "é" * 70], ids=["nul", "long"])
def test_rows_that_postgresql_cannot_hold_are_refused(
    sqlite_location: RegistryLocation, empty_postgres: str, comment: str
) -> None:
    name = comment if len(comment) > 64 else "short"
    engine = sqlite_location.engine()
    with record_raw_revision(engine, comment=comment):
        pass
    with record_raw_revision(engine) as (connection, number):
        seal = read_seal(connection, 1)
        row = {"name": name, "revision": 1, "recorded_in": number, "seal": seal}
        connection.execute(schema.tag.insert(), row)
    engine.dispose()
    _assert_refused(sqlite_location, RequestError, empty_postgres)
    assert _tables(empty_postgres) == set()


@pytest.mark.slow
def test_numbers_at_the_ends_of_their_ranges_move(
    location: RegistryLocation, registry: Registry, target: str
) -> None:
    registry.panels.add(PANEL_A)
    engine = location.engine()
    blob = {"sha256": "a" * 64, "size": 2**62, "dtype": "<f4", "shape": "512x1024", "recorded_in": 2}
    statistics = {"minimum": -0.0, "median": 0.1 + 0.2, "maximum": 1.7976931348623157e308}
    with record_raw_revision(engine) as (connection, _):
        connection.execute(schema.blob.insert(), {**blob, **statistics, "zeros": 0, "nonfinite": 0})
    engine.dispose()
    _move(location, target)
    assert read_facts(target) == read_facts(location.database)


@pytest.mark.slow
def test_the_command_says_where_the_registry_is_now(
    sqlite_location: RegistryLocation, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    calreg.run("panel", "add", PANEL_A)
    done = calreg.run("copy", "--to", new)
    assert f"database  {new}\nstore     {sqlite_location.store}\n" in done.stdout
    assert "CALREG_DATABASE" in done.stderr
    assert calreg.run("copy", "--to", new, "--json").json["rows"] == {}
    assert calreg.assert_refused(5, "panel", "add", PANEL_C)["reason"] == "departure"
    assert calreg.run("panel", "list", "--json").json[0]["panel"] == PANEL_A


@pytest.mark.slow
def test_writers_wait_only_for_the_last_rows_of_a_move(
    sample: RegistryLocation, filled: Registry, target: str
) -> None:
    written: list[int] = []

    def meanwhile(description: str, total: int) -> AbstractContextManager[Advance]:
        if description == "copying rows" and not written:
            filled.tags.add("meanwhile")
            gap = next(version for version in filled.versions.list(PANEL_A) if version.constants is None)
            written.append(filled.versions.withdraw(gap.version, comment="meanwhile").revision)
        return no_progress(description, total)

    done = copy_registry(target, None, sample.database, sample.store, progress=meanwhile)
    assert written == [done.revision]
    assert read_facts(target) == read_facts(sample.database)
    assert {name: len(rows) for name, rows in read_facts(target).items()} == {
        name: count for name, count in done.rows.items() if name != "closure"
    }
    with RegistryLocation(target, sample.store).open() as moved:
        assert moved.verify().problems == ()
        assert moved.differences() == []
        assert moved.closure is None
