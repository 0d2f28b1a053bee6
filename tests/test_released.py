"""Stored databases of every released schema come up to this software's, answer the same, and go back down.

``tests/released/<schema>`` holds what the software of that schema wrote; ``make.py`` there made it.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from registry import instants, schema
from registry.api import Registry, downgrade_database, upgrade_database
from registry.authorship import build_signature
from registry.database.closing import record_closure
from registry.database.guards.installation import disable_guards
from registry.errors import ConflictError, CorruptionError, Remedy, SchemaError
from registry.lookup import integrity_rules
from registry.lookup.broken_seals import find_broken_seals
from registry.parallel import Advance, Progress, no_progress
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.copies import read_rows
from tests.refusals import assert_refused
from tests.released.make import answers
from tests.seal_script import list_seals, run_script
from tests.selection import keep_first, repeat_first
from tests.test_schema import catalogue

FOLDER = Path(__file__).parent / "released"
START = "2018-01-01T00:00:00Z"
RELEASED = sorted(path.name for path in FOLDER.iterdir() if path.name.isdigit())


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, number: str) -> RegistryLocation:
    """The stored registry of schema `number`; of its store there is the marker alone."""
    if request.param == "sqlite":
        return _restore_sqlite(number, tmp_path)
    return _restore_postgresql(number, tmp_path, request.getfixturevalue("empty_postgres"))


def _restore_sqlite(number: str, folder: Path) -> RegistryLocation:
    location = RegistryLocation.in_folder(folder / "sqlite")
    location.folder.mkdir()
    assert location.file is not None
    location.file.write_bytes(gzip.decompress((FOLDER / number / "registry.sqlite.gz").read_bytes()))
    return _make_store(location)


def _restore_postgresql(number: str, folder: Path, database: str) -> RegistryLocation:
    location = RegistryLocation(database, folder / "postgresql" / "store")
    with psycopg.connect(database) as connected:
        connected.execute(gzip.decompress((FOLDER / number / "registry.sql.gz").read_bytes()))
    return _make_store(location)


def _make_store(location: RegistryLocation) -> RegistryLocation:
    engine = location.engine()
    with engine.connect() as connection:
        registry_id = connection.execute(sa.text("SELECT id FROM registry")).scalar_one()
    engine.dispose()
    ContentStore(location.store).create(registry_id)
    return location


def _rows(location: RegistryLocation) -> dict[str, list[Any]]:
    """Return every row of every table that the database has."""
    engine = location.engine()
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        rows = {
            name: sorted(map(repr, connection.execute(sa.text(f"SELECT * FROM {name}")))) for name in names
        }
    engine.dispose()
    return rows


def _catalogue(location: RegistryLocation) -> dict[str, Any]:
    engine = location.engine()
    rows = catalogue(engine)
    engine.dispose()
    return rows


def _still_says(now: Any, then: Any) -> bool:
    """Tell whether an answer says what it said; it may say more."""
    if isinstance(then, dict):
        # A seal is of the role, too, and is compared with what is sealed below.
        kept = {key: value for key, value in then.items() if key not in ("database_role", "seal")}
        return all(key in now and _still_says(now[key], value) for key, value in kept.items())
    if isinstance(then, list):
        return len(now) == len(then) and all(map(_still_says, now, then))
    return bool(now == then)


def test_every_schema_before_this_one_is_stored() -> None:
    earlier = [f"{number:04}" for number in range(1, int(schema.REVISION))]
    assert [number for number in RELEASED if number < schema.REVISION] == earlier


@pytest.mark.slow
@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(RELEASED[0], marks=pytest.mark.on_both_databases),
        *keep_first(reversed(RELEASED[1:-1])),  # the newest of them
        pytest.param(RELEASED[-1], marks=pytest.mark.on_both_databases),
    ],
)
def test_a_stored_registry_is_upgraded_answers_the_same_and_is_downgraded(
    stored: RegistryLocation, number: str
) -> None:
    then = json.loads((FOLDER / number / "answers.json").read_text())
    rows, tables = _rows(stored), _catalogue(stored)
    assert rows["alembic_version"] == [repr((number,))]
    if number != schema.REVISION:
        with assert_refused(SchemaError, remedy=Remedy.UPGRADE_SCHEMA):
            stored.open()
    assert upgrade_database(stored.database) == (number, schema.REVISION)
    with stored.open() as registry:
        assert _still_says(answers(registry), then)
        assert registry.differences() == []
        with registry._backend.database.read_transaction() as connection:
            assert [
                rule.find_problem(connection)
                for rule in integrity_rules.list_rules()
                if rule.find_problem(connection)
            ] == []
            assert list(find_broken_seals(connection, no_progress)) == []
    sealed = _rows(stored)
    assert run_script(stored.database) == list_seals(stored.database)
    assert len(sealed["seal"]) == len(sealed["revision"])
    assert (len(sealed["export_seal"]), len(sealed["lineage"])) == (len(sealed["export"]), 0)
    assert downgrade_database(stored.database, number) == (schema.REVISION, number)
    assert (_rows(stored), _catalogue(stored)) == (rows, tables)
    upgrade_database(stored.database)
    assert _rows(stored) == sealed


@pytest.mark.parametrize("number", ["0001", "0007"])
def test_both_databases_have_the_same_texts_of_seals_after_an_upgrade(
    number: str, tmp_path: Path, empty_postgres: str
) -> None:
    """The registries have ids of their own, and PostgreSQL knows the role of the writer: all else is the same."""
    texts = []
    for location in (
        _restore_sqlite(number, tmp_path),
        _restore_postgresql(number, tmp_path, empty_postgres),
    ):
        upgrade_database(location.database)
        seals = read_rows(location.database)["seal"]
        lines = [row["text"].splitlines() for row in seals]
        texts.append(
            [[line for line in text if not line.startswith(("previous ", "revision "))] for text in lines]
        )
    assert texts[0] == texts[1]


def _change_raw(location: RegistryLocation, *statements: str) -> None:
    """Change rows behind the guards."""
    engine = location.engine()
    with engine.begin() as connection, disable_guards(connection):
        if not location.is_sqlite:
            connection.execute(sa.text("SET session_replication_role = replica"))  # no references are checked
        for statement in statements:
            assert connection.execute(sa.text(statement)).rowcount
    engine.dispose()


def _record_tag(registry: Registry) -> None:
    registry.tags.add("autumn")


def _record_exports(registry: Registry) -> None:
    registry.panels.add(PANEL_C)


def _record_fork(registry: Registry) -> None:
    with registry._backend.database.write_transaction(build_signature(), "a test") as change:
        ancestor = {"ancestor": "8e4589ff-a4af-4bf8-800e-af7423380273", "head_seal": "0f" * 32}
        change.record(schema.lineage, [{"reason": "loss", "head_revision": 99, **ancestor}])


def _record_snapshot(registry: Registry) -> None:
    with registry._backend.database.exclusive_transaction() as connection:
        record_closure(
            connection, "snapshot", "elsewhere", instants.now(), build_signature(), timezone="Europe/Zurich"
        )


def _leave_unsealed(registry: Registry) -> None:
    _break_guards(registry, "DELETE FROM seal WHERE revision = (SELECT max(revision) FROM seal)")


def _seal_late(registry: Registry) -> None:
    _break_guards(registry, "UPDATE seal SET late = '{}' WHERE revision = (SELECT max(revision) FROM seal)")


def _break_guards(registry: Registry, statement: str) -> None:
    with registry._backend.database.exclusive_transaction() as connection, disable_guards(connection):
        assert connection.execute(sa.text(statement)).rowcount == 1


@pytest.mark.parametrize("number", ["0007"])
@pytest.mark.parametrize(
    ("lose", "message"),
    [
        (_record_tag, "1 tags with the seals of their revisions; going below schema 0008 would lose them"),
        (_record_exports, "1 seals that quote exports; going below schema 0008 would lose them"),
        (_record_fork, "1 forks or losses in its history; going below schema 0008 would lose them"),
        (_record_snapshot, "1 closures of a snapshot with its name or time zone; going below"),
        (_seal_late, "1 revisions that were sealed later; going below schema 0008 would lose them"),
        (_leave_unsealed, "1 revisions without a seal; going below schema 0008 would conceal them"),
    ],
)
@pytest.mark.sqlite_suffices
def test_what_schema_0007_does_not_have_is_not_lost(
    stored: RegistryLocation, number: str, lose: Callable[[Registry], None], message: str
) -> None:
    if lose is not _record_exports:  # they would be quoted by the next seal
        _change_raw(stored, "DELETE FROM export_output", "DELETE FROM export_input", "DELETE FROM export")
    upgrade_database(stored.database)
    with stored.open() as registry:
        lose(registry)
    rows, tables = _rows(stored), _catalogue(stored)
    for target in (number, "0001"):
        with assert_refused(ConflictError, message, "; nothing was changed"):
            downgrade_database(stored.database, target)
    assert (_rows(stored), _catalogue(stored)) == (rows, tables)


def _record_pattern(registry: Registry, folder: Path) -> None:
    registry.panels.add(PANEL_C)
    registry.versions.add(PANEL_C, write_panel_folder(folder / "new", 7), valid_from=START, kinds=["gain"])


def _record_same_files(registry: Registry, folder: Path) -> None:
    registry.panels.add(PANEL_C)
    files = write_panel_folder(folder / "one", 1)  # that of the other panels
    added = registry.versions.add(PANEL_C, files, valid_from=START, kinds=["offset"], same_as=["M068"])
    assert [version.same_as for version in added.versions] == ["M068"]


def _allow_pattern(registry: Registry, folder: Path) -> None:
    _break_guards(registry, "UPDATE version SET pattern_allowed = TRUE WHERE id = 1")


@pytest.mark.slow
@pytest.mark.parametrize("number", ["0008"])
@pytest.mark.parametrize(
    ("lose", "message"),
    [
        (_record_pattern, "1 patterns; going below schema 0009 would lose them"),
        (_record_same_files, "1 versions with another module's files, as stated; going below schema 0009"),
        (_allow_pattern, "1 versions that look like another sensor's, as allowed; going below schema 0009"),
    ],
)
@pytest.mark.sqlite_suffices
def test_what_schema_0008_does_not_have_is_not_lost(
    stored: RegistryLocation,
    tmp_path: Path,
    number: str,
    lose: Callable[[Registry, Path], None],
    message: str,
) -> None:
    upgrade_database(stored.database)
    with stored.open() as registry:
        lose(registry, tmp_path)
    rows, tables = _rows(stored), _catalogue(stored)
    for target in (number, "0007", "0001"):
        with assert_refused(ConflictError, message, "; nothing was changed"):
            downgrade_database(stored.database, target)
    assert (_rows(stored), _catalogue(stored)) == (rows, tables)


@pytest.mark.parametrize("number", keep_first(["0007", "0008"]))
def test_facts_after_an_upgrade_are_sealed_again_as_they_were(stored: RegistryLocation, number: str) -> None:
    if number < "0008":  # an export before the new facts would be quoted by their seals
        _change_raw(stored, "DELETE FROM export_output", "DELETE FROM export_input", "DELETE FROM export")
    upgrade_database(stored.database)
    with stored.open() as registry:
        registry.panels.add(PANEL_C.replace("b0", "b1"), alias="M099", comment="a new one \N{SNOWMAN}")
        gap = registry.versions.gap(PANEL_A, valid_from="20210101000000", comment="sent\tback")
        registry.versions.withdraw(gap.versions[0].version, comment="not sent")
    sealed = _rows(stored)
    assert downgrade_database(stored.database, number) == (schema.REVISION, number)
    upgrade_database(stored.database)
    assert _rows(stored) == sealed


@pytest.mark.parametrize("number", repeat_first(["0006", "0007"]))
def test_an_upgrade_that_is_interrupted_leaves_the_database_as_it_was(
    stored: RegistryLocation, number: str
) -> None:
    rows, tables = _rows(stored), _catalogue(stored)
    total = sum(map(len, rows.values()))
    for interrupted_at in (0, total // 2):
        with pytest.raises(KeyboardInterrupt), interrupt_after(interrupted_at) as progress:
            upgrade_database(stored.database, progress=progress)
        assert (_rows(stored), _catalogue(stored)) == (rows, tables)
    assert upgrade_database(stored.database) == (number, schema.REVISION)


@contextmanager
def interrupt_after(steps: int) -> Iterator[Progress]:
    """Yield a progress that is interrupted when more steps are done."""
    done = 0

    @contextmanager
    def progress(description: str, total: int) -> Iterator[Advance]:
        assert (description, total > steps) == ("sealing revisions", True)

        def advance(more: int = 1) -> None:
            nonlocal done
            done += more
            if done > steps:
                raise KeyboardInterrupt

        yield advance

    yield progress


@pytest.mark.parametrize("number", keep_first(["0007", "0001"]))
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE run SET experiment = CAST(experiment AS BLOB) WHERE id = 1", "1 rows of run hold values"),
        ("UPDATE run SET begin_at = 1.5 WHERE id = 1", "1 rows of run hold values of other types"),
        ("UPDATE panel SET recorded_in = 'x' WHERE id = 1", "1 rows of panel hold values of other types"),
        ("UPDATE alias SET withdrawn_in = 99 WHERE id = 1", "; nothing was changed"),
        ("UPDATE blob SET median = 'much'", "rows of blob hold values of other types"),
        ("UPDATE export_output SET path = x'00'", "rows of export_output hold values of other types"),
        ("UPDATE registry SET id = x'00'", "1 rows of registry hold values of other types"),
        ("UPDATE revision SET comment = CAST(x'ff' AS TEXT) WHERE number = 1", "Could not decode to UTF-8"),
        ("UPDATE registry SET id = CAST(x'ff' AS TEXT)", "Could not decode to UTF-8"),
    ],
)
def test_a_database_with_values_that_cannot_be_sealed_is_not_upgraded(
    number: str, tmp_path: Path, change: str, message: str
) -> None:
    location = _restore_sqlite(number, tmp_path)
    _change_raw(location, change)
    engine = location.engine()
    with engine.connect() as connection:
        dump = list(_dump(connection))
    engine.dispose()
    with assert_refused(CorruptionError, message):
        upgrade_database(location.database)
    engine = location.engine()
    with engine.connect() as connection:
        assert list(_dump(connection)) == dump
    engine.dispose()


def _dump(connection: sa.Connection) -> Iterator[Any]:
    names = connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    for name in names:
        yield name
        for column in connection.execute(sa.text(f"PRAGMA table_info({name})")).all():
            yield column
            yield connection.execute(sa.text(f"SELECT hex({column.name}) FROM {name}")).scalars().all()


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("number", ["0007"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            "UPDATE blob SET median = 'NaN'::float8, minimum = '-0.0'::float8",
            None,
            marks=pytest.mark.on_both_databases,
        ),
        ("DELETE FROM registry", "there are rows of revision 1, and the registry's own row is missing"),
        ("UPDATE run SET begin_at = begin_at - 1", None),
        ("DELETE FROM export_output", None),
        ("DELETE FROM export_input", None),
        ("DELETE FROM tag WHERE name = 'spring'", None),
        ("DELETE FROM revision WHERE number = 3", "there are rows of revision 3, and revision 3 is missing"),
        (
            "UPDATE version SET recorded_in = 99 WHERE id = 1",
            "there are rows of revision 99, and revision 99 is missing",
        ),
        ("DELETE FROM export_output; DELETE FROM export_input; DELETE FROM export", None),
    ],
)
def test_what_an_old_database_holds_is_sealed_as_it_is(
    stored: RegistryLocation, number: str, change: str, message: str | None
) -> None:
    if "float8" in change and stored.is_sqlite:
        change = "UPDATE blob SET median = NULL, minimum = -0.0"
    _change_raw(stored, *change.split(";"))
    if message is not None:
        with assert_refused(CorruptionError, message, "; nothing was changed"):
            upgrade_database(stored.database)
        return
    assert upgrade_database(stored.database) == (number, schema.REVISION)
    with stored.open() as registry, registry._backend.database.read_transaction() as connection:
        assert list(find_broken_seals(connection, no_progress)) == []
    assert run_script(stored.database) == list_seals(stored.database)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@pytest.mark.parametrize("number", RELEASED[:1])
def test_the_command_line_upgrades_and_downgrades_or_refuses(
    stored: RegistryLocation, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(stored, monkeypatch)
    up = f"schema {number} -> {schema.REVISION}\n"
    down = f"schema {schema.REVISION} -> {number}\n"
    assert calreg.run("database", "upgrade").stdout == up
    for unknown in ("9999", "1", "base", "\x1b"):
        error = calreg.assert_refused(2, "database", "downgrade", unknown)
        assert "known: 0001, " in error["message"]
    assert calreg.run("database", "downgrade", number).stdout == down
    calreg.assert_refused(7, "panel", "list")
    assert calreg.run("database", "downgrade", number).stdout == f"schema {number}, as before\n"
    assert calreg.run("database", "upgrade", "--json").json == {"before": number, "after": schema.REVISION}
    with stored.open() as registry, registry._backend.database.exclusive_transaction() as connection:
        record_closure(connection, "departure", "elsewhere", instants.now(), build_signature())
    error = calreg.assert_refused(5, "database", "downgrade", number)
    assert "would lose them; nothing was changed" in error["message"]
    calreg.run("panel", "list")


@pytest.mark.parametrize("number", repeat_first(["0001", "0007"]))
def test_an_upgraded_registry_takes_writes_and_keeps_its_triggers(
    stored: RegistryLocation, number: str
) -> None:
    newest = len(json.loads((FOLDER / number / "answers.json").read_text())["log"])
    upgrade_database(stored.database)
    with stored.open() as registry:
        gap = registry.versions.gap(PANEL_A, valid_from="20200101000000", comment="sent back")
        assert gap.revision == newest + 1
    engine = stored.engine()
    for statement in (
        "DELETE FROM version",
        "UPDATE version SET kind = 'rms'",
        "UPDATE tag SET revision = 1",
    ):
        with engine.begin() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
            connection.execute(sa.text(statement))
    engine.dispose()


def test_an_answer_that_changed_would_be_noticed() -> None:
    then = {"versions": [{"version": 1, "valid_to": None}]}
    assert _still_says({"versions": [{"version": 1, "valid_to": None, "more": 2}], "more": []}, then)
    for now in (
        {"versions": []},
        {"versions": [{"version": 1, "valid_to": 3}]},
        {"versions": [{"version": 1}]},
    ):
        assert not _still_says(now, then)


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("is_snapshot", [True, False])
@pytest.mark.parametrize("number", ["0007"])
def test_a_snapshot_from_before_there_were_seals_has_gaps_between_its_exports(
    stored: RegistryLocation, number: str, is_snapshot: bool
) -> None:
    closure = (
        "INSERT INTO closure (number, reason, place, closed_at, author, host, command, software)"
        " VALUES (1, 'snapshot', 'revision 16', 1795000000000000, 'ana', 'here', 'calreg snapshot', 'calreg')"
    )
    _change_raw(
        stored,
        "UPDATE export_output SET export_id = 3",
        "UPDATE export_input SET export_id = 3",
        "UPDATE export SET id = 3",
        # The tag by which it was requested was in it as if its last revision had recorded it.
        "UPDATE tag SET revision = 16 WHERE name = 'summer'",
        *([closure] if is_snapshot else []),
    )
    assert upgrade_database(stored.database) == (number, schema.REVISION)
    with stored.open() as registry:
        assert [tag.tag for tag in registry.tags.list(as_of="summer")] == ["spring", "summer"]
        with registry._backend.database.read_transaction() as connection:
            problems = [broken.problem for broken in find_broken_seals(connection, no_progress)]
    assert problems == ([] if is_snapshot else ["exports 1 to 2 are missing"])
    assert run_script(stored.database) == list_seals(stored.database)


@pytest.mark.slow
@pytest.mark.parametrize("number", ["0009"])
@pytest.mark.sqlite_suffices
def test_names_of_detectors_are_not_lost(stored: RegistryLocation, number: str) -> None:
    upgrade_database(stored.database)
    with stored.open() as registry:
        registry.detectors.name("xcs", PANEL_A)
    rows, tables = _rows(stored), _catalogue(stored)
    with assert_refused(ConflictError, "1 names of detectors; going below schema 0010 would lose them"):
        downgrade_database(stored.database, number)
    assert (_rows(stored), _catalogue(stored)) == (rows, tables)
