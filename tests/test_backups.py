"""Backups hold one moment of a registry, and a registry is made again from them, or not at all."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry import instants, schema
from registry.api import Registry, backup_contents, backups, create_registry
from registry.api.backups import restore_registry
from registry.api.copies import copy_registry
from registry.authorship import build_signature
from registry.database import migrations
from registry.database.catalogue.differences import find_differences
from registry.database.closing import record_closure
from registry.database.engine import make_engine, open_engine, write_transaction
from registry.database.guards.installation import disable_guards, replace_guards
from registry.errors import (
    ClosedError,
    ConflictError,
    CorruptionError,
    DocumentError,
    NotFoundError,
    RegistryError,
    SchemaError,
    UnavailableError,
)
from registry.heads import Head, HeadFile, StoreHead
from registry.parallel import Advance, no_progress
from registry.storage.output_claims import claim_output
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import DATABASES, RegistryLocation
from testing.stores import list_object_paths
from tests.cli import Calreg
from tests.copies import forget_patterns, read_answers, read_facts, read_rows
from tests.refusals import assert_refused
from tests.selection import keep_first

pytestmark = pytest.mark.small_panels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def again(tmp_path: Path) -> RegistryLocation:
    """A place for the restored registry, where there is nothing."""
    return RegistryLocation(
        f"sqlite:///{tmp_path / 'again' / 'registry.sqlite'}", tmp_path / "again" / "store"
    )


@pytest.fixture
def small(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """A registry with three files, on SQLite."""
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        arrays = write_panel_folder(tmp_path / "made", kinds=["gain"])
        registry.versions.add(PANEL_A, arrays, valid_from="beginning", kinds=["gain"])
        yield registry


def _database(folder: Path) -> Path:
    (file,) = folder.glob("registry-*.sqlite")
    return file


def _restore(folder: Path, location: RegistryLocation) -> None:
    restore_registry(folder, location.database, location.store)


def _assert_refused(
    folder: Path, location: RegistryLocation, error: type[RegistryError], **values: Any
) -> RegistryError:
    """Assert that the restoration is refused, and that no registry is there; return the refusal."""
    with assert_refused(error, **values) as caught:
        _restore(folder, location)
    assert not location.file.exists()
    return caught.value


def _seal(folder: Path, **changes: Any) -> None:
    """Describe the backup anew, as somebody could who edits it."""
    path = folder / "backup.json"
    description = json.loads(path.read_bytes())
    description["sha256"] = backups.compute_sha256(_database(folder))
    path.write_text(json.dumps({**description, **changes}))


@pytest.mark.slow
def test_a_restored_registry_has_every_row_and_every_byte_on_the_other_database_too(
    sample: RegistryLocation,
    filled: Registry,
    folder: Path,
    again: RegistryLocation,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    done = filled.backup(folder)
    if sample.is_sqlite:
        again = RegistryLocation(request.getfixturevalue("empty_postgres"), again.store)
    restored = restore_registry(folder, again.database, again.store)
    assert read_facts(again.database) == read_facts(sample.database)
    assert (done.files, restored.files) == (9, 9)
    assert (done.revision, restored.revision) == (len(filled.log()), len(filled.log()))
    with again.open() as opened:
        assert opened.id == filled.id
        assert read_answers(opened) == read_answers(filled)
        assert opened.verify().problems == ()
        assert opened.tags.add("restored").revision == done.revision + 1
    (arrival,) = read_rows(again.database)["closure"]
    assert arrival["place"] == f"the backup {folder} of revision {done.revision}"
    assert filled.tags.add("backed-up").revision == done.revision + 1


@pytest.mark.slow
def test_a_backup_is_one_database_file_that_can_be_read_on_a_read_only_disk(
    small: Registry, folder: Path
) -> None:
    small.backup(folder)
    file = _database(folder)
    assert file.stat().st_mode & 0o777 == 0o444
    assert file.read_bytes()[18:20] == b"\1\1"  # SQLite's format: 2 means a write-ahead log
    names = {path.name for path in folder.iterdir()}
    assert names == {"backup.json", "objects", "registry.json", file.name}


@pytest.mark.slow
def test_a_later_backup_copies_what_is_new_and_replaces_the_database(
    small: Registry, folder: Path, tmp_path: Path, again: RegistryLocation, sqlite_location: RegistryLocation
) -> None:
    small.backup(folder)
    first = _database(folder)
    unchanged = {path: path.stat().st_mtime_ns for path in list_object_paths(ContentStore(folder))}
    arrays = write_panel_folder(tmp_path / "more", seed=7, kinds=["gain"])
    small.versions.add(PANEL_A, arrays, valid_from="20180101000000", kinds=["gain"])
    done = small.backup(folder)
    assert (done.files, done.files_there) == (3, 3)
    assert _database(folder) != first
    assert {path: path.stat().st_mtime_ns for path in unchanged} == unchanged
    _restore(folder, again)
    assert read_facts(again.database) == read_facts(sqlite_location.database)


@pytest.mark.slow
def test_no_file_of_a_backup_shares_its_bytes_with_the_store(small: Registry, folder: Path) -> None:
    small.backup(folder)
    assert all(path.stat().st_nlink == 1 for path in list_object_paths(ContentStore(folder)))


@pytest.mark.slow
def test_a_backup_is_of_one_moment_while_writers_work(
    location: RegistryLocation,
    registry: Registry,
    folder: Path,
    again: RegistryLocation,
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    before = read_facts(location.database)
    written = []

    def meanwhile(description: str, total: int) -> AbstractContextManager[Advance]:
        if not written and description in {"copying rows", "copying the database"}:
            with location.open() as other:
                written.append(other.panels.add(PANEL_B, alias="M088").revision)
        return no_progress(description, total)

    done = registry.backup(folder, progress=meanwhile)
    assert (done.revision, written) == (1, [2])
    _restore(folder, again)
    assert read_facts(again.database) == before
    assert [panel.panel for panel in registry.panels.list()] == [PANEL_A, PANEL_B]


@pytest.mark.slow
def test_a_backup_with_verify_replaces_damaged_files(
    small: Registry, folder: Path, again: RegistryLocation, tmp_path: Path
) -> None:
    small.backup(folder)
    damaged = next(iter(list_object_paths(ContentStore(folder))))
    damaged.chmod(0o644)
    damaged.write_bytes(b"\0" * damaged.stat().st_size)
    assert small.backup(folder).files == 0  # its name and size are right
    with assert_refused(CorruptionError, damaged.stem):
        _restore(
            folder, RegistryLocation(f"sqlite:///{tmp_path / 'incomplete'}", tmp_path / "incomplete-store")
        )
    assert small.backup(folder, verify=True).files == 1
    _restore(folder, again)


@pytest.mark.slow
@pytest.mark.parametrize("instant", keep_first(["the description", "the rows", "the files"]))
def test_an_interrupted_backup_leaves_the_former_one(
    small: Registry,
    folder: Path,
    again: RegistryLocation,
    sqlite_location: RegistryLocation,
    instant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    small.backup(folder)
    before = read_facts(sqlite_location.database)
    small.tags.add("later")
    module, name = {
        "the rows": (backup_contents, "copy_pages"),
        "the files": (backup_contents, "copy_objects"),
        "the description": (backups, "compute_sha256"),
    }[instant]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            small.backup(folder)
    _restore(folder, again)
    assert read_facts(again.database) == before
    small.backup(folder)
    assert restore_registry(folder, f"{again.database}-2", again.store).revision == 3


@pytest.mark.slow
def test_leftovers_of_killed_backups_are_removed_after_a_day_or_where_no_other_one_is_at_work(
    small: Registry, folder: Path
) -> None:
    small.backup(folder)
    old, recent = folder / ".arriving-old", folder / ".arriving-recent"
    stray = folder / "registry-20200101T000000Z.sqlite"
    for path in (old, recent, stray):
        path.touch()
    for path in (old, stray):
        os.utime(path, (0, 0))
    with claim_output(folder, "backup.json"):
        small.backup(folder)
    assert [path.exists() for path in (old, recent, stray)] == [False, True, False]
    small.backup(folder)
    assert not recent.exists()
    assert _database(folder).exists()


@pytest.mark.slow
def test_a_folder_of_another_registry_or_with_other_files_is_refused(
    small: Registry, folder: Path, tmp_path: Path
) -> None:
    create_registry(f"sqlite:///{tmp_path / 'other' / 'registry.sqlite'}")
    with RegistryLocation(
        f"sqlite:///{tmp_path / 'other' / 'registry.sqlite'}", tmp_path / "other/store"
    ).open() as other:
        other.backup(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with assert_refused(ConflictError, store=other.id, database=small.id):
        small.backup(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    store = Path(small._backend.store.place)
    for path in (tmp_path / "made", store, store / "backup", store / "objects"):
        with assert_refused(ConflictError, path=str(path)):
            small.backup(path)
    assert not (store / "backup").exists()


def test_a_backup_cannot_be_a_file(
    sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for location in ("file", "file/below"):
        Calreg(sqlite_location, monkeypatch).assert_refused(8, "backup", tmp_path / location)


@pytest.mark.slow
def test_a_restoration_never_overwrites_a_registry_or_its_store(
    small: Registry, folder: Path, again: RegistryLocation, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    small.backup(folder)
    before = read_rows(sqlite_location.database)
    with assert_refused(ConflictError, database=small.id):
        _restore(folder, sqlite_location)
    assert read_rows(sqlite_location.database) == before
    other = create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    _assert_refused(folder, RegistryLocation(again.database, tmp_path / "other"), ConflictError, store=other)
    _assert_refused(folder, RegistryLocation(again.database, folder), ConflictError, path=str(folder))


@pytest.mark.slow
def test_a_killed_restoration_is_completed_by_the_same_command(
    small: Registry,
    folder: Path,
    again: RegistryLocation,
    sqlite_location: RegistryLocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    small.backup(folder)
    with monkeypatch.context() as patch:
        patch.setattr(backups, "upgrade_to_current", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _restore(folder, again)
    assert not again.file.exists()
    done = restore_registry(folder, again.database, again.store)
    assert (done.files, done.files_there) == (0, 3)
    assert read_facts(again.database) == read_facts(sqlite_location.database)


@pytest.mark.slow
def test_a_restoration_that_was_killed_after_its_commit_is_completed_by_the_same_command(
    small: Registry, folder: Path, again: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    small.backup(folder)
    with monkeypatch.context() as patch:
        patch.setattr(backups.RestoredHead, "confirm", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _restore(folder, again)
    missing = next(iter(list_object_paths(ContentStore(again.store))))
    missing.unlink()
    done = restore_registry(folder, again.database, again.store)
    assert (done.revision, done.files, done.files_there, done.rows) == (2, 1, 2, {})
    assert HeadFile(again.store).read() == StoreHead(Head(2, str(done.seal)))
    with again.open() as registry:
        assert registry.verify().problems == ()
        registry.tags.add("later")
    with assert_refused(ConflictError):
        _restore(folder, again)


@pytest.mark.slow
def test_a_restoration_without_a_lost_head_that_was_killed_after_its_commit_is_completed_by_the_same_command(
    small: Registry, folder: Path, again: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    small.backup(folder)
    _restore(folder, again)
    with again.open() as registry:
        registry.tags.add("lost")
    again.file.unlink()
    state = HeadFile(again.store).read()
    assert state is not None
    options = {"lost_head": str(state.committed), "comment": "a disk failed"}
    with monkeypatch.context() as patch:
        patch.setattr(backups.RestoredHead, "confirm", interrupt)
        with pytest.raises(KeyboardInterrupt):
            restore_registry(folder, again.database, again.store, **options)
    for _ in range(2):
        done = restore_registry(folder, again.database, again.store, **options)
        assert (done.revision, done.rows) == (3, {})
        assert HeadFile(again.store).read() == StoreHead(Head(3, str(done.seal)))
    with assert_refused(ConflictError):
        _restore(folder, again)
    with again.open() as registry:
        assert registry.verify().problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("count", keep_first([1, None]))
@pytest.mark.parametrize("dialect", DATABASES)
def test_what_refuses_or_changes_rows_in_the_new_database_is_not_blamed_on_the_backup(
    small: Registry,
    folder: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    dialect: str,
    count: int | None,
) -> None:
    small.backup(folder)
    store = tmp_path / "restored"
    location: RegistryLocation = request.getfixturevalue(f"{dialect}_factory").make_empty(dialect)
    create_registry(location.database, location.store)
    # As a restoration would find it that begins anew: a copy that was begun and not finished.
    signature = build_signature()
    with open_engine(location.database) as engine, write_transaction(engine) as connection:
        with disable_guards(connection):
            connection.execute(sa.text("UPDATE registry SET id = :id"), {"id": small.id})
        record_closure(connection, "arrival", "elsewhere", instants.now(), signature)
    for install, remove in FOREIGN_OBJECTS[dialect][:count]:
        _run_script(location, install)
        with pytest.raises((ConflictError, UnavailableError)) as caught:
            restore_registry(folder, location.database, store)
        assert str(folder) not in str(caught.value)
        _run_script(location, remove)
    _rewrite(_database(folder), "UPDATE version SET constants_id = 99")
    _seal(folder)
    with assert_refused(CorruptionError):
        restore_registry(folder, location.database, store)


NEW_FUNCTION = "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS"
# Statements that put something of somebody else's into the tables, and those that remove it.
FOREIGN_OBJECTS: dict[str, tuple[tuple[list[str], list[str]], ...]] = {
    "sqlite": (
        (
            ["CREATE TRIGGER mine BEFORE INSERT ON panel BEGIN SELECT RAISE(ABORT, 'no panels here'); END"],
            ["DROP TRIGGER mine"],
        ),
        (
            ["CREATE TRIGGER mine BEFORE INSERT ON panel BEGIN SELECT RAISE(IGNORE); END"],
            ["DROP TRIGGER mine"],
        ),
        (["CREATE UNIQUE INDEX mine ON revision (author)"], ["DROP INDEX mine"]),
    ),
    "postgresql": (
        (
            ["ALTER TABLE panel ADD CONSTRAINT mine CHECK (id < 0)"],
            ["ALTER TABLE panel DROP CONSTRAINT mine"],
        ),
        (["CREATE UNIQUE INDEX mine ON revision (author)"], ["DROP INDEX mine"]),
        (
            [
                f"{NEW_FUNCTION} $$ BEGIN RAISE EXCEPTION 'no panels here'; END $$",
                "CREATE TRIGGER mine BEFORE INSERT ON panel FOR EACH ROW EXECUTE FUNCTION mine()",
            ],
            ["DROP FUNCTION mine CASCADE"],
        ),
        (
            [
                f"{NEW_FUNCTION} $$ BEGIN RETURN NULL; END $$",
                "CREATE TRIGGER mine BEFORE INSERT ON panel FOR EACH ROW EXECUTE FUNCTION mine()",
            ],
            ["DROP FUNCTION mine CASCADE"],
        ),
    ),
}


def _run_script(location: RegistryLocation, statements: list[str]) -> None:
    engine = location.engine()
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.slow
def test_a_damaged_or_missing_database_of_a_backup_is_refused(
    small: Registry, folder: Path, again: RegistryLocation
) -> None:
    small.backup(folder)
    file = _database(folder)
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    _assert_refused(folder, again, CorruptionError, path=str(file))
    file.unlink()
    _assert_refused(folder, again, CorruptionError, path=str(file))
    assert not again.store.exists()


@pytest.mark.slow
def test_a_hostile_description_is_refused(small: Registry, folder: Path, again: RegistryLocation) -> None:
    small.backup(folder)
    for content in (
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format": "calreg backup", "format_version": 2}',
        b'{"format": "calreg backup", "format_version": 1}',
        b'{"format": "calreg provenance", "format_version": 1}',
        b"[" * 100_000,
        b" " * (2 << 20),
    ):
        (folder / "backup.json").write_bytes(content)
        _assert_refused(folder, again, DocumentError)


@pytest.mark.slow
def test_a_description_cannot_name_a_file_outside_the_backup(
    small: Registry, folder: Path, again: RegistryLocation
) -> None:
    small.backup(folder)
    for name in ("../registry.sqlite", "/etc/passwd", "registry-1.sqlite\n", "registry-../1.sqlite"):
        _seal(folder, database=name)
        _assert_refused(folder, again, DocumentError)
    _seal(folder, database=_database(folder).name, schema="9999")
    assert "9999" in str(_assert_refused(folder, again, SchemaError))
    _seal(folder, schema=schema.REVISION, registry="00000000-0000-4000-8000-000000000000")
    _assert_refused(folder, again, CorruptionError, database=small.id)


def _rewrite(file: Path, *statements: str) -> None:
    """Change a backup's database behind its guards."""
    file.chmod(0o644)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


REWRITTEN = {
    "DROP TABLE tag": SchemaError,
    "ALTER TABLE panel ADD COLUMN price TEXT": SchemaError,
    "UPDATE revision SET recorded_at = 'soon'": CorruptionError,
    "UPDATE revision SET comment = CAST(x'ff' AS TEXT)": CorruptionError,
    "UPDATE version SET constants_id = 99": CorruptionError,
    "INSERT INTO registry SELECT 'two', created_at FROM registry": CorruptionError,
}


@pytest.mark.slow
def test_a_backup_rewritten_with_a_matching_checksum_is_refused(
    small: Registry, folder: Path, again: RegistryLocation
) -> None:
    small.backup(folder)
    file = _database(folder)
    sound = file.read_bytes()
    for statement, error in REWRITTEN.items():
        _rewrite(file, statement)
        _seal(folder)
        _assert_refused(folder, again, error)
        file.write_bytes(sound)


@pytest.mark.slow
def test_a_backup_with_table_names_that_are_not_text_is_refused(
    small: Registry, folder: Path, again: RegistryLocation
) -> None:
    small.backup(folder)
    file = _database(folder)
    _rewrite(file, "CREATE TABLE qqqqqqqq (x)")
    file.write_bytes(
        file.read_bytes().replace(b"CREATE TABLE qqqqqqqq", b"CREATE TABLX \xff\xff\xff\xffqqqq")
    )
    _seal(folder)
    _assert_refused(folder, again, CorruptionError)


@pytest.mark.slow
def test_foreign_tables_in_the_same_database_are_neither_copied_nor_restored(
    small: Registry, folder: Path, again: RegistryLocation, sqlite_location: RegistryLocation
) -> None:
    with closing(sqlite3.connect(sqlite_location.file)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    assert "notes" not in small.backup(folder).rows
    _rewrite(_database(folder), "CREATE TABLE notes (text TEXT)")
    _seal(folder)
    _restore(folder, again)
    assert read_rows(again.database)["panel"] == read_rows(sqlite_location.database)["panel"]


def test_a_folder_without_a_finished_backup_is_not_found(tmp_path: Path, again: RegistryLocation) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        _assert_refused(folder, again, NotFoundError)


@pytest.mark.slow
def test_a_backup_of_an_older_schema_is_restored_in_that_of_this_software(
    small: Registry, folder: Path, again: RegistryLocation, sqlite_location: RegistryLocation
) -> None:
    small.backup(folder)
    file = _database(folder)
    file.chmod(0o644)
    engine = make_engine(f"sqlite:///{file}")
    forget_patterns(engine)
    migrations.downgrade(engine, "0001")
    engine.dispose()
    _seal(folder, schema="0001", seal=None)
    _restore(folder, again)
    # Which schema 0001 does not keep.
    expected = read_facts(sqlite_location.database) | {"blob_pattern": []}
    for file in expected["blob"]:
        file["blake3"] = None
    restored_facts = read_facts(again.database)
    sealed, resealed = expected.pop("seal"), restored_facts.pop("seal")
    assert restored_facts == expected
    # The upgrade sealed the revisions, with files that have no BLAKE3 and without the exports.
    assert [row["revision"] for row in resealed] == [row["revision"] for row in sealed]
    with again.open() as restored:
        assert restored.differences() == []


@pytest.mark.slow
def test_the_backup_of_a_closed_registry_is_restored_closed(
    small: Registry, folder: Path, again: RegistryLocation, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    copy_registry(
        f"sqlite:///{tmp_path / 'moved.sqlite'}", None, sqlite_location.database, sqlite_location.store
    )
    small.backup(folder)
    done = restore_registry(folder, again.database, again.store)
    assert "moved.sqlite" in done.notes[0]
    with again.open() as restored, assert_refused(ClosedError, reason="departure"):
        restored.panels.add(PANEL_B)
    assert read_rows(again.database) == read_rows(sqlite_location.database)


@pytest.mark.slow
def test_the_commands_print_what_they_copied(
    small: Registry,
    folder: Path,
    again: RegistryLocation,
    sqlite_location: RegistryLocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = Calreg(sqlite_location, monkeypatch).run("backup", folder, "--json").json
    assert (done["registry"], done["revision"], done["files"]) == (small.id, 2, 3)
    assert done["rows"]["revision"] == len(read_rows(sqlite_location.database)[schema.revision.name])
    calreg = Calreg(again, monkeypatch)
    assert "files     3 copied, 0 there already\n" in calreg.run("restore", folder).stdout
    assert "files     0 copied, 3 there already\n" in calreg.run("restore", folder).stdout
    assert calreg.run("verify").code == 0


@pytest.mark.slow
def test_a_later_backup_checks_what_is_new_and_with_verify_everything(
    small: Registry, folder: Path, sqlite_location: RegistryLocation
) -> None:
    small.backup(folder)
    former = (folder / "backup.json").read_bytes()
    _rewrite(sqlite_location.file, "UPDATE panel SET serial_number = CAST(x'ff' AS TEXT)")
    with small._backend.database._engine.begin() as connection:
        replace_guards(connection)
    small.tags.add("later")
    small.backup(folder)  # it continues the former one, whose rows were checked
    later = (folder / "backup.json").read_bytes()
    assert later != former
    with assert_refused(CorruptionError, "panel"):
        small.backup(folder, verify=True)
    assert (folder / "backup.json").read_bytes() == later
    assert _database(folder).exists()
    with assert_refused(CorruptionError, "panel"):
        small.backup(folder.with_name("first"))


@pytest.mark.slow
def test_a_backup_with_verify_computes_every_seal(
    small: Registry, folder: Path, sqlite_location: RegistryLocation
) -> None:
    small.backup(folder)
    _rewrite(sqlite_location.file, "UPDATE panel SET serial_number = 'another'")
    with small._backend.database._engine.begin() as connection:
        replace_guards(connection)
    small.backup(folder)
    with assert_refused(CorruptionError, "panel", revision=1):
        small.backup(folder, verify=True)


@pytest.mark.slow
@pytest.mark.parametrize("is_first", keep_first([False, True]))
def test_damaged_pages_do_not_replace_a_backup(
    small: Registry, folder: Path, sqlite_location: RegistryLocation, is_first: bool
) -> None:
    small.backup(folder)
    before = (folder / "backup.json").read_bytes()
    with closing(sqlite3.connect(sqlite_location.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'run'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with sqlite_location.file.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with sqlite_location.open() as again, assert_refused(CorruptionError) as caught:
        again.backup(folder.with_name("first") if is_first else folder)
    assert str(sqlite_location.file) in str(caught.value)
    assert (folder / "backup.json").read_bytes() == before
    assert _database(folder).exists()


@pytest.mark.slow
def test_a_file_that_was_removed_from_a_backup_is_brought_back(small: Registry, folder: Path) -> None:
    small.backup(folder)
    removed = next(iter(list_object_paths(ContentStore(folder))))
    removed.unlink()
    done = small.backup(folder)
    assert (done.files, done.files_there, removed.exists()) == (1, 2, True)


@pytest.mark.slow
def test_the_pages_of_a_database_with_other_guards_are_not_copied(
    small: Registry, folder: Path, again: RegistryLocation, sqlite_location: RegistryLocation
) -> None:
    with closing(sqlite3.connect(sqlite_location.file)) as connection:
        connection.execute("DROP TRIGGER panel_delete")
        connection.execute("CREATE TRIGGER mine AFTER INSERT ON panel BEGIN SELECT 1; END")
    small.backup(folder)
    with open_engine(f"sqlite:///{_database(folder)}") as engine, engine.connect() as connection:
        assert find_differences(connection) == []
    _restore(folder, again)
    assert read_facts(again.database) == read_facts(sqlite_location.database)


def _record_more(registry: Registry, folder: Path) -> None:
    """Withdraw what was there before, put another in its place, and record what has parts, and an export."""
    arrays = write_panel_folder(folder / "later", seed=9, kinds=["gain"])
    (live,) = (
        version
        for version in registry.versions.list(PANEL_A)
        if (version.kind, str(version.valid_from)) == ("gain", "beginning")
    )
    registry.versions.withdraw(live.version, comment="replaced")
    registry.versions.add(PANEL_A, arrays, valid_from="beginning", kinds=["gain"])
    registry.detectors.configure("late", "XcsEndstation.0:Jungfrau.0", PANEL_A, first_run=1)
    registry.runs.add("exp=late:run=1", begin="20170601000000")
    registry.export("exp=late:run=1", folder / "late export", types=["pixel_gain"])
    registry.tags.add("later-1")


@pytest.mark.slow
@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_later_backup_of_a_server_continues_the_former_one_where_that_is_sound(
    filled: Registry,
    sample: RegistryLocation,
    folder: Path,
    again: RegistryLocation,
    tmp_path: Path,
    is_damaged: bool,
) -> None:
    filled.backup(folder)
    _record_more(filled, tmp_path)
    if is_damaged:
        file = _database(folder)
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.chmod(0o644)
        file.write_bytes(content)
    works: list[str] = []

    def note(description: str, total: int) -> AbstractContextManager[Advance]:
        works.append(description)
        return no_progress(description, total)

    done = filled.backup(folder, progress=note)
    assert ("copying rows" in works, "copying what is new" in works) == (is_damaged, not is_damaged)
    assert read_facts(f"sqlite:///{_database(folder)}") == read_facts(sample.database)
    assert done.rows == {name: len(rows) for name, rows in read_rows(sample.database).items()}
    _restore(folder, again)
    with again.open() as restored:
        assert restored.verify().problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
def test_a_later_backup_of_a_server_copies_everything_where_the_numbers_of_rows_differ(
    filled: Registry, sample: RegistryLocation, folder: Path
) -> None:
    filled.backup(folder)
    engine = sample.engine()
    with engine.begin() as connection, disable_guards(connection):
        connection.execute(sa.text("DELETE FROM tag WHERE name = 'first'"))
    engine.dispose()
    filled.tags.add("later")
    filled.backup(folder)
    assert read_facts(f"sqlite:///{_database(folder)}") == read_facts(sample.database)
