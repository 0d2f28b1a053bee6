"""``calreg database check`` finds every change of the tables and their guards; ``--mend-guards`` is the way back."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from harnesses.tampering import tamper
from registry.api import Registry, create_registry, open_registry
from registry.cli.remedies import WORDS
from registry.database.catalogue.differences import find_differences
from registry.database.catalogue.expressions import is_same_condition
from registry.database.engine import make_engine
from registry.database.guards.installation import replace_guards
from registry.database.guards.texts import build_guards
from registry.errors import Remedy, SchemaError, UnavailableError
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location
from tests.refusals import assert_refused


@dataclass(frozen=True)
class Damage:
    """Statements that change a registry's tables or guards, and what is said of it."""

    name: str
    statements: Sequence[str]
    sentence: str

    def __str__(self) -> str:
        return self.name


def _body(text: str, *, schema: str = "", name: str = "calreg_withdraw()", options: str = "") -> str:
    settings = "SET search_path = pg_catalog, pg_temp"
    return (
        f"CREATE OR REPLACE FUNCTION {schema}{name} RETURNS trigger LANGUAGE plpgsql {options} {settings}"
        f" AS 'BEGIN {text} END'"
    )


def _trigger(text: str) -> list[str]:
    """Return the statements that make the trigger on the UPDATE of versions anew."""
    return [
        "DROP TRIGGER version_update ON version",
        f"CREATE TRIGGER version_update {text}",
        "ALTER TABLE version ENABLE ALWAYS TRIGGER version_update",
    ]


_EXECUTE = "EXECUTE FUNCTION calreg_withdraw()"
_ANOTHER_TEXT = "the trigger version_update has "
_ANOTHER_BODY = "the function calreg_withdraw() has another body than that of this software"
_DIGEST = "ck_blob_sha256_is_digest CHECK (length(sha256) = 64 AND sha256 = lower(sha256))"

OF_VIEWS = [
    Damage("a dropped view", ["DROP VIEW v_runs"], "the view v_runs is missing"),
    Damage(
        "a changed view",
        ["DROP VIEW v_runs", "CREATE VIEW v_runs AS SELECT run.experiment, run.number AS run FROM run"],
        "the view v_runs has another text than that of this software",
    ),
    Damage(
        "a table in place of a view",
        ["DROP VIEW v_log", "CREATE TABLE v_log (revision INTEGER)"],
        "the table v_log is not part of the schema",
    ),
]

ON_POSTGRESQL = [
    *OF_VIEWS,
    Damage(
        "a view of all versions",
        [
            """DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW v_validity AS '
            || replace(pg_get_viewdef('v_validity'::regclass),
                       'WHERE (version.withdrawn_in IS NULL)', 'WHERE (version.withdrawn_in IS NOT NULL)'); END $$"""
        ],
        "the view v_validity has another text than that of this software",
    ),
    Damage(
        "a view with its reader's rights",
        ["ALTER VIEW v_log SET (security_invoker = true)"],
        "the view v_log has options security_invoker=true instead of none",
    ),
    Damage(
        "a view that is not read anew",
        ["DROP VIEW v_log", "CREATE MATERIALIZED VIEW v_log AS SELECT 1 AS revision"],
        "the view v_log has kind materialized view instead of view",
    ),
    Damage("an emptied function", [_body("RETURN NEW;")], _ANOTHER_BODY),
    Damage("a function that does nothing", [_body("RETURN NULL;")], _ANOTHER_BODY),
    Damage(
        "a function without settings",
        ["ALTER FUNCTION calreg_withdraw() RESET ALL"],
        "the function calreg_withdraw() has settings none instead of search_path=pg_catalog, pg_temp",
    ),
    Damage(
        "a function that finds other tables",
        ["ALTER FUNCTION calreg_withdraw() SET search_path = elsewhere"],
        "the function calreg_withdraw() has settings search_path=elsewhere",
    ),
    Damage(
        "a function with another setting",
        ["ALTER FUNCTION calreg_withdraw() SET check_function_bodies = off"],
        "the function calreg_withdraw() has settings search_path=pg_catalog, pg_temp; check_function_bodies=off",
    ),
    Damage(
        "a function with its owner's rights",
        ["ALTER FUNCTION calreg_refuse() SECURITY DEFINER"],
        "the function calreg_refuse() has security definer instead of invoker",
    ),
    Damage(
        "a function that sees an older state",
        ["ALTER FUNCTION calreg_insert_version() STABLE"],
        "the function calreg_insert_version() has volatility stable or immutable instead of volatile",
    ),
    Damage(
        "a strict function",
        ["ALTER FUNCTION calreg_refuse() STRICT"],
        "the function calreg_refuse() has strictness strict",
    ),
    Damage(
        "a renamed function",
        ["ALTER FUNCTION calreg_refuse() RENAME TO calreg_allow"],
        "the function calreg_allow() is not part of the schema",
    ),
    Damage(
        "another function",
        [_body("RETURN NEW;", name="calreg_more(number integer)").replace("trigger", "integer", 1)],
        "the function calreg_more(number integer) is not part of the schema",
    ),
    Damage(
        "a function of the same name in another schema",
        [
            "CREATE SCHEMA elsewhere",
            _body("RETURN NEW;", schema="elsewhere."),
            *_trigger("BEFORE UPDATE ON version FOR EACH ROW EXECUTE FUNCTION elsewhere.calreg_withdraw()"),
        ],
        "the trigger version_update has function elsewhere.calreg_withdraw() instead of public.calreg_withdraw()",
    ),
    Damage(
        "a trigger with a condition",
        _trigger(f"BEFORE UPDATE ON version FOR EACH ROW WHEN (false) {_EXECUTE}"),
        _ANOTHER_TEXT,
    ),
    Damage(
        "a trigger on one column",
        _trigger(f"BEFORE UPDATE OF comment ON version FOR EACH ROW {_EXECUTE}"),
        _ANOTHER_TEXT,
    ),
    Damage(
        "a trigger that comes later",
        _trigger(f"AFTER UPDATE ON version FOR EACH ROW {_EXECUTE}"),
        _ANOTHER_TEXT,
    ),
    Damage(
        "a trigger once a statement",
        _trigger(f"BEFORE UPDATE ON version FOR EACH STATEMENT {_EXECUTE}"),
        _ANOTHER_TEXT,
    ),
    Damage(
        "a trigger with an argument",
        _trigger("BEFORE UPDATE ON version FOR EACH ROW EXECUTE FUNCTION calreg_withdraw('x')"),
        "the trigger version_update has function public.calreg_withdraw(x",
    ),
    Damage(
        "a dropped trigger",
        ["DROP TRIGGER version_update ON version"],
        "the trigger version_update is missing",
    ),
    Damage(
        "a renamed trigger",
        ["ALTER TRIGGER version_update ON version RENAME TO audit"],
        "the trigger audit on version is not part of the schema",
    ),
    Damage(
        "a disabled trigger",
        ["ALTER TABLE alias DISABLE TRIGGER alias_delete"],
        "the trigger alias_delete has state disabled instead of enabled always",
    ),
    Damage(
        "a trigger that a replica passes",
        ["ALTER TABLE alias ENABLE TRIGGER alias_insert"],
        "the trigger alias_insert has state enabled but in a replica instead of enabled always",
    ),
    Damage(
        "a trigger for a replica",
        ["ALTER TABLE alias ENABLE REPLICA TRIGGER alias_insert"],
        "the trigger alias_insert has state enabled only in a replica instead of enabled always",
    ),
    Damage(
        "a trigger that waits no longer",
        [
            "DROP TRIGGER revision_sealed ON revision",
            (
                "CREATE CONSTRAINT TRIGGER revision_sealed AFTER INSERT ON revision DEFERRABLE INITIALLY IMMEDIATE"
                " FOR EACH ROW EXECUTE FUNCTION calreg_revision_sealed()"
            ),
            "ALTER TABLE revision ENABLE ALWAYS TRIGGER revision_sealed",
        ],
        "the trigger revision_sealed has ",
    ),
    Damage(
        "another trigger",
        [
            _body("RETURN NULL;", name="ignore()"),
            "CREATE TRIGGER a_first BEFORE INSERT ON version FOR EACH ROW EXECUTE FUNCTION ignore()",
        ],
        "the trigger a_first on version is not part of the schema",
    ),
    Damage(
        "a trigger on Alembic's table",
        [
            _body("RETURN NULL;", name="ignore()"),
            "CREATE TRIGGER stays BEFORE UPDATE ON alembic_version FOR EACH ROW EXECUTE FUNCTION ignore()",
        ],
        "the trigger stays on alembic_version is not part of the schema",
    ),
    Damage(
        "a rule",
        ["CREATE RULE quiet AS ON INSERT TO version DO INSTEAD NOTHING"],
        "the rule quiet on version is not part of the schema",
    ),
    Damage(
        "a policy",
        ["CREATE POLICY few ON version USING (id > 1)"],
        "the row security policy few on version is not part of the schema",
    ),
    Damage(
        "the security of rows",
        ["ALTER TABLE version ENABLE ROW LEVEL SECURITY"],
        "row security is on for the table version",
    ),
    Damage(
        "the security of rows for the owner",
        ["ALTER TABLE version FORCE ROW LEVEL SECURITY"],
        "row security is on for the table version",
    ),
    Damage(
        "a table that inherits",
        ["CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.more () INHERITS (version)"],
        "the table elsewhere.more inherits from version",
    ),
    Damage(
        "a table that the disk may lose",
        ["ALTER TABLE export_input SET UNLOGGED"],
        "the table export_input has persistence unlogged instead of logged",
    ),
    Damage(
        "a table that is a view",
        ["DROP TABLE lineage", "CREATE VIEW lineage AS SELECT 1 AS id"],
        "the table lineage has kind view instead of table",
    ),
    Damage(
        "an added table", ["CREATE TABLE extra (id INTEGER)"], "the table extra is not part of the schema"
    ),
    Damage("a dropped table", ["DROP TABLE export_input"], "the table export_input is missing"),
    Damage(
        "an added column",
        ["ALTER TABLE run ADD COLUMN weather TEXT"],
        "the column run.weather is not part of the schema",
    ),
    Damage(
        "a dropped column",
        ["ALTER TABLE configuration DROP COLUMN object_name"],
        "the column configuration.object_name is missing",
    ),
    Damage(
        "a changed type",
        ["ALTER TABLE version ALTER COLUMN same_as TYPE VARCHAR(80)"],
        "the column version.same_as has type VARCHAR(80) instead of VARCHAR(16)",
    ),
    Damage(
        "a type of somebody's",
        [
            "CREATE DOMAIN short AS VARCHAR(16)",
            "ALTER TABLE version ALTER COLUMN same_as TYPE short",
        ],
        "the column version.same_as has type SHORT instead of VARCHAR(16)",
    ),
    Damage(
        "a column that takes NULL",
        ["ALTER TABLE alias ALTER COLUMN m_number DROP NOT NULL"],
        "the column alias.m_number has NULL allowed instead of refused",
    ),
    Damage(
        "a default",
        ["ALTER TABLE version ALTER COLUMN valid_from SET DEFAULT 0"],
        "the column version.valid_from has default 0 instead of none",
    ),
    Damage(
        "numbers by the database",
        ["ALTER TABLE version ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY"],
        "the column version.id has default a instead of none",
    ),
    Damage(
        "another order of texts",
        ['ALTER TABLE version ALTER COLUMN same_as TYPE VARCHAR(16) COLLATE "C"'],
        "the column version.same_as has collation C instead of default",
    ),
    Damage("a dropped index", ["DROP INDEX uq_version_live"], "the index version.uq_version_live is missing"),
    Damage(
        "an added index",
        ["CREATE UNIQUE INDEX uq_more ON version (comment)"],
        "the index version.uq_more is not part of the schema",
    ),
    Damage(
        "an index that is not unique",
        ["DROP INDEX uq_run_live", "CREATE INDEX uq_run_live ON run (experiment, number)"],
        "the index run.uq_run_live has ",
    ),
    Damage(
        "an index of fewer rows",
        [
            "DROP INDEX uq_run_live",
            "CREATE UNIQUE INDEX uq_run_live ON run (experiment, number) WHERE withdrawn_in IS NULL AND id > 5",
        ],
        "the index run.uq_run_live has ",
    ),
    Damage(
        "a dropped reference",
        ["ALTER TABLE alias DROP CONSTRAINT fk_alias_panel_id"],
        "the foreign key alias.fk_alias_panel_id is missing",
    ),
    Damage(
        "a reference that deletes",
        [
            "ALTER TABLE alias DROP CONSTRAINT fk_alias_panel_id",
            (
                "ALTER TABLE alias ADD CONSTRAINT fk_alias_panel_id FOREIGN KEY (panel_id) REFERENCES panel (id)"
                " ON DELETE CASCADE"
            ),
        ],
        "the foreign key alias.fk_alias_panel_id has ",
    ),
    Damage(
        "a reference to another schema's table",
        [
            "CREATE SCHEMA elsewhere",
            "CREATE TABLE elsewhere.panel (id INTEGER PRIMARY KEY)",
            "ALTER TABLE alias DROP CONSTRAINT fk_alias_panel_id",
            (
                "ALTER TABLE alias ADD CONSTRAINT fk_alias_panel_id FOREIGN KEY (panel_id)"
                " REFERENCES elsewhere.panel (id)"
            ),
        ],
        "the foreign key alias.fk_alias_panel_id has ",
    ),
    Damage(
        "a reference of new rows only",
        [
            "ALTER TABLE alias DROP CONSTRAINT fk_alias_panel_id",
            (
                "ALTER TABLE alias ADD CONSTRAINT fk_alias_panel_id FOREIGN KEY (panel_id) REFERENCES panel (id)"
                " NOT VALID"
            ),
        ],
        "the foreign key alias.fk_alias_panel_id has ",
    ),
    Damage(
        "a reference that is not enforced",
        [
            "ALTER TABLE alias DISABLE TRIGGER ALL",
            *(
                f"ALTER TABLE alias ENABLE ALWAYS TRIGGER alias_{event}"
                for event in ("insert", "update", "delete", "truncate", "closed_insert", "closed_update")
            ),
        ],
        "the foreign key fk_alias_panel_id is not enforced on alias",
    ),
    Damage(
        "a dropped unique key",
        ["ALTER TABLE panel DROP CONSTRAINT uq_panel_identifier"],
        "the constraint panel.uq_panel_identifier is missing",
    ),
    Damage(
        "a unique key that waits",
        [
            "ALTER TABLE panel DROP CONSTRAINT uq_panel_identifier",
            "ALTER TABLE panel ADD CONSTRAINT uq_panel_identifier UNIQUE (identifier) DEFERRABLE",
        ],
        "the constraint panel.uq_panel_identifier has definition UNIQUE (identifier) DEFERRABLE instead of UNIQUE",
    ),
    Damage(
        "a dropped primary key",
        ["ALTER TABLE tag DROP CONSTRAINT pk_tag"],
        "the constraint tag.pk_tag is missing",
    ),
    Damage(
        "a dropped rule",
        ["ALTER TABLE version DROP CONSTRAINT ck_version_withdrawn_later"],
        "the constraint version.ck_version_withdrawn_later is missing",
    ),
    Damage(
        "a weaker rule",
        [
            "ALTER TABLE version DROP CONSTRAINT ck_version_withdrawn_later",
            "ALTER TABLE version ADD CONSTRAINT ck_version_withdrawn_later CHECK (withdrawn_in >= recorded_in)",
        ],
        "the constraint version.ck_version_withdrawn_later has definition CHECK ((withdrawn_in >= recorded_in))",
    ),
    Damage(
        "a rule of new rows only",
        [
            "ALTER TABLE version DROP CONSTRAINT ck_version_withdrawn_later",
            (
                "ALTER TABLE version ADD CONSTRAINT ck_version_withdrawn_later CHECK (withdrawn_in > recorded_in)"
                " NOT VALID"
            ),
        ],
        "the constraint version.ck_version_withdrawn_later has ",
    ),
    Damage(
        "an added rule",
        ["ALTER TABLE version ADD CONSTRAINT few CHECK (id < 1000)"],
        "the constraint version.few is not part of the schema",
    ),
    Damage(
        "a rule by somebody's function",
        [
            "CREATE FUNCTION lower(character varying) RETURNS character varying IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
            "ALTER TABLE blob DROP CONSTRAINT ck_blob_sha256_is_digest",
            f"ALTER TABLE blob ADD CONSTRAINT {_DIGEST}",
        ],
        "which is not PostgreSQL's",
    ),
]


def _sqlite_trigger(text: str) -> list[str]:
    return ["DROP TRIGGER version_update", f"CREATE TRIGGER version_update {text}"]


def _sqlite_rebuild(table: str, before: str, after: str) -> list[str]:
    """Return the statements that edit a table's definition, as a rebuilt table would have it."""
    return [
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = replace(sql, '{before}', '{after}') WHERE name = '{table}'",
    ]


ON_SQLITE = [
    *OF_VIEWS,
    Damage(
        "an edited view",
        _sqlite_rebuild("v_validity", "WHERE version.withdrawn_in IS NULL", "WHERE 1"),
        "the view v_validity has another text than that of this software",
    ),
    Damage(
        "a file that says that it is something else",
        ["PRAGMA application_id = 0"],
        "the file has application_id 0 instead of 1667329138",
    ),
    Damage(
        "an emptied trigger", _sqlite_trigger("BEFORE UPDATE ON version BEGIN SELECT 1; END"), _ANOTHER_TEXT
    ),
    Damage(
        "a trigger that never fires",
        _sqlite_trigger("BEFORE UPDATE ON version WHEN 0 BEGIN SELECT RAISE(ABORT, 'no'); END"),
        _ANOTHER_TEXT,
    ),
    Damage(
        "a trigger on another table",
        _sqlite_trigger("BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'no'); END"),
        "the trigger version_update is missing",
    ),
    Damage("a dropped trigger", ["DROP TRIGGER version_update"], "the trigger version_update is missing"),
    Damage(
        "an edited trigger",
        _sqlite_rebuild("version_update", "OLD.withdrawn_in IS NULL", "1"),
        "the trigger version_update has another text than that of this software",
    ),
    Damage(
        "another trigger",
        ["CREATE TRIGGER quiet BEFORE INSERT ON version BEGIN SELECT RAISE(IGNORE); END"],
        "the trigger quiet on version is not part of the schema",
    ),
    Damage(
        "a table that is a view",
        ["DROP TABLE lineage", "CREATE VIEW lineage AS SELECT 1 AS id"],
        "the table lineage is missing",
    ),
    Damage(
        "an added table", ["CREATE TABLE extra (id INTEGER)"], "the table extra is not part of the schema"
    ),
    Damage("a dropped table", ["DROP TABLE export_input"], "the table export_input is missing"),
    Damage(
        "an added column",
        ["ALTER TABLE run ADD COLUMN weather TEXT"],
        "the column run.weather is not part of the schema",
    ),
    Damage(
        "a default",
        _sqlite_rebuild("version", "valid_from BIGINT NOT NULL", "valid_from BIGINT DEFAULT 0 NOT NULL"),
        "the column version.valid_from has definition BIGINT DEFAULT 0 NOT NULL instead of BIGINT NOT NULL",
    ),
    Damage(
        "a column that takes NULL",
        _sqlite_rebuild("version", "kind VARCHAR(32) NOT NULL", "kind VARCHAR(32)"),
        "the column version.kind has definition VARCHAR(32) instead of VARCHAR(32)NOT NULL",
    ),
    Damage(
        "a dropped rule",
        _sqlite_rebuild(
            "version",
            "CONSTRAINT ck_version_withdrawn_later CHECK (withdrawn_in > recorded_in)",
            "CONSTRAINT ck_version_withdrawn_later CHECK (1)",
        ),
        "the constraint version.ck_version_withdrawn_later has definition CHECK(1) instead of",
    ),
    Damage(
        "a dropped reference",
        _sqlite_rebuild("alias", "REFERENCES panel (id)", "REFERENCES run (id)"),
        "the foreign key alias.fk_alias_panel_id has ",
    ),
    Damage(
        "a table with row numbers",
        _sqlite_rebuild("tag", "WITHOUT ROWID", ""),
        "the table tag has options none instead of WITHOUT ROWID",
    ),
    Damage("a dropped index", ["DROP INDEX uq_version_live"], "the index version.uq_version_live is missing"),
    Damage(
        "an index that is not unique",
        ["DROP INDEX uq_run_live", "CREATE INDEX uq_run_live ON run (experiment, number)"],
        "the index run.uq_run_live has ",
    ),
    Damage(
        "an index of other texts",
        [
            "DROP INDEX uq_run_live",
            "CREATE UNIQUE INDEX uq_run_live ON run (experiment COLLATE NOCASE, number) WHERE withdrawn_in IS NULL",
        ],
        "the index run.uq_run_live has ",
    ),
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """A sound database; what a test changes is taken back."""
    for location in make_location(request, tmp_path_factory.mktemp("sound"), request.param):
        engine = make_engine(location.database)
        # Connections to a server are in no transaction by themselves.
        yield engine if location.is_sqlite else engine.execution_options(isolation_level="READ COMMITTED")
        engine.dispose()


def _find_after(engine: sa.Engine, damage: Damage) -> list[str]:
    with engine.connect() as connection:
        for statement in damage.statements:
            connection.exec_driver_sql(statement)
        differences = find_differences(connection)
        connection.rollback()
        if engine.dialect.name == "sqlite":
            connection.invalidate()  # its pragma stays
    return differences


@pytest.mark.parametrize("sound", ["postgresql"], indirect=True)
@pytest.mark.parametrize("damage", ON_POSTGRESQL, ids=str)
def test_a_check_on_postgresql_finds(sound: sa.Engine, damage: Damage) -> None:
    differences = _find_after(sound, damage)
    assert any(damage.sentence in sentence for sentence in differences), differences


@pytest.mark.parametrize("sound", ["sqlite"], indirect=True)
@pytest.mark.parametrize("damage", ON_SQLITE, ids=str)
def test_a_check_on_sqlite_finds(sound: sa.Engine, damage: Damage) -> None:
    differences = _find_after(sound, damage)
    assert any(damage.sentence in sentence for sentence in differences), differences


def test_every_guard_that_is_missing_is_named(sound: sa.Engine) -> None:
    guards = [guard for guard in build_guards(sound.dialect.name) if guard.table is not None]
    with sound.connect() as connection:
        for guard in guards:
            on = f" ON {guard.table}" if sound.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TRIGGER {guard.name}{on}")
        differences = find_differences(connection)
        connection.rollback()
    assert set(differences) == {f"the trigger {guard.name} is missing" for guard in guards}
    with sound.connect() as connection:
        assert find_differences(connection) == []


def test_the_statistics_of_the_planner_and_views_of_the_tables_are_no_differences(sound: sa.Engine) -> None:
    with sound.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("CREATE VIEW gains AS SELECT * FROM version WHERE kind = 'gain'")
        assert find_differences(connection) == []
        connection.rollback()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("number >= 1", "((number >= 1))", True),
        (
            "length(x) = 64 AND x = lower(x)",
            "(((length((x)::text) = 64) AND ((x)::text = lower((x)::text))))",
            True,
        ),
        (
            "reason IN ('a', 'b')",
            "(((reason)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
            True,
        ),
        ("a IS NULL OR (b IS NOT NULL AND a >= b)", "((a IS NULL) OR ((b IS NOT NULL) AND (a >= b)))", True),
        ("a IS NULL OR (b IS NOT NULL AND a >= b)", "(((a IS NULL) OR (b IS NOT NULL)) AND (a >= b))", False),
        ("number >= 1", "((number > 1))", False),
        ("number >= 1", "(((number)::numeric >= 1))", False),
        ("number >= 1", "((number >= 1) OR true)", False),
        ("number >= 1", "((number >= 1)) NO INHERIT", False),
        ("reason IN ('a', 'b')", "((reason = ANY (ARRAY['a'::text, 'b'::text, 'c'::text])))", False),
        ("number >= 1", "(", False),
    ],
)
def test_conditions_are_compared_by_their_meaning(one: str, other: str, same: bool) -> None:
    assert is_same_condition(one, other) is same


def _execute(location: RegistryLocation, *statements: str) -> None:
    engine = location.engine()
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def _gut(location: RegistryLocation) -> str:
    """Empty the guard that refuses the UPDATE of a version; return what is said of it."""
    damages = ON_SQLITE if location.is_sqlite else ON_POSTGRESQL
    damage = next(damage for damage in damages if damage.sentence in {_ANOTHER_TEXT, _ANOTHER_BODY})
    _execute(location, *damage.statements)
    return damage.sentence


def test_a_check_finds_nothing_wrong_with_a_sound_database(
    calreg: Calreg, location: RegistryLocation
) -> None:
    schema = None if location.is_sqlite else "public"
    place = "" if schema is None else "the registry is in the schema public of its database\n"
    for options in ((), ("--mend-guards",)):
        result = calreg.run("database", "check", *options)
        assert result.stderr == ""
        assert result.stdout == (
            f"the schema and its triggers are those of this software\n{place}the registry's time zone is UTC\n"
        )
    assert calreg.run("database", "check", "--json").json == {
        "differences": [],
        "timezone": "UTC",
        "schema": schema,
        "mended": [],
    }


def test_a_check_names_every_difference_in_a_line_and_verify_is_not_satisfied(
    location: RegistryLocation, calreg: Calreg
) -> None:
    gutted = _gut(location)
    _execute(location, "DROP INDEX uq_run_live")
    missing = "the index run.uq_run_live is missing"
    error = calreg.assert_refused(7, "database", "check")
    assert len(error["differences"]) == 2
    assert missing in error["differences"]
    assert any(gutted in sentence for sentence in error["differences"])
    assert len(calreg("database", "check").stderr.splitlines()) == 3
    result = calreg("verify", "--json")
    assert result.code == 6
    problems = [problem["problem"] for problem in result.json["problems"]]
    assert missing in problems
    assert any(gutted in sentence for sentence in problems)


def test_gutted_guards_are_mended_and_what_was_replaced_is_said(
    location: RegistryLocation, registry: Registry, calreg: Calreg
) -> None:
    registry.panels.add(PANEL_A)
    gutted = _gut(location)
    result = calreg.run("database", "check", "--mend-guards")
    assert result.stdout.startswith(f"mended: {gutted}")
    assert "calreg verify" in result.stderr
    assert registry.differences() == []
    assert registry.mend_guards() == []
    registry.panels.add(PANEL_B)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        _execute(location, "DELETE FROM panel")


def test_views_and_what_a_file_says_that_it_is_are_mended_too(
    location: RegistryLocation, registry: Registry, calreg: Calreg
) -> None:
    _execute(location, *OF_VIEWS[1].statements, "DROP VIEW v_log")
    differences = ["the view v_log is missing", OF_VIEWS[1].sentence]
    if location.is_sqlite:
        _execute(location, "PRAGMA application_id = 0")
        differences.append("the file has application_id 0 instead of 1667329138")
    assert calreg.assert_refused(7, "database", "check")["differences"] == differences
    assert registry.mend_guards() == differences
    assert (registry.differences(), registry.mend_guards()) == ([], [])


def test_a_table_in_place_of_a_view_is_told_and_left(
    location: RegistryLocation, registry: Registry, calreg: Calreg
) -> None:
    _execute(location, *OF_VIEWS[2].statements, "INSERT INTO v_log VALUES (7)")
    error = calreg.assert_refused(7, "database", "check", "--mend-guards")
    assert error["differences"] == ["the table v_log is not part of the schema"]


def test_what_no_guard_mends_is_still_refused(location: RegistryLocation, calreg: Calreg) -> None:
    gutted = _gut(location)
    _execute(location, "DROP INDEX uq_run_live")
    result = calreg("database", "check", "--mend-guards", "--json")
    assert result.code == 7
    assert result.error["differences"] == ["the index run.uq_run_live is missing"]
    assert gutted in result.error["mended"][0]


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    yield from make_location(request, tmp_path, "postgresql")


IN_PLACE_OF_GUARDS = [
    damage
    for damage in ON_POSTGRESQL
    if damage.sentence.startswith(("the trigger", "the function", "the rule", "the row", "row"))
    and "alembic" not in damage.sentence
]


@pytest.mark.parametrize("sound", ["postgresql"], indirect=True)
@pytest.mark.parametrize("damage", IN_PLACE_OF_GUARDS, ids=str)
def test_what_stands_in_place_of_the_guards_is_replaced(sound: sa.Engine, damage: Damage) -> None:
    with sound.connect() as connection:
        for statement in damage.statements:
            connection.exec_driver_sql(statement)
        replace_guards(connection)
        assert find_differences(connection) == []
        connection.rollback()


def _in_schema(location: RegistryLocation, name: str) -> RegistryLocation:
    """Return the location of a registry in another schema of the same database."""
    separator = "&" if "?" in location.database else "?"
    url = f"{location.database}{separator}options=-csearch_path%3D{name}"
    return RegistryLocation(url, location.store.parent / f"store-{name}")


@pytest.mark.slow
def test_a_check_looks_at_its_own_schema_only(postgresql: RegistryLocation) -> None:
    _execute(postgresql, "CREATE SCHEMA beside")
    beside = _in_schema(postgresql, "beside")
    create_registry(beside.database, beside.store)
    _execute(postgresql, "DROP TRIGGER version_update ON version")
    missing = ["the trigger version_update is missing"]
    with postgresql.open() as damaged, beside.open() as other:
        assert (damaged.differences(), other.differences()) == (missing, [])
        other.panels.add(PANEL_A)
        assert damaged.mend_guards() == missing
        assert (damaged.differences(), other.differences()) == ([], [])
    # The guards of one registry that look into the other.
    _execute(
        postgresql,
        "DROP TRIGGER panel_delete ON beside.panel",
        "CREATE TRIGGER panel_delete BEFORE DELETE ON beside.panel FOR EACH ROW"
        " EXECUTE FUNCTION public.calreg_refuse()",
        "ALTER TABLE beside.panel ENABLE ALWAYS TRIGGER panel_delete",
        _body("RETURN OLD;", name="public.calreg_refuse()"),
    )
    with postgresql.open() as damaged, beside.open() as other:
        (sentence,) = other.differences()
        assert "has function public.calreg_refuse() instead of beside.calreg_refuse()" in sentence
        assert damaged.mend_guards() == [
            "the function calreg_refuse() has another body than that of this software"
        ]
        assert other.mend_guards() == [sentence]
        assert (damaged.differences(), other.differences()) == ([], [])


@pytest.mark.slow
def test_a_renamed_schema_is_found_and_a_write_names_the_check(empty_postgres: str, tmp_path: Path) -> None:
    location = RegistryLocation(empty_postgres, tmp_path / "store")
    create_registry(location.database, location.store)
    with location.open() as registry:
        registry.panels.add(PANEL_A)
    _execute(location, "ALTER SCHEMA public RENAME TO archive")
    renamed = RegistryLocation(_in_schema(location, "archive").database, location.store)
    with renamed.open() as registry:
        sentence = "the function calreg_withdraw() has another body than that of this software"
        assert sentence in registry.differences()
        with assert_refused(SchemaError, remedy=Remedy.CHECK_DATABASE) as refusal:
            registry.panels.add(PANEL_B)
        assert 'relation "public.' in refusal.value.message
        assert "database check" in str(WORDS[Remedy.CHECK_DATABASE])
        assert sentence in registry.mend_guards()
        assert registry.differences() == []
        assert registry.panels.add(PANEL_B).revision == 2


@pytest.mark.slow
def test_a_missing_table_is_a_refusal_with_the_check_to_run(
    location: RegistryLocation, calreg: Calreg
) -> None:
    cascade = "" if location.is_sqlite else " CASCADE"
    _execute(location, f"DROP TABLE configuration_panel{cascade}")
    error = calreg.assert_refused(7, "detector", "list")
    assert "configuration_panel" in error["message"]
    assert "calreg database check" in error["message"]
    error = calreg.assert_refused(7, "database", "check")
    assert "the table configuration_panel is missing" in error["differences"]


@pytest.mark.slow
@pytest.mark.parametrize("table", ["registry", "lineage", "closure"])
def test_a_check_names_the_table_without_which_no_registry_is_opened(
    location: RegistryLocation, calreg: Calreg, table: str
) -> None:
    _execute(location, f"ALTER TABLE {table} RENAME TO former")
    checks = [calreg.assert_refused(7, "database", "check", *options) for options in ((), ("--mend-guards",))]
    refusal = calreg.assert_refused(7, "panel", "add", PANEL_A)
    _execute(location, f"ALTER TABLE former RENAME TO {table}")
    for error in checks:
        assert f"the table {table} is missing" in error["differences"]
        assert "the table former is not part of the schema" in error["differences"]
    assert table in refusal["message"]


@pytest.mark.slow
def test_only_the_owner_replaces_the_guards(postgresql: RegistryLocation) -> None:
    role, password = f"visitor_{os.getpid()}", "not a secret"
    _execute(postgresql, f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    try:
        with postgresql.open() as registry:
            registry.grant(writers=[role], apply=True)
        _execute(postgresql, "DROP TRIGGER version_update ON version")
        url = sa.make_url(postgresql.database).set(username=role, password=password)
        with open_registry(url.render_as_string(hide_password=False), postgresql.store) as registry:
            assert registry.differences() == ["the trigger version_update is missing"]
            with assert_refused(UnavailableError):
                registry.mend_guards()
            assert registry.differences() == ["the trigger version_update is missing"]
    finally:
        _execute(postgresql, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.slow
def test_a_row_of_a_sealed_revision_with_a_reference_to_nothing_is_reported_on_sqlite(
    sqlite_location: RegistryLocation, sqlite_calreg: Calreg
) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
    # A plain connection of SQLite does not look at references.
    _execute(
        sqlite_location,
        "DROP TRIGGER alias_insert",
        "INSERT INTO alias (id, recorded_in, m_number, panel_id, valid_from) VALUES (1, 1, 'M068', 4711, 0)",
    )
    result = sqlite_calreg("verify")
    assert result.code == 6
    assert "revision 1 is not as it was sealed: alias (1 of 0 rows)" in result.stdout


def test_a_database_that_names_two_schemas_is_damaged(location: RegistryLocation, calreg: Calreg) -> None:
    tamper(location, ("INSERT INTO alembic_version VALUES ('0007')",))
    for verb in (("database", "check"), ("verify",), ("log",)):
        calreg.assert_refused(6, *verb)


def test_pages_of_a_file_are_checked_on_request(sqlite_location: RegistryLocation) -> None:
    """SQLite would not find a panel by an index that lacks it; nothing of the schema tells."""
    assert sqlite_location.file is not None
    with closing(sqlite3.connect(sqlite_location.file, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        index = "type = 'index' AND name = 'ix_panel_recorded_in'"
        row = connection.execute(f"SELECT * FROM sqlite_master WHERE {index}").fetchone()
        connection.execute(f"DELETE FROM sqlite_master WHERE {index}")
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
    with closing(sqlite3.connect(sqlite_location.file, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    lacking = "integrity: row 1 missing from index ix_panel_recorded_in"
    with sqlite_location.open() as registry:
        assert registry.differences() == []
        assert lacking in registry.differences(thorough=True)
        assert lacking in str(registry.verify().problems)


def test_the_command_checks_pages_on_request(calreg: Calreg) -> None:
    assert calreg("database", "check", "--thorough").code == 0
