"""Stored databases of every released schema come up to this software's, answer the same, and go back down.

``tests/released/<schema>`` holds what the software of that schema wrote; ``make.py`` there made it.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from registry import instants, schema
from registry.api import upgrade_database
from registry.authorship import build_signature
from registry.database import migrations
from registry.database.closing import record_closure
from registry.database.engine import make_engine
from registry.errors import Remedy, SchemaError
from registry.lookup import integrity_rules
from registry.store import ContentStore
from testing.panels import PANEL_A
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused
from tests.released.make import answers
from tests.test_schema import catalogue

FOLDER = Path(__file__).parent / "released"
RELEASED = sorted(path.name for path in FOLDER.iterdir() if path.name.isdigit())


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, number: str) -> RegistryLocation:
    """The stored registry of schema `number`; of its store there is the marker alone."""
    if request.param == "sqlite":
        location = RegistryLocation(f"sqlite:///{tmp_path / 'registry.sqlite'}", tmp_path / "store")
        location.file.write_bytes(gzip.decompress((FOLDER / number / "registry.sqlite.gz").read_bytes()))
        engine = location.engine()
    else:
        location = RegistryLocation(request.getfixturevalue("empty_postgres"), tmp_path / "store")
        with psycopg.connect(location.database) as connected:
            connected.execute(gzip.decompress((FOLDER / number / "registry.sql.gz").read_bytes()))
        engine = location.engine()
    with engine.connect() as connection:
        ContentStore(location.store).create(
            connection.execute(sa.text("SELECT id FROM registry")).scalar_one()
        )
    engine.dispose()
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
        kept = {key: value for key, value in then.items() if key != "database_role"}
        return all(key in now and _still_says(now[key], value) for key, value in kept.items())
    if isinstance(then, list):
        return len(now) == len(then) and all(map(_still_says, now, then))
    return bool(now == then)


def test_every_schema_before_this_one_is_stored() -> None:
    earlier = [f"{number:04}" for number in range(1, int(schema.REVISION))]
    assert [number for number in RELEASED if number < schema.REVISION] == earlier


@pytest.mark.slow
@pytest.mark.parametrize("number", RELEASED)
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
    engine = make_engine(stored.database)
    migrations.downgrade(engine, number)
    engine.dispose()
    assert (_rows(stored), _catalogue(stored)) == (rows, tables)


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


@pytest.mark.parametrize("number", RELEASED)
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
