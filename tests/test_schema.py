"""The migrations create the tables of `registry.schema`, triggers included, on both databases."""

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from registry import schema
from registry.database import migrations
from registry.database.guards.texts import build_guards, format_guards
from registry.database.views import replace_views
from registry.schema.views import format_views
from testing.registries import RegistryLocation

Catalogue = dict[str, Any]

POSTGRESQL = {
    "columns": """
        SELECT table_name || '.' || column_name, data_type, character_maximum_length, numeric_precision,
               is_nullable, column_default
        FROM information_schema.columns WHERE table_schema = current_schema()""",
    "constraints": """
        SELECT conrelid::regclass || '.' || conname, contype, condeferrable, convalidated,
               pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype <> 't'""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = current_schema()",
}


def _fold_space(sql: str) -> str:
    """Return a statement of CREATE without what has no meaning: white space, and quotes around names."""
    return re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", sql.replace('"', ""))).strip()


def _parts(sql: str) -> list[str]:
    """Return the head, the columns and constraints (in any order), and the end of a CREATE TABLE."""
    head, _, rest = _fold_space(sql).partition("(")
    body, _, end = rest.rpartition(")")
    parts, depth, start = [], 0, 0
    for location, char in enumerate(body):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(body[start:location])
            start = location + 1
    return [head, *sorted([*parts, body[start:]]), end]


def catalogue(engine: sa.Engine) -> Catalogue:
    """Return what the database itself says of the tables, columns, constraints and indexes."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            query = "SELECT type, name, sql FROM sqlite_master WHERE type <> 'trigger' AND sql <> ''"
            parts = {
                f"{row.type} {row.name}": _parts(row.sql) if row.type == "table" else _fold_space(row.sql)
                for row in connection.execute(sa.text(query))
            }
        else:
            parts = {
                f"{part} {row[0]}": tuple(row[1:])
                for part, query in POSTGRESQL.items()
                for row in connection.execute(sa.text(query))
            }
    return {name: value for name, value in parts.items() if "alembic_version" not in name}


@pytest.fixture
def engine(location: RegistryLocation) -> Iterator[sa.Engine]:
    created = location.engine()
    yield created
    created.dispose()


@pytest.fixture
def modelled(
    location: RegistryLocation, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[sa.Engine]:
    """A database of the same engine whose tables are made from the models, without any migration."""
    if location.is_sqlite:
        created = sa.create_engine(f"sqlite:///{tmp_path / 'modelled.sqlite'}")
    else:
        url = sa.make_url(request.getfixturevalue("empty_postgres"))
        created = sa.create_engine(url.set(drivername="postgresql+psycopg"))
    schema.metadata.create_all(created)
    with created.begin() as connection:
        replace_views(connection)
    yield created
    created.dispose()


@pytest.mark.slow
def test_the_migrated_schema_is_that_of_the_models(engine: sa.Engine, modelled: sa.Engine) -> None:
    live, wanted = catalogue(engine), catalogue(modelled)
    assert live == wanted
    for table in schema.metadata.tables:
        assert any(re.search(rf"\b{table}\b", name) for name in live), table


def test_the_comparison_sees_checks_partial_indexes_and_foreign_keys(engine: sa.Engine) -> None:
    text = repr(catalogue(engine))
    for table in schema.metadata.tables.values():
        for constraint in table.constraints:
            name = str(constraint.name) if isinstance(constraint.name, str) else ""
            assert name in text
        for index in table.indexes:
            assert str(index.name) in text
    assert "withdrawn_in > recorded_in" in text
    assert "WHERE" in text


def test_alembic_finds_no_difference_either(location: RegistryLocation) -> None:
    with location.open() as registry:
        assert registry.differences() == []


def test_the_software_requires_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations.migrations_folder()).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [schema.REVISION]
    numbers = [script.revision for script in scripts.walk_revisions()]
    assert sorted(numbers) == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_no_migration_imports_the_software() -> None:
    scripts = sorted((migrations.migrations_folder() / "versions").glob("*.py"))
    assert scripts
    allowed = {*sys.stdlib_module_names, "sqlalchemy", "alembic"}
    for script in scripts:
        imported: set[str] = set()
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add("." * node.level + (node.module or ""))
        assert {name.partition(".")[0] for name in imported} <= allowed, script


def test_every_table_has_its_triggers_in_the_live_catalogue(
    location: RegistryLocation, engine: sa.Engine
) -> None:
    events = ["insert", "update", "delete"] + ([] if location.is_sqlite else ["truncate"])
    tables = schema.metadata.tables
    wanted = {(f"{table}_{event}", table) for table in tables for event in events}
    wanted |= {(f"{table}_closed_insert", table) for table in set(tables) - {"registry", "closure"}}
    wanted |= {(f"{name}_closed_update", name) for name, table in tables.items() if table.info.get("fact")}
    wanted |= set() if location.is_sqlite else {("revision_sealed", "revision"), ("export_sealed", "export")}
    query = (
        "SELECT name, tbl_name, 'A' FROM sqlite_master WHERE type = 'trigger'"
        if location.is_sqlite
        else "SELECT tgname, tgrelid::regclass::text, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal"
    )
    with engine.connect() as connection:
        live = [tuple(row) for row in connection.execute(sa.text(query))]
    assert {(name, table) for name, table, _ in live} == wanted
    assert {enabled for _, _, enabled in live} == {"A"}, "a guard is not ENABLE ALWAYS"
    assert {(guard.name, guard.table) for guard in build_guards(engine.dialect.name) if guard.table} == wanted


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_newest_guards_of_a_migration_are_those_of_this_software(dialect: str) -> None:
    """``CALREG_UPDATE_GUARDS=1`` rewrites the copy; once the schema is released, other guards need a new one."""
    file = max((migrations.migrations_folder() / "guards").glob(f"*_{dialect}.sql"))
    if os.environ.get("CALREG_UPDATE_GUARDS"):
        file.write_text(format_guards(dialect), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == format_guards(dialect)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_newest_views_of_a_migration_are_those_of_this_software(dialect: str) -> None:
    """``CALREG_UPDATE_GUARDS=1`` rewrites the copy; once the schema is released, other views need a new one."""
    file = max((migrations.migrations_folder() / "views").glob(f"*_{dialect}.sql"))
    if os.environ.get("CALREG_UPDATE_GUARDS"):
        file.write_text(format_views(dialect), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == format_views(dialect)


def test_one_partial_unique_index_guarantees_one_live_version(engine: sa.Engine) -> None:
    parts = [index for index in sa.inspect(engine).get_indexes("version") if index["unique"]]
    assert [index["name"] for index in parts] == ["uq_version_live"]
    assert parts[0]["column_names"] == ["panel_id", "kind", "valid_from"]
    condition = parts[0]["dialect_options"][f"{engine.dialect.name}_where"]
    assert str(condition).strip("()") == "withdrawn_in IS NULL"


def test_every_table_with_facts_has_the_columns_of_facts() -> None:
    for table in schema.metadata.tables.values():
        assert ("withdrawn_in" in table.c) == bool(table.info.get("fact")), table.name
        if table.info.get("fact"):
            assert {"id", "recorded_in"} <= set(table.c.keys())
            assert not table.c.recorded_in.nullable
            assert table.c.withdrawn_in.nullable
