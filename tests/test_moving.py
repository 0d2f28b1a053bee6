"""A registry moves from either sort of database to either, whole; and is never open in two places."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry import schema
from registry.api import Registry, create_registry, moving
from registry.api.moving import copy_registry
from registry.database import Database, transfer
from registry.errors import (
    ClosedError,
    ConflictError,
    CorruptionError,
    RegistryError,
    RequestError,
    SchemaError,
    UnavailableError,
)
from tests.cli import Calreg
from tests.conftest import RegistryPlace
from tests.copies import answers, facts, fill, rows
from tests.making import PANEL_A, PANEL_C


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
    engine = RegistryPlace(url, Path()).engine()
    found = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return found


def _move(place: RegistryPlace, to: str, to_store: Path | None = None) -> None:
    copy_registry(to, to_store, place.database, place.store)


def _refused(
    place: RegistryPlace,
    error: type[RegistryError],
    said: str,
    act: Callable[[], object],
) -> None:
    """Assert that the move is refused, and the registry is where it was, as it was, and open."""
    before = rows(place.database)
    with pytest.raises(error, match=said):
        act()
    assert rows(place.database) == before
    with place.open() as registry:
        assert registry.closure is None
        assert registry.differences() == []


def test_every_row_of_every_table_moves_as_it_is(
    place: RegistryPlace, registry: Registry, target: str, tmp_path: Path
) -> None:
    fill(registry, tmp_path / "made")
    before, answered = facts(place.database), answers(registry)
    done = copy_registry(target, None, place.database, place.store)
    assert all(before.values())
    assert facts(target) == before
    assert facts(place.database) == before
    assert (done.registry, done.revision, done.files) == (registry.id, len(registry.log()), 0)
    counted = {name: count for name, count in done.rows.items() if name != "closure"}
    assert counted == {name: len(table) for name, table in before.items()}
    with RegistryPlace(target, place.store).open() as moved:
        assert answers(moved) == answered
        assert moved.differences() == []
        assert moved.verify().problems == ()
        assert moved.closure is None
        assert moved.tags.add("moved").revision == done.revision + 1
    with pytest.raises(ClosedError, match="the registry moved to"):
        registry.tags.add("stayed")
    (departure,), (arrival,) = rows(place.database)["closure"], rows(target)["closure"]
    assert (departure["reason"], departure["opened_at"]) == ("departure", None)
    assert (arrival["reason"], arrival["closed_at"]) == ("arrival", departure["closed_at"])


def test_a_registry_moves_on_and_remembers_where_it_was(
    place: RegistryPlace, registry: Registry, new: str, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    _move(place, new)
    last = f"sqlite:///{tmp_path / 'last.sqlite'}"
    _move(RegistryPlace(new, place.store), last)
    first, second = rows(last)["closure"]
    assert (first["number"], second["number"]) == (1, 2)
    assert (first["place"].partition(":")[0], second["place"]) == (place.database.partition(":")[0], new)
    assert facts(last) == facts(place.database)


def test_the_stored_files_move_too_when_asked(sqlite_place: RegistryPlace, tmp_path: Path, new: str) -> None:
    with sqlite_place.open() as registry:
        fill(registry, tmp_path / "made")
    to_store = tmp_path / "moved" / "store"
    done = copy_registry(new, to_store, sqlite_place.database, sqlite_place.store)
    assert (done.files, done.files_there, done.store) == (9, 0, str(to_store))
    with RegistryPlace(new, to_store).open() as moved:
        assert moved.verify().problems == ()


def test_a_damaged_file_stops_the_move(sqlite_place: RegistryPlace, tmp_path: Path, new: str) -> None:
    with sqlite_place.open() as registry:
        fill(registry, tmp_path / "made")
        damaged, missing = sorted(registry._backend.store.objects())[3:5]
    damaged.chmod(0o644)
    damaged.write_bytes(b"\0" * damaged.stat().st_size)
    missing.unlink()
    _refused(
        sqlite_place,
        CorruptionError,
        f"2 files cannot be copied.*{damaged.stem}.*damaged.*{missing.stem}.*missing",
        lambda: _move(sqlite_place, new, tmp_path / "moved" / "store"),
    )
    assert not Path(new.removeprefix("sqlite:///")).exists()


def test_a_database_that_holds_a_registry_is_refused(
    sqlite_place: RegistryPlace, target: str, tmp_path: Path
) -> None:
    place = sqlite_place
    with place.open() as registry:
        registry.panels.add(PANEL_A)
    other = create_registry(target, tmp_path / "other")
    _refused(place, ConflictError, f"holds registry {other} already", lambda: _move(place, target))
    assert rows(target)["registry"][0]["id"] == other
    _refused(
        place, ConflictError, f"holds registry {registry.id} already", lambda: _move(place, place.database)
    )


def test_somebody_elses_tables_are_refused(sqlite_place: RegistryPlace, target: str, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    engine = RegistryPlace(target, Path()).engine()
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE customers (id INTEGER)"))
    engine.dispose()
    _refused(sqlite_place, SchemaError, "not a registry's", lambda: _move(sqlite_place, target))
    assert _tables(target) == {"customers"}


def test_a_newer_schema_is_refused(sqlite_place: RegistryPlace, new: str, tmp_path: Path) -> None:
    target = new
    create_registry(target, tmp_path / "other")
    engine = RegistryPlace(target, Path()).engine()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    _refused(sqlite_place, ConflictError, "holds registry", lambda: _move(sqlite_place, target))
    with pytest.raises(SchemaError, match="schema 9999"):
        _move(RegistryPlace(target, tmp_path / "other"), f"sqlite:///{tmp_path / 'no.sqlite'}")
    assert not (tmp_path / "no.sqlite").exists()


def test_the_store_of_another_registry_is_refused(
    sqlite_place: RegistryPlace, new: str, tmp_path: Path
) -> None:
    create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    _refused(
        sqlite_place,
        ConflictError,
        "belongs to registry",
        lambda: _move(sqlite_place, new, tmp_path / "other"),
    )


def test_a_place_that_is_none_is_refused(sqlite_place: RegistryPlace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for to, error in (
        (f"sqlite:///{tmp_path / 'file' / 'registry.sqlite'}", UnavailableError),
        (f"sqlite:///{tmp_path}", UnavailableError),
        ("mysql://somewhere", RequestError),
    ):
        _refused(sqlite_place, error, "cannot be|no database", lambda to=to: _move(sqlite_place, to))


@pytest.mark.parametrize("instant", ["before the source is closed", "before the target is opened"])
def test_a_move_that_was_killed_is_completed_by_the_same_command(
    place: RegistryPlace,
    registry: Registry,
    target: str,
    instant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.panels.add(PANEL_A)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if instant == "before the source is closed":
            patch.setattr(moving, "newest_revision", killed)
        else:
            patch.setattr(Database, "open_arrival", killed)
        with pytest.raises(KeyboardInterrupt):
            _move(place, target)
    half = RegistryPlace(target, place.store)
    with half.open() as arriving, pytest.raises(ClosedError, match="run the calreg copy again"):
        arriving.panels.add(PANEL_C)
    if instant == "before the source is closed":
        registry.panels.add(PANEL_C)  # nothing keeps others from writing until somebody tries again
    else:
        with pytest.raises(ClosedError):
            registry.panels.add(PANEL_C)
    _move(place, target)
    assert facts(target) == facts(place.database)
    with half.open() as moved:
        assert moved.differences() == []
        assert moved.tags.add("moved").revision == len(registry.log()) + 1
    with pytest.raises(ClosedError, match="moved to"):
        _move(place, target)


def test_an_unfinished_copy_is_not_taken_for_the_one_that_was_finished_elsewhere(
    sqlite_place: RegistryPlace, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(moving, "newest_revision", killed)
        with pytest.raises(KeyboardInterrupt):
            _move(sqlite_place, new)
    _move(sqlite_place, f"sqlite:///{tmp_path / 'elsewhere.sqlite'}")
    for to in (new, f"sqlite:///{tmp_path / 'nowhere.sqlite'}"):
        with pytest.raises(ClosedError, match=r"moved to sqlite:///.*elsewhere\.sqlite"):
            _move(sqlite_place, to)
    with RegistryPlace(new, sqlite_place.store).open() as unfinished:
        assert unfinished.closure is not None


def test_rows_that_arrive_otherwise_are_noticed_and_not_kept(
    sqlite_place: RegistryPlace, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = sqlite_place
    with place.open() as registry:
        registry.panels.add(PANEL_A)
    insert = transfer._insert

    def losing(connection: sa.Connection, table: sa.Table, batches: object) -> None:
        batches = [[row for row in batch if table.name != "panel"] for batch in batches]  # type: ignore[attr-defined]
        insert(connection, table, [batch for batch in batches if batch])

    monkeypatch.setattr(transfer, "_insert", losing)
    _refused(place, CorruptionError, "the rows of panel arrived otherwise", lambda: _move(place, target))
    monkeypatch.undo()
    _move(place, target)
    assert facts(target) == facts(place.database)


@pytest.mark.parametrize("comment", ["nul \0 inside", "T" + "é" * 70], ids=["nul", "long"])
def test_what_postgresql_cannot_keep_is_refused(
    sqlite_place: RegistryPlace, empty_postgres: str, comment: str
) -> None:
    name = comment if len(comment) > 64 else "short"
    engine = sqlite_place.engine()
    with engine.begin() as connection:
        values = {"number": 1, "recorded_at": 0, "author": "a", "host": "h", "command": "c", "software": "s"}
        connection.execute(schema.revision.insert(), {**values, "comment": comment})
        connection.execute(schema.tag.insert(), {"name": name, "revision": 1, "recorded_in": 1})
    engine.dispose()
    _refused(
        sqlite_place,
        RequestError,
        "a row of (revision|tag) cannot be kept by the new database",
        lambda: _move(sqlite_place, empty_postgres),
    )
    assert _tables(empty_postgres) == set()


def test_numbers_at_the_ends_of_their_ranges_move(
    place: RegistryPlace, registry: Registry, target: str
) -> None:
    registry.panels.add(PANEL_A)
    engine = place.engine()
    blob = {"sha256": "a" * 64, "size": 2**62, "dtype": "<f4", "shape": "512x1024", "recorded_in": 1}
    statistics = {"minimum": -0.0, "median": 0.1 + 0.2, "maximum": 1.7976931348623157e308}
    with engine.begin() as connection:
        connection.execute(schema.blob.insert(), {**blob, **statistics, "zeros": 0, "nonfinite": 0})
    engine.dispose()
    _move(place, target)
    assert facts(target) == facts(place.database)


def test_the_command_says_where_the_registry_is_now(
    sqlite_place: RegistryPlace, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(sqlite_place, monkeypatch)
    calreg.done("panel", "add", PANEL_A)
    done = calreg.done("copy", "--to", new)
    assert f"database  {new}\nstore     {sqlite_place.store}\n" in done.stdout
    assert "the old database takes no more writes" in done.stderr
    assert calreg.refused(5, "copy", "--to", new)["place"] == new
    assert calreg.refused(5, "panel", "add", PANEL_C)["reason"] == "departure"
    assert calreg.done("panel", "list", "--json").json[0]["panel"] == PANEL_A
