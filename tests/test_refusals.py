"""Errors of a database are refusals with its own words, by their code; a bug is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.api import create_registry, open_registry
from registry.api.copies import copy_registry
from registry.database.refusals import translate_database_errors
from registry.errors import (
    ConflictError,
    CorruptionError,
    Remedy,
    RequestError,
    SchemaError,
    UnavailableError,
)
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.selection import keep_first

pytestmark = pytest.mark.small_panels


@pytest.fixture
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    yield from make_location(request, tmp_path, "postgresql")


STATES = {
    # By SQLSTATE: the class of the refusal, and the advice.
    "01000": (UnavailableError, None),
    "08006": (UnavailableError, None),
    "0A000": (UnavailableError, None),
    "21000": (UnavailableError, None),
    "22001": (RequestError, None),
    "22021": (CorruptionError, None),
    "22P05": (RequestError, None),
    "23505": (ConflictError, None),
    "25001": (UnavailableError, None),
    "25006": (UnavailableError, None),
    "25P02": (UnavailableError, None),
    "25P03": (UnavailableError, None),
    "25P04": (UnavailableError, None),
    "26000": (UnavailableError, Remedy.NAME_POOLER),
    "28000": (UnavailableError, None),
    "2BP01": (UnavailableError, None),
    "34000": (UnavailableError, None),
    "3D000": (UnavailableError, None),
    "3F000": (SchemaError, None),
    "40001": (UnavailableError, None),
    "40P01": (UnavailableError, None),
    "42501": (UnavailableError, Remedy.GRANT_RIGHTS),
    "42601": (UnavailableError, None),
    "42703": (SchemaError, Remedy.CHECK_DATABASE),
    "42804": (SchemaError, Remedy.CHECK_DATABASE),
    "42883": (SchemaError, Remedy.CHECK_DATABASE),
    "42P01": (SchemaError, Remedy.CHECK_DATABASE),
    "42P05": (UnavailableError, Remedy.NAME_POOLER),
    "42P07": (SchemaError, Remedy.CHECK_DATABASE),
    "44000": (ConflictError, None),
    "53100": (UnavailableError, None),
    "53300": (UnavailableError, Remedy.FREE_CONNECTIONS),
    "54000": (UnavailableError, None),
    "55006": (UnavailableError, None),
    "55P03": (UnavailableError, None),
    "57014": (UnavailableError, None),
    "57P01": (UnavailableError, None),
    "57P05": (UnavailableError, None),
    "58030": (UnavailableError, None),
    "F0000": (UnavailableError, None),
    "P0001": (UnavailableError, None),
    "XX000": (UnavailableError, None),
    "XX001": (CorruptionError, None),
    "XX002": (CorruptionError, None),
}


def execute(location: RegistryLocation, statement: str, **values: object) -> None:
    engine = location.engine()
    try:
        with translate_database_errors(location.database), engine.connect() as connection:
            connection.execute(sa.text(statement), values)
            connection.commit()
    finally:
        engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_whatever_a_server_names_as_an_error_is_a_refusal_with_its_words(
    location: RegistryLocation, state: str
) -> None:
    statement = f"DO $$ BEGIN RAISE EXCEPTION 'the words of the server' USING ERRCODE = '{state}'; END $$"
    error_class, remedy = STATES[state]
    with assert_refused(error_class, "the words of the server") as refusal:
        execute(location, statement)
    assert refusal.value.remedy == remedy


@pytest.mark.slow
def test_a_mistake_of_the_software_is_not_a_refusal(location: RegistryLocation) -> None:
    with pytest.raises(sa.exc.ProgrammingError):
        execute(location, "SELECT :value", value=object())


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("FATAL:  sorry, too many clients already", Remedy.FREE_CONNECTIONS),
        ('FATAL:  too many connections for role "calreg"', Remedy.FREE_CONNECTIONS),
        ("FATAL:  remaining connection slots are reserved", Remedy.FREE_CONNECTIONS),
        ("FATAL:  no more connections allowed (max_client_conn)", Remedy.FREE_CONNECTIONS),
        ("FATAL:  Tut mir leid, schon zu viele Verbindungen", None),
    ],
)
def test_a_server_without_free_connections_is_told_by_its_words(words: str, remedy: Remedy | None) -> None:
    import psycopg

    error = psycopg.OperationalError(words)
    raised = sa.exc.DBAPIError.instance(None, None, error, psycopg.Error)  # type: ignore[call-overload]
    with assert_refused(UnavailableError, words) as refusal, translate_database_errors("postgresql://h/d"):
        raise raised
    assert refusal.value.remedy == remedy


@pytest.mark.slow
def test_a_role_without_free_connections_is_told_what_helps(location: RegistryLocation) -> None:
    role = f"crowded_{os.getpid()}"
    engine = location.engine()
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1"))
    with location.open() as registry:
        registry.grant(readers=[role], apply=True)
    url = sa.make_url(location.database).set(username=role).render_as_string(hide_password=False)
    with open_registry(url, location.store) as first:
        first.log()
        with assert_refused(UnavailableError, role, remedy=Remedy.FREE_CONNECTIONS):
            open_registry(url, location.store)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP OWNED BY {role}"))
        connection.execute(sa.text(f"DROP ROLE {role}"))
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize(
    "table", keep_first(["version", "alembic_version", "registry", "seal", "tag", "closure"], 3)
)
def test_a_missing_table_is_a_refusal_of_every_verb(empty_postgres: str, tmp_path: Path, table: str) -> None:
    location = RegistryLocation(empty_postgres, tmp_path / "store")
    create_registry(location.database, location.store)
    with location.open() as registry:
        registry.panels.add(PANEL_A)
    execute(location, f"DROP TABLE {table} CASCADE")
    refused = 0
    for ask in (
        lambda registry: registry.log(),
        lambda registry: registry.tags.add("summer"),
        lambda registry: registry.panels.add(PANEL_B),
        lambda registry: registry.versions.list(),
    ):
        with suppress(SchemaError), location.open() as registry:
            ask(registry)
            continue
        refused += 1
    assert refused


@pytest.mark.slow
def test_an_error_names_its_own_database_where_two_are_in_use(
    location: RegistryLocation, tmp_path: Path
) -> None:
    ended = sa.make_url(location.database).update_query_dict({"options": "-c statement_timeout=1ms"})
    url = ended.render_as_string(hide_password=False)
    with location.open() as registry:
        registry.panels.add(PANEL_A)
    with assert_refused(UnavailableError, str(ended.database)) as refusal:
        copy_registry(f"sqlite:///{tmp_path / 'new.sqlite'}", None, url, location.store)
    assert "new.sqlite" not in str(refusal.value)
