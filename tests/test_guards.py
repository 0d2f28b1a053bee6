"""The database itself refuses what the registry never does, by raw SQL and behind the registry's back.

One registry with facts in every table serves all these tests: what is refused changes nothing. Every
statement is committed, so what is seen afterwards is what the database kept, not what a rollback undid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from registry import instants, schema
from registry.authorship import build_signature
from registry.database.closing import record_closure
from registry.errors import ConflictError
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.conftest import make_location

TABLES = [pytest.param(table, id=table.name) for table in schema.metadata.sorted_tables]
FACTS = [param for param in TABLES if param.values[0].info.get("fact")]
RECORDED = [param for param in TABLES if "recorded_in" in param.values[0].c]
CHILDREN = [param for param in TABLES if "parent" in param.values[0].info]

Row = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """A registry with rows in every table, and a way to work on it with raw SQL."""

    location: RegistryLocation
    engine: sa.Engine
    newest: int

    def rows(self, table: sa.Table) -> list[Row]:
        order = ", ".join(column.name for column in table.primary_key)
        with self.engine.connect() as connection:
            rows = connection.execute(sa.text(f"SELECT * FROM {table.name} ORDER BY {order}"))
            return [dict(row) for row in rows.mappings()]

    def everything(self) -> dict[str, list[Row]]:
        return {table.name: self.rows(table) for table in schema.metadata.sorted_tables}

    def refuses(
        self,
        statement: str,
        values: Row | None = None,
        *,
        table: sa.Table,
        saying: str = "append-only: {table}:",
        first: str | None = None,
        begun: bool = False,
    ) -> None:
        """Assert that the statement is refused, with these words, and that the table stays as it was.

        Parameters
        ----------
        first
            A statement before it.
        begun
            In a transaction that has begun the next revision, and is not committed.
        """
        before = self.rows(table)
        with self.engine.connect() as connection:
            if first is not None:
                connection.execute(sa.text(first))
            if begun:
                connection.execute(sa.text(_insert(schema.revision, self.next_revision)), self.next_revision)
            refusal = _refusal(connection, statement, values)
            assert refusal is not None, f"{statement} with {values} was let through"
            assert saying.format(table=table.name) in refusal, (statement, values)
            if begun:
                connection.rollback()
            else:
                connection.commit()
            if first is not None:
                connection.invalidate()  # no other test gets this connection
        assert self.rows(table) == before

    def passes(self, *rows: tuple[sa.Table, Row], then: tuple[str, Row] | None = None) -> None:
        """Assert that the rows are taken by the next revision, and one more statement; take them back."""
        with self.engine.connect() as connection:
            for table, row in ((schema.revision, self.next_revision), *rows):
                assert connection.execute(sa.text(_insert(table, row)), row).rowcount == 1
            if then is not None:
                assert connection.execute(sa.text(then[0]), then[1]).rowcount == 1
            connection.rollback()

    @property
    def next_revision(self) -> Row:
        """The row of a revision that can be recorded."""
        return {**self.rows(schema.revision)[-1], "number": self.newest + 1}


def _refusal(connection: sa.Connection, statement: str, values: Row | None) -> str | None:
    try:
        connection.execute(sa.text(statement), values or {})
    except sa.exc.DBAPIError as refusal:
        return str(refusal.orig)
    return None


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    folder = tmp_path_factory.mktemp("facts")
    for location in make_location(request, folder, request.param):
        _fill(location, folder)
        engine = location.engine()
        with engine.connect() as connection:
            newest = connection.execute(sa.text("SELECT max(number) FROM revision")).scalar_one()
        yield Facts(location, engine, newest)
        engine.dispose()


def _fill(location: RegistryLocation, folder: Any) -> None:
    """Record facts in every table, live ones and withdrawn ones, the newest revision touching few of them."""
    with location.open() as registry:
        backend = registry._backend
        backend.record_revision(
            lambda change: change.record(schema.timezone, [{"name": "Europe/Zurich"}]), None
        )
        backend.record_revision(lambda change: change.withdraw(schema.timezone, [1]), None)
        backend.record_revision(lambda change: change.record(schema.timezone, [{"name": "Asia/Tokyo"}]), None)
        registry.panels.add(PANEL_A, alias="M068")
        registry.panels.add(NEW_A, alias="M068")
        registry.panels.add(PANEL_B)
        registry.aliases.withdraw("M068", NEW_A, comment="another module after all")
        registry.versions.add(
            PANEL_A, write_panel_folder(folder / "one", seed=1), valid_from="20170101000000"
        )
        two = registry.versions.add(
            PANEL_A, write_panel_folder(folder / "two", seed=2), valid_from="20180101000000"
        )
        registry.versions.gap(PANEL_A, valid_from="20190101000000", comment="in repair")
        registry.versions.withdraw(two.versions[0].version, comment="taken in the wrong mode")
        for run in (1, 2):
            registry.runs.add(f"exp=xcsls3716:run={run}", begin="20170601000000", end="20170602000000")
        registry.runs.withdraw("exp=xcsls3716:run=2", comment="never taken")
        source = "XcsEndstation.0:Jungfrau.0"
        registry.detectors.configure("xcsls3716", source, PANEL_A, first_run=1, last_run=8)
        registry.detectors.configure("xcsls3716", source, f"{PANEL_B}_{PANEL_C}", first_run=20, last_run=30)
        registry.detectors.withdraw("xcsls3716", source, first_run=20, comment="never mounted")
        registry.detectors.name("front", PANEL_A)
        registry.detectors.name("back", f"{PANEL_B}_{PANEL_C}")
        registry.detectors.withdraw_name("back", comment="never called so")
        registry.export("exp=xcsls3716:run=1", folder / "export")
        registry.export("exp=xcsls3716:run=1", folder / "again", types=["pixel_gain"])
        registry.tags.add("first")
        loss = {"reason": "loss", "ancestor": registry.id, "head_revision": 99, "head_seal": "a" * 64}
        backend.record_revision(lambda change: change.record(schema.lineage, [loss]), None)
        with registry._backend.database.write_transaction(build_signature()) as change:
            record_closure(
                change.connection, "arrival", "sqlite:///old", instants.now(), build_signature(), opened=True
            )


def _other(value: Any, column: sa.Column[Any]) -> Any:
    """Return another value that the column's type, and as far as possible its constraints, would take."""
    if isinstance(column.type, sa.Boolean):
        return not value
    if isinstance(column.type, sa.Double):
        return (value or 0.0) + 1.0
    if isinstance(column.type, sa.Integer):
        return (value or 0) + 1
    text = value or ""
    return ("z" if text[:1] != "z" else "y") + text[1:]


def _keys(table: sa.Table) -> list[tuple[list[str], str]]:
    """Return every key of the table: its columns, and the condition of a partial one."""
    keys = [([column.name for column in table.primary_key], "")]
    keys += [
        ([column.name for column in constraint.columns], "")
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    ]
    for index in table.indexes:
        if index.unique:
            condition = f" WHERE {index.info['where']}" if "where" in index.info else ""
            keys.append(([column.name for column in index.columns], condition))
    return keys


def _fresh(facts: Facts, table: sa.Table, row: Row, kept: list[str]) -> Row:
    """Return a live row of the next revision, like `row`, with another value in every key column not to be kept."""
    fresh = dict(row)
    if "recorded_in" in row:
        fresh["recorded_in"] = facts.newest + 1
    if "withdrawn_in" in row:
        fresh["withdrawn_in"] = None
    for name in {name for columns, _ in _keys(table) for name in columns} - set(kept):
        column = table.c[name]
        if not column.foreign_keys:
            fresh[name] = row[name] + 1000 if isinstance(row[name], int) else _other(row[name], column)
    if table is schema.version:
        fresh["latest_start"] = max(fresh["valid_from"], _latest_start(facts, fresh))
    return fresh


def _latest_start(facts: Facts, version: Row) -> int:
    location = (version["panel_id"], version["kind"])
    rows = [row for row in facts.rows(schema.version) if (row["panel_id"], row["kind"]) == location]
    return max((row["valid_from"] for row in rows), default=instants.BEGINNING)


def _insert(table: sa.Table, row: Row, verb: str = "INSERT INTO", end: str = "") -> str:
    marks = ", ".join(f":{name}" for name in row)
    return f"{verb} {table.name} ({', '.join(row)}) VALUES ({marks}){end}"


def _where(table: sa.Table) -> str:
    return " AND ".join(f"{column.name} = :old_{column.name}" for column in table.primary_key)


def _identity(table: sa.Table, row: Row) -> Row:
    return {f"old_{column.name}": row[column.name] for column in table.primary_key}


def _live(facts: Facts, table: sa.Table) -> Row:
    return next(row for row in facts.rows(table) if row["withdrawn_in"] is None)


def _withdrawn(facts: Facts, table: sa.Table) -> Row:
    return next(row for row in facts.rows(table) if row["withdrawn_in"] is not None)


def _examples(facts: Facts, table: sa.Table) -> list[Row]:
    """Return a row of each sort: of facts a live one and a withdrawn one."""
    if table.info.get("fact"):
        return [_live(facts, table), _withdrawn(facts, table)]
    return facts.rows(table)[:1]


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_these_tests_have_a_row_of_every_table_to_try(facts: Facts, table: sa.Table) -> None:
    assert facts.rows(table)


@pytest.mark.parametrize("table", TABLES)
def test_no_column_of_any_row_can_be_updated(facts: Facts, table: sa.Table) -> None:
    verbs = ("UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE") if facts.location.is_sqlite else ("UPDATE",)
    for row in _examples(facts, table):
        for column in table.c:
            values = {"new": _other(row[column.name], column), **_identity(table, row)}
            for verb in verbs:
                sql = f"{verb} {table.name} SET {column.name} = :new WHERE {_where(table)}"
                if column.name != "withdrawn_in":
                    facts.refuses(sql, values, table=table)
            facts.refuses(f"UPDATE {table.name} SET {column.name} = {column.name}", table=table)


@pytest.mark.parametrize("table", FACTS)
def test_a_live_fact_can_be_withdrawn_by_the_newest_revision(facts: Facts, table: sa.Table) -> None:
    row = _live(facts, table)
    withdraw = f"UPDATE {table.name} SET withdrawn_in = :new WHERE {_where(table)}"
    facts.passes(then=(withdraw, {"new": facts.newest + 1, **_identity(table, row)}))
    facts.refuses(
        withdraw,
        {"new": facts.newest, **_identity(table, row)},
        table=table,
        saying="append-only: {table}: the revision is sealed",
    )


@pytest.mark.parametrize("table", FACTS)
def test_a_withdrawal_changes_nothing_else(facts: Facts, table: sa.Table) -> None:
    row = _live(facts, table)
    for column in table.c:
        if column.name == "withdrawn_in":
            continue
        sql = f"UPDATE {table.name} SET withdrawn_in = :next, {column.name} = :new WHERE {_where(table)}"
        values = {"next": facts.newest + 1, "new": _other(row[column.name], column), **_identity(table, row)}
        facts.refuses(sql, values, table=table, begun=True, saying="this UPDATE is refused")


@pytest.mark.parametrize("table", FACTS)
def test_withdrawn_in_is_never_back_dated_nor_set_ahead(facts: Facts, table: sa.Table) -> None:
    row = _live(facts, table)
    assert row["recorded_in"] < facts.newest - 1, "an older revision would otherwise be no later one"
    for number in (facts.newest - 1, facts.newest, facts.newest + 2):
        facts.refuses(
            f"UPDATE {table.name} SET withdrawn_in = :new WHERE {_where(table)}",
            {"new": number, **_identity(table, row)},
            table=table,
            begun=True,
            saying="this UPDATE is refused",
        )


@pytest.mark.parametrize("table", FACTS)
def test_withdrawn_in_once_set_is_never_cleared_nor_changed(facts: Facts, table: sa.Table) -> None:
    row = _withdrawn(facts, table)
    for number in (None, facts.newest + 1, row["withdrawn_in"] + 1, row["withdrawn_in"]):
        facts.refuses(
            f"UPDATE {table.name} SET withdrawn_in = :new WHERE {_where(table)}",
            {"new": number, **_identity(table, row)},
            table=table,
            begun=True,
            saying="this UPDATE is refused",
        )


@pytest.mark.parametrize("table", FACTS)
def test_no_fact_is_withdrawn_by_the_revision_that_recorded_it(facts: Facts, table: sa.Table) -> None:
    row = _fresh(facts, table, _withdrawn(facts, table), [])
    with facts.engine.connect() as connection:
        connection.execute(sa.text(_insert(schema.revision, facts.next_revision)), facts.next_revision)
        connection.execute(sa.text(_insert(table, row)), row)
        with pytest.raises(sa.exc.IntegrityError, match=f"ck_{table.name}_withdrawn_later"):
            connection.execute(
                sa.text(f"UPDATE {table.name} SET withdrawn_in = :new WHERE {_where(table)}"),
                {"new": facts.newest + 1, **_identity(table, row)},
            )
        connection.rollback()


@pytest.mark.parametrize("table", RECORDED)
def test_nothing_is_recorded_in_a_revision_but_the_newest(facts: Facts, table: sa.Table) -> None:
    row = _fresh(facts, table, _examples(facts, table)[-1], [])
    facts.passes((table, row))
    for number in (facts.newest - 1, facts.newest, facts.newest + 2, 0, None):
        facts.refuses(
            _insert(table, row),
            {**row, "recorded_in": number},
            table=table,
            begun=True,
            saying="append-only: {table}: recorded_in is not the newest revision",
        )


@pytest.mark.parametrize("table", RECORDED)
def test_nothing_is_recorded_in_a_sealed_revision(facts: Facts, table: sa.Table) -> None:
    row = {**_fresh(facts, table, _examples(facts, table)[-1], []), "recorded_in": facts.newest}
    facts.refuses(
        _insert(table, row), row, table=table, saying="append-only: {table}: the revision is sealed"
    )


@pytest.mark.parametrize("table", FACTS)
def test_no_fact_is_recorded_as_withdrawn_already(facts: Facts, table: sa.Table) -> None:
    row = _fresh(facts, table, _withdrawn(facts, table), [])
    for number in (facts.newest, facts.newest + 1, facts.newest + 2):
        facts.refuses(
            _insert(table, row),
            {**row, "withdrawn_in": number},
            table=table,
            begun=True,
            saying="a fact is not withdrawn when it is recorded",
        )


@pytest.mark.parametrize("name", ["alias", "run", "version"])
def test_a_second_live_fact_with_the_same_key_is_refused(facts: Facts, name: str) -> None:
    table = schema.metadata.tables[name]
    (kept,) = [columns for columns, condition in _keys(table) if condition]
    row = _fresh(facts, table, _live(facts, table), kept)
    refusal = "a row with this key is there" if facts.location.is_sqlite else f"uq_{name}_live"
    facts.refuses(_insert(table, row), row, table=table, saying=refusal, begun=True)


def test_a_version_has_the_latest_start_of_its_panel_and_kind(facts: Facts) -> None:
    """As of a revision a look-up begins there: a smaller one would hide what holds."""
    table = schema.version
    live = _live(facts, table)
    row = {**_fresh(facts, table, live, []), "kind": live["kind"]}
    latest = _latest_start(facts, row)
    for start in (latest - 1, latest + 1):
        right = {**row, "valid_from": start, "latest_start": max(start, latest)}
        facts.passes((table, right))
        for wrong in (right["latest_start"] - 1, right["latest_start"] + 1, None):
            facts.refuses(
                _insert(table, right),
                {**right, "latest_start": wrong},
                table=table,
                begun=True,
                saying="latest_start is not the greatest start of the panel and kind",
            )


@pytest.mark.parametrize("table", CHILDREN)
def test_nothing_is_added_to_what_an_earlier_revision_recorded(facts: Facts, table: sa.Table) -> None:
    parent, key = table.info["parent"]
    row = facts.rows(table)[0]
    others = {"gain_range": 2000, "position": 2000, "panel_id": 2}
    added = {**row, **{name: value for name, value in others.items() if name in row}}
    saying = f"the {parent} was recorded by an earlier revision"
    facts.refuses(_insert(table, added), added, table=table, saying=saying)
    facts.refuses(_insert(table, added), added, table=table, saying=saying, begun=True)
    assert row[key] == added[key]


@pytest.mark.parametrize("name", ["export_output", "export_input"])
def test_nothing_is_added_to_an_earlier_export(facts: Facts, name: str) -> None:
    table = schema.metadata.tables[name]
    row = facts.rows(table)[0]
    added = {
        **row,
        **{column: value for column, value in {"type": "more", "version_id": 3}.items() if column in row},
    }
    facts.refuses(_insert(table, added), added, table=table, saying=f"{name}: the export is not the newest")


@pytest.mark.parametrize("table", CHILDREN)
def test_no_row_that_the_newest_revision_recorded_is_replaced(facts: Facts, table: sa.Table) -> None:
    parent = schema.metadata.tables[table.info["parent"][0]]
    parent_row = _fresh(facts, parent, facts.rows(parent)[-1], [])
    child = {**facts.rows(table)[-1], table.info["parent"][1]: parent_row["id"]}
    child |= {"segment": 3} if "segment" in child else {}
    for columns, _ in _keys(table):
        other = {
            **_fresh(facts, table, child, columns),
            **{name: child[name] for name in columns},
        }
        other |= {"panel_id": 1} if "panel_id" in child and "panel_id" not in columns else {}
        target = f" ON CONFLICT ({', '.join(columns)}) DO UPDATE SET "
        attempts = [_insert(table, other, end=target + f"{columns[0]} = {table.name}.{columns[0]}")]
        if facts.location.is_sqlite:
            attempts += [
                _insert(table, other, "REPLACE INTO"),
                _insert(table, other, "INSERT OR REPLACE INTO"),
            ]
        for attempt in attempts:
            with facts.engine.connect() as connection:
                for owner, row in (
                    (schema.revision, facts.next_revision),
                    (parent, parent_row),
                    (table, child),
                ):
                    connection.execute(sa.text(_insert(owner, row)), row)
                refusal = _refusal(connection, attempt, other)
                assert refusal is not None, f"{attempt} with {other} was let through"
                assert f"append-only: {table.name}: " in refusal
                connection.rollback()


@pytest.mark.parametrize("step", [0, -1, 2, 1000])
def test_revisions_are_numbered_without_gaps(facts: Facts, step: int) -> None:
    row = {**facts.rows(schema.revision)[-1], "number": facts.newest + step}
    facts.refuses(_insert(schema.revision, row), row, table=schema.revision)


def test_the_instants_of_revisions_never_run_backwards(facts: Facts) -> None:
    newest = facts.rows(schema.revision)[-1]
    row = {**newest, "number": facts.newest + 1, "recorded_at": newest["recorded_at"] - 1}
    facts.refuses(_insert(schema.revision, row), row, table=schema.revision, saying="never run backwards")
    facts.passes()  # of the same instant


def test_a_database_holds_one_registry(facts: Facts) -> None:
    row = {"id": "00000000-0000-4000-8000-000000000000", "created_at": 0}
    facts.refuses(
        _insert(schema.registry, row), row, table=schema.registry, saying="a database holds one registry"
    )


@pytest.mark.parametrize("table", TABLES)
def test_nothing_can_be_deleted(facts: Facts, table: sa.Table) -> None:
    facts.refuses(f"DELETE FROM {table.name}", table=table)
    row = facts.rows(table)[-1]
    facts.refuses(f"DELETE FROM {table.name} WHERE {_where(table)}", _identity(table, row), table=table)


@pytest.mark.parametrize("table", TABLES)
def test_no_key_lets_a_row_be_replaced(facts: Facts, table: sa.Table) -> None:
    for row in _examples(facts, table):
        for columns, condition in _keys(table):
            if condition and row["withdrawn_in"] is not None:
                continue
            new = _fresh(facts, table, row, columns)
            begun = "recorded_in" in row
            target = f" ON CONFLICT ({', '.join(columns)}){condition} DO UPDATE SET "
            sets = ", ".join(f"{name} = excluded.{name}" for name in new)
            facts.refuses(_insert(table, new, end=target + sets), new, table=table, begun=begun)
            if facts.location.is_sqlite:
                for verb in ("REPLACE INTO", "INSERT OR REPLACE INTO"):
                    facts.refuses(_insert(table, new, verb), new, table=table, begun=begun)


@pytest.mark.parametrize("table", TABLES)
def test_sqlites_hidden_row_number_lets_no_row_be_replaced(facts: Facts, table: sa.Table) -> None:
    if not facts.location.is_sqlite:
        facts.refuses(  # PostgreSQL's counterpart is not a column that can be written
            f"UPDATE {table.name} SET ctid = '(0,1)'", table=table, saying="cannot assign to system column"
        )
        return
    if table.dialect_options["sqlite"]["with_rowid"] is False:
        facts.refuses(f"SELECT rowid FROM {table.name}", table=table, saying="no such column: rowid")
        return
    row = _examples(facts, table)[0]
    new = _fresh(facts, table, row, [])
    for name in ("rowid", "_rowid_", "oid"):
        with facts.engine.connect() as connection:
            number = connection.execute(
                sa.text(f"SELECT {name} FROM {table.name} WHERE {_where(table)}"), _identity(table, row)
            ).scalar_one()
        changed = {name: number, **{key: value for key, value in new.items() if key not in ("id", "number")}}
        for verb in ("REPLACE INTO", "INSERT OR REPLACE INTO"):
            facts.refuses(_insert(table, changed, verb), changed, table=table, begun="recorded_in" in row)
        facts.refuses(f"UPDATE OR REPLACE {table.name} SET {name} = {name} + 1", table=table)


@pytest.mark.parametrize("table", TABLES)
def test_no_row_takes_the_key_of_another(facts: Facts, table: sa.Table) -> None:
    rows = facts.rows(table)
    verb = "UPDATE OR REPLACE" if facts.location.is_sqlite else "UPDATE"
    for columns, _ in _keys(table):
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        values = {name: rows[0][name] for name in columns}
        sql = f"{verb} {table.name} SET {sets} WHERE {_where(table)}"
        facts.refuses(sql, {**values, **_identity(table, rows[-1])}, table=table)


on_postgresql = pytest.mark.parametrize("facts", ["postgresql"], indirect=True)


@on_postgresql
@pytest.mark.parametrize("table", TABLES)
def test_nothing_can_be_truncated(facts: Facts, table: sa.Table) -> None:
    before = facts.everything()
    facts.refuses(f"TRUNCATE {table.name} CASCADE", table=table, saying="append-only: ")
    every = ", ".join(schema.metadata.tables)
    facts.refuses(f"TRUNCATE {every}", table=table, saying="append-only: ")
    facts.refuses(f"TRUNCATE ONLY {table.name}", table=table, saying="")
    assert facts.everything() == before


@on_postgresql
@pytest.mark.parametrize("table", TABLES)
def test_the_role_of_a_replica_disables_no_trigger(facts: Facts, table: sa.Table) -> None:
    with facts.engine.connect() as connection:
        if connection.execute(sa.text("SELECT current_setting('is_superuser')")).scalar_one() != "on":
            pytest.skip(
                "only a superuser may set session_replication_role, and CALREG_TEST_POSTGRES names none"
            )
    before = facts.everything()
    first = "SET session_replication_role = replica"
    row, column = facts.rows(table)[0], next(iter(table.primary_key)).name
    for statement in (
        f"DELETE FROM {table.name}",
        f"UPDATE {table.name} SET {column} = {column}",
        f"TRUNCATE {table.name} CASCADE",
    ):
        facts.refuses(statement, table=table, first=first, saying="append-only: ")
    if "recorded_in" in row:
        new = {**_fresh(facts, table, row, []), "recorded_in": facts.newest - 1}
        facts.refuses(_insert(table, new), new, table=table, first=first)
    assert facts.everything() == before


@pytest.mark.parametrize("table", FACTS)
def test_a_temporary_table_does_not_replace_the_revisions(facts: Facts, table: sa.Table) -> None:
    older = facts.newest - 1
    first = f"CREATE TEMPORARY TABLE revision AS SELECT {older} AS number, 0 AS recorded_at"
    row = {**_fresh(facts, table, _withdrawn(facts, table), []), "recorded_in": older}
    facts.refuses(_insert(table, row), row, table=table, first=first)
    withdraw = f"UPDATE {table.name} SET withdrawn_in = :new WHERE {_where(table)}"
    values = {"new": older, **_identity(table, _live(facts, table))}
    facts.refuses(withdraw, values, table=table, first=first)


def test_the_registrys_own_connections_enforce_foreign_keys(facts: Facts) -> None:
    before = facts.everything()
    with facts.location.open() as registry:
        database = registry._backend.database
        dangling = [{"m_number": "M900", "panel_id": 4711}]
        with (
            pytest.raises((sa.exc.IntegrityError, ConflictError), match=r"(?i)foreign key|refers to no"),
            database.write_transaction(build_signature()) as change,
        ):
            change.record(schema.alias, dangling)
        if facts.location.is_sqlite:
            with database.read_transaction() as connection:
                assert connection.execute(sa.text("PRAGMA foreign_keys")).scalar_one() == 1
    assert facts.everything() == before


def test_no_reference_to_a_missing_row_is_accepted_even_where_foreign_keys_are_off(facts: Facts) -> None:
    first = "SET session_replication_role = replica" if facts.engine.dialect.name == "postgresql" else None
    version = {**_fresh(facts, schema.version, _live(facts, schema.version), []), "valid_from": 77}
    for column in ("panel_id", "constants_id", "carried_from"):
        row = {**version, "id": 9000, column: 999}
        facts.refuses(
            _insert(schema.version, row),
            row,
            table=schema.version,
            saying=f"{column} refers to no",
            first=first,
            begun=True,
        )
    tag = {**_tag(facts, "ghost"), "revision": 999}
    facts.refuses(
        _insert(schema.tag, tag),
        tag,
        table=schema.tag,
        saying="revision refers to no",
        first=first,
        begun=True,
    )


@pytest.mark.parametrize("name", ["20180101000000", "12", "-x", ""])
def test_no_tag_looks_like_a_number_or_a_time(facts: Facts, name: str) -> None:
    tag = _tag(facts, name)
    facts.refuses(_insert(schema.tag, tag), tag, table=schema.tag, saying="begins_with_letter", begun=True)


def _tag(facts: Facts, name: str) -> Row:
    """Return a tag of the first revision, recorded by the next one."""
    seal = facts.rows(schema.seal)[0]
    return {"name": name, "revision": 1, "recorded_in": facts.newest + 1, "seal": seal["digest"]}


def test_a_tag_has_the_seal_of_the_revision_that_it_names(facts: Facts) -> None:
    tag = _tag(facts, "second")
    facts.passes((schema.tag, tag))
    other = facts.rows(schema.seal)[1]["digest"]
    for wrong in ({"seal": other}, {"seal": None}, {"revision": 2}, {"revision": facts.newest + 1}):
        facts.refuses(
            _insert(schema.tag, tag),
            {**tag, **wrong},
            table=schema.tag,
            saying="append-only: tag: seal is not that of the revision",
            begun=True,
        )


def test_sqlite_keeps_no_value_of_another_type(facts: Facts) -> None:
    if facts.engine.dialect.name != "sqlite":
        return  # PostgreSQL's columns are typed
    for table, column in ((schema.version, "valid_from"), (schema.run, "begin_at"), (schema.version, "kind")):
        row = {**_fresh(facts, table, _live(facts, table), []), column: b"soon"}
        facts.refuses(_insert(table, row), row, table=table, saying=f"{column} is of another type")


def _seal(facts: Facts, **values: Any) -> Row:
    """Return a seal of the next revision."""
    newest = facts.rows(schema.seal)[-1]
    export = facts.rows(schema.export_seal)[-1]["export"]
    return {**newest, "revision": facts.newest + 1, "export": export, "late": None, **values}


def test_the_newest_revision_is_sealed_once_and_takes_no_row_then(facts: Facts) -> None:
    seal, tag = _seal(facts), _tag(facts, "too late")
    facts.passes((schema.tag, tag), (schema.seal, seal))
    row = _fresh(facts, schema.version, _live(facts, schema.version), [])
    withdraw = f"UPDATE version SET withdrawn_in = :new WHERE {_where(schema.version)}"
    identity = _identity(schema.version, _live(facts, schema.version))
    for statement, values in (
        (_insert(schema.tag, tag), tag),
        (_insert(schema.version, row), row),
        (withdraw, {"new": facts.newest + 1, **identity}),
        (_insert(schema.seal, seal), seal),
        (_insert(schema.seal, seal, end=" ON CONFLICT DO NOTHING"), seal),
    ):
        with facts.engine.connect() as connection:
            connection.execute(sa.text(_insert(schema.revision, facts.next_revision)), facts.next_revision)
            connection.execute(sa.text(_insert(schema.seal, seal)), seal)
            refusal = _refusal(connection, statement, values)
            assert "the revision is sealed" in str(refusal), statement
            connection.rollback()


@pytest.mark.parametrize("table", CHILDREN)
def test_nothing_is_added_to_what_a_sealed_revision_recorded(facts: Facts, table: sa.Table) -> None:
    parent = schema.metadata.tables[table.info["parent"][0]]
    parent_row = _fresh(facts, parent, facts.rows(parent)[-1], [])
    child = {**facts.rows(table)[-1], table.info["parent"][1]: parent_row["id"]}
    with facts.engine.connect() as connection:
        for owner, row in (
            (schema.revision, facts.next_revision),
            (parent, parent_row),
            (schema.seal, _seal(facts)),
        ):
            connection.execute(sa.text(_insert(owner, row)), row)
        refusal = _refusal(connection, _insert(table, child), child)
        assert f"append-only: {table.name}: the revision is sealed" in str(refusal)
        connection.rollback()


def test_only_the_newest_revision_is_sealed(facts: Facts) -> None:
    for number in (1, facts.newest, facts.newest + 2, None):
        seal = _seal(facts, revision=number)
        facts.refuses(
            _insert(schema.seal, seal), seal, table=schema.seal, begun=True, saying="append-only: seal: "
        )
    seal = _seal(facts, revision=facts.newest)
    facts.refuses(_insert(schema.seal, seal), seal, table=schema.seal, saying="the revision is sealed")


def test_a_seal_names_the_newest_export(facts: Facts) -> None:
    for export in (1, 99, None):
        seal = _seal(facts, export=export)
        facts.refuses(
            _insert(schema.seal, seal),
            seal,
            table=schema.seal,
            begun=True,
            saying="append-only: seal: export ",
        )


def test_no_revision_follows_one_that_is_not_sealed(facts: Facts) -> None:
    row = {**facts.next_revision, "number": facts.newest + 2}
    facts.refuses(
        _insert(schema.revision, row),
        row,
        table=schema.revision,
        begun=True,
        saying="append-only: revision: the newest revision is not sealed",
    )
    facts.passes((schema.seal, _seal(facts)), (schema.revision, row))


def _export(facts: Facts, **values: Any) -> Row:
    newest = facts.rows(schema.export)[-1]
    return {**newest, "id": newest["id"] + 1, **values}


def _parts_of_export(facts: Facts, number: int) -> list[tuple[sa.Table, Row]]:
    """Return an output, an input and the seal of an export."""
    return [
        *(
            (table, {**facts.rows(table)[-1], "export_id": number})
            for table in (schema.export_output, schema.export_input)
        ),
        (schema.export_seal, {"export": number, "digest": "d" * 64, "link": "e" * 64}),
    ]


@pytest.mark.parametrize("step", [-1, 0, 2])
def test_exports_are_numbered_without_gaps(facts: Facts, step: int) -> None:
    newest = facts.rows(schema.export)[-1]["id"]
    row = _export(facts, id=newest + step)
    facts.refuses(
        _insert(schema.export, row), row, table=schema.export, saying="exports are numbered without gaps"
    )


def test_a_sealed_export_takes_no_row_and_no_second_seal(facts: Facts) -> None:
    export = _export(facts)
    parts = _parts_of_export(facts, export["id"])
    with facts.engine.connect() as connection:
        for table, row in ((schema.export, export), *parts):
            connection.execute(sa.text(_insert(table, row)), row)
        more = {"type": "more", "version_id": 3, "link": "f" * 64}
        for table, row in parts:
            other = {name: more.get(name, value) for name, value in row.items()}
            nested = connection.begin_nested()
            refusal = _refusal(connection, _insert(table, other), other)
            assert f"append-only: {table.name}: the export is sealed" in str(refusal)
            nested.rollback()
        connection.rollback()


def test_no_export_follows_one_that_is_not_sealed(facts: Facts) -> None:
    export = _export(facts)
    following = _export(facts, id=export["id"] + 1)
    with facts.engine.connect() as connection:
        connection.execute(sa.text(_insert(schema.export, export)), export)
        refusal = _refusal(connection, _insert(schema.export, following), following)
        assert "append-only: export: the newest export is not sealed" in str(refusal)
        connection.rollback()


def test_only_the_newest_export_is_sealed(facts: Facts) -> None:
    newest = facts.rows(schema.export)[-1]["id"]
    for number in (1, newest, newest + 1, None):
        row = {"export": number, "digest": "d" * 64, "link": "e" * 64}
        facts.refuses(_insert(schema.export_seal, row), row, table=schema.export_seal)


@pytest.mark.parametrize("begun", ["revision", "export"])
def test_postgresql_commits_nothing_that_is_not_sealed(facts: Facts, begun: str) -> None:
    table = schema.metadata.tables[begun]
    row = facts.next_revision if begun == "revision" else _export(facts)
    before = facts.everything()
    with facts.engine.connect() as connection:
        connection.execute(sa.text(_insert(table, row)), row)
        if facts.location.is_sqlite:  # has no rule that waits for the end: `verify` names the revision
            connection.rollback()
            return
        with pytest.raises(sa.exc.IntegrityError, match=f"append-only: {begun}: {begun} .* is not sealed"):
            connection.commit()
    with facts.engine.connect() as connection:
        connection.execute(sa.text(_insert(table, row)), row)
        with pytest.raises(sa.exc.IntegrityError, match="is not sealed"):
            connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    assert facts.everything() == before


def test_sqlite_keeps_no_boolean_but_two(facts: Facts) -> None:
    if facts.engine.dialect.name != "sqlite":
        return  # PostgreSQL's columns are typed
    row = {**_fresh(facts, schema.version, _live(facts, schema.version), []), "nonfinite_allowed": 7}
    facts.refuses(
        _insert(schema.version, row),
        row,
        table=schema.version,
        begun=True,
        saying="nonfinite_allowed is of another type",
    )
