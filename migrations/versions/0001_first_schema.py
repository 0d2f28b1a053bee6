"""The first schema: panels, aliases, constants, versions, runs, configurations, revisions; append-only.

Frozen once released: it describes the schema of its time, and imports nothing of the software.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LIVE = sa.text("withdrawn_in IS NULL")

# Rows that a later revision can withdraw, by setting withdrawn_in once.
FACTS = ("alias", "configuration", "run", "version")
# Rows that are recorded in a revision and stay.
RECORDED = ("blob", "constants", "panel", "tag")
# Rows that belong to a recorded row, and come in its revision: (table, parent, key to it).
CHILDREN = (
    ("constants_file", "constants", "constants_id"),
    ("configuration_panel", "configuration", "configuration_id"),
)
# Rows that belong to an export, and come with it.
OF_EXPORTS = ("export_input", "export_output")

# Every key, because SQLite's REPLACE deletes what has the same key without asking a DELETE trigger.
KEYS = {
    "alias": (("id",), ("panel_id", "withdrawn_in")),
    "blob": (("sha256",),),
    "configuration": (("id",),),
    "configuration_panel": (("configuration_id", "position"), ("configuration_id", "panel_id")),
    "constants": (("id",), ("sha256",)),
    "constants_file": (("constants_id", "gain_range"),),
    "export": (("id",),),
    "export_input": (("export_id", "version_id"),),
    "export_output": (("export_id", "type"),),
    "panel": (("id",), ("identifier",)),
    "registry": (),
    "revision": (("number",),),
    "run": (("id",), ("experiment", "number", "withdrawn_in")),
    "tag": (("name",),),
    "version": (("id",), ("panel_id", "kind", "valid_from", "withdrawn_in")),
}

# Foreign keys are switched off with a pragma, or as a replica; these are not: (table, column, parent, key).
REFERENCES = (
    ("alias", "panel_id", "panel", "id"),
    ("configuration_panel", "panel_id", "panel", "id"),
    ("constants_file", "sha256", "blob", "sha256"),
    ("export", "revision", "revision", "number"),
    ("export_input", "version_id", "version", "id"),
    ("tag", "revision", "revision", "number"),
    ("version", "panel_id", "panel", "id"),
    ("version", "constants_id", "constants", "id"),
    ("version", "carried_from", "version", "id"),
)

# SQLite keeps any value in any column; these are the types that a column's declaration means.
SQLITE_TYPES = {"INTEGER": "integer", "BIGINT": "integer", "BOOLEAN": "integer", "DOUBLE": "real"}

NEWEST = "(SELECT max(number) FROM revision)"


TABLES = (
    "registry",
    "revision",
    "blob",
    "configuration",
    "constants",
    "export",
    "panel",
    "run",
    "tag",
    "alias",
    "configuration_panel",
    "constants_file",
    "export_output",
    "version",
    "export_input",
)


def upgrade() -> None:
    _create_tables()
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT count(*) FROM revision")).scalar_one():
        raise RuntimeError("this registry has revisions; going below schema 0001 would lose them all")
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for function in FUNCTIONS:
            op.execute(f"DROP FUNCTION {function}()")


def _insert_conditions() -> dict[str, list[tuple[str, str]]]:
    """Return by table what refuses an INSERT: (condition in terms of NEW, sentence)."""
    rules: dict[str, list[tuple[str, str]]] = {table: [] for table in TABLES}
    for table in (*FACTS, *RECORDED):
        rules[table].append(
            (f"NEW.recorded_in IS DISTINCT FROM {NEWEST}", "recorded_in is not the newest revision")
        )
    for table in FACTS:
        rules[table].append(("NEW.withdrawn_in IS NOT NULL", "a fact is not withdrawn when it is recorded"))
    for table, parent, key in CHILDREN:
        rules[table].append(
            (
                f"(SELECT recorded_in FROM {parent} WHERE id = NEW.{key}) IS DISTINCT FROM {NEWEST}",
                f"the {parent} was recorded by an earlier revision",
            )
        )
    for table in OF_EXPORTS:
        rules[table].append(
            ("NEW.export_id IS DISTINCT FROM (SELECT max(id) FROM export)", "the export is not the newest")
        )
    rules["revision"] += [
        (f"NEW.number IS DISTINCT FROM coalesce({NEWEST}, 0) + 1", "revisions are numbered without gaps"),
        (
            "NEW.recorded_at < (SELECT recorded_at FROM revision ORDER BY number DESC LIMIT 1)",
            "the instants of revisions never run backwards",
        ),
    ]
    for table, column, parent, key in REFERENCES:
        missing = f"NOT EXISTS (SELECT 1 FROM {parent} WHERE {key} = NEW.{column})"
        rules[table].append((f"NEW.{column} IS NOT NULL AND {missing}", f"{column} refers to no {parent}"))
    rules["registry"].append(("EXISTS (SELECT 1 FROM registry)", "a database holds one registry"))
    return rules


def _guard_sqlite() -> None:
    for table, rules in _insert_conditions().items():
        described = op.get_bind().execute(sa.text(f"PRAGMA table_info({table})")).all()
        columns = [row[1] for row in described]
        typed = [
            (
                f"typeof(NEW.{row[1]}) NOT IN ('{SQLITE_TYPES.get(row[2], 'text')}', 'null')",
                f"{row[1]} is of another type",
            )
            for row in described
        ]
        same = [" AND ".join(f"{column} IS NEW.{column}" for column in key) for key in KEYS[table]]
        taken = [
            (f"EXISTS (SELECT 1 FROM {table} WHERE {row})", "a row with this key is there") for row in same
        ]
        checks = "\n".join(
            # IS DISTINCT FROM is IS NOT in the SQLite versions that we support.
            f"  SELECT RAISE(ABORT, 'append-only: {table}: {sentence}') WHERE"
            f" {condition.replace('IS DISTINCT FROM', 'IS NOT')};"
            for condition, sentence in [*typed, *rules, *taken]
        )
        op.execute(f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} BEGIN\n{checks}\nEND")
        unless = ""
        if table in FACTS:
            kept = " AND ".join(
                f"NEW.{column} IS OLD.{column}" for column in columns if column != "withdrawn_in"
            )
            unless = f"WHEN NOT ({kept} AND OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS {NEWEST})"
        op.execute(
            f"CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} {unless} BEGIN"
            f" SELECT RAISE(ABORT, 'append-only: {table}: this UPDATE is refused'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} BEGIN"
            f" SELECT RAISE(ABORT, 'append-only: {table}: DELETE is refused'); END"
        )


FUNCTIONS = ("calreg_refuse", "calreg_withdraw", *(f"calreg_insert_{table}" for table in KEYS))


def _guard_postgresql() -> None:
    error = "USING ERRCODE = 'integrity_constraint_violation'"
    # The caller's search path is not followed: a temporary table named revision would speak for the real one.
    ours = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    guard = f"RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, {ours}, pg_temp"
    op.execute(f"""
        CREATE FUNCTION calreg_refuse() {guard} AS $$
        BEGIN
            RAISE EXCEPTION 'append-only: %: % is refused', TG_TABLE_NAME, TG_OP {error};
        END $$""")
    op.execute(f"""
        CREATE FUNCTION calreg_withdraw() {guard} AS $$
        BEGIN
            IF to_jsonb(NEW) - 'withdrawn_in' IS DISTINCT FROM to_jsonb(OLD) - 'withdrawn_in'
               OR OLD.withdrawn_in IS NOT NULL OR NEW.withdrawn_in IS DISTINCT FROM {NEWEST} THEN
                RAISE EXCEPTION 'append-only: %: this UPDATE is refused', TG_TABLE_NAME {error};
            END IF;
            RETURN NEW;
        END $$""")
    for table, rules in _insert_conditions().items():
        checks = "\n".join(
            f"IF {condition} THEN RAISE EXCEPTION 'append-only: {table}: {sentence}' {error}; END IF;"
            for condition, sentence in rules
        )
        op.execute(f"""
            CREATE FUNCTION calreg_insert_{table}() {guard} AS $$
            BEGIN
                {checks}
                RETURN NEW;
            END $$""")
        update = "calreg_withdraw" if table in FACTS else "calreg_refuse"
        _trigger(table, "insert", "ROW", f"calreg_insert_{table}")
        _trigger(table, "update", "ROW", update)
        _trigger(table, "delete", "ROW", "calreg_refuse")
        _trigger(table, "truncate", "STATEMENT", "calreg_refuse")


def _trigger(table: str, event: str, level: str, function: str) -> None:
    name = f"{table}_{event}"
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {level} EXECUTE FUNCTION {function}()"
    )
    # ALWAYS: session_replication_role does not switch it off.
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def _create_tables() -> None:
    op.create_table(
        "registry",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "revision",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("database_role", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("software", sa.Text(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_revision_counts_from_one")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_revision")),
    )
    op.create_table(
        "blob",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("dtype", sa.String(length=8), nullable=False),
        sa.Column("shape", sa.String(length=32), nullable=False),
        sa.Column("minimum", sa.Double(), nullable=True),
        sa.Column("median", sa.Double(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=True),
        sa.Column("zeros", sa.BigInteger(), nullable=False),
        sa.Column("nonfinite", sa.BigInteger(), nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "length(sha256) = 64 AND sha256 = lower(sha256)", name=op.f("ck_blob_sha256_is_digest")
        ),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_blob_recorded_in")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blob")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "configuration",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.Column("withdrawn_in", sa.Integer(), nullable=True),
        sa.Column("experiment", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=160), nullable=False),
        sa.Column("first_run", sa.Integer(), nullable=False),
        sa.Column("last_run", sa.Integer(), nullable=True),
        sa.Column("object_name", sa.String(length=64), nullable=True),
        sa.CheckConstraint("last_run >= first_run", name=op.f("ck_configuration_runs_in_order")),
        sa.CheckConstraint("withdrawn_in > recorded_in", name=op.f("ck_configuration_withdrawn_later")),
        sa.ForeignKeyConstraint(
            ["recorded_in"], ["revision.number"], name=op.f("fk_configuration_recorded_in")
        ),
        sa.ForeignKeyConstraint(
            ["withdrawn_in"], ["revision.number"], name=op.f("fk_configuration_withdrawn_in")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configuration")),
    )
    op.create_index(
        "ix_configuration_source", "configuration", ["experiment", "source", "first_run"], unique=False
    )
    op.create_table(
        "constants",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("detector_type", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "length(sha256) = 64 AND sha256 = lower(sha256)", name=op.f("ck_constants_sha256_is_digest")
        ),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_constants_recorded_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_constants")),
        sa.UniqueConstraint("sha256", name=op.f("uq_constants_sha256")),
    )
    op.create_table(
        "export",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("database_role", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("software", sa.Text(), nullable=False),
        sa.Column("detector_id", sa.Text(), nullable=False),
        sa.Column("experiment", sa.String(length=32), nullable=True),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(length=160), nullable=True),
        sa.Column("instant", sa.BigInteger(), nullable=False),
        sa.Column("provenance_path", sa.Text(), nullable=False),
        sa.Column("provenance_sha256", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "length(provenance_sha256) = 64 AND provenance_sha256 = lower(provenance_sha256)",
            name=op.f("ck_export_provenance_sha256_is_digest"),
        ),
        sa.ForeignKeyConstraint(["revision"], ["revision.number"], name=op.f("fk_export_revision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export")),
    )
    op.create_index(op.f("ix_export_provenance_sha256"), "export", ["provenance_sha256"], unique=False)
    op.create_table(
        "panel",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identifier", sa.String(length=64), nullable=False),
        sa.Column("detector_type", sa.String(length=32), nullable=False),
        sa.Column("module_version", sa.String(length=16), nullable=False),
        sa.Column("firmware_version", sa.String(length=16), nullable=False),
        sa.Column("serial_number", sa.String(length=16), nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_panel_recorded_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel")),
        sa.UniqueConstraint("identifier", name=op.f("uq_panel_identifier")),
    )
    op.create_index(op.f("ix_panel_serial_number"), "panel", ["serial_number"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.Column("withdrawn_in", sa.Integer(), nullable=True),
        sa.Column("experiment", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("begin_at", sa.BigInteger(), nullable=True),
        sa.Column("end_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("end_at >= begin_at", name=op.f("ck_run_ends_after_begin")),
        sa.CheckConstraint("withdrawn_in > recorded_in", name=op.f("ck_run_withdrawn_later")),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_run_recorded_in")),
        sa.ForeignKeyConstraint(["withdrawn_in"], ["revision.number"], name=op.f("fk_run_withdrawn_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(
        "uq_run_live", "run", ["experiment", "number"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
    )
    op.create_table(
        "tag",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "upper(substr(name, 1, 1)) <> lower(substr(name, 1, 1))", name=op.f("ck_tag_begins_with_letter")
        ),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_tag_recorded_in")),
        sa.ForeignKeyConstraint(["revision"], ["revision.number"], name=op.f("fk_tag_revision")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tag")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alias",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.Column("withdrawn_in", sa.Integer(), nullable=True),
        sa.Column("m_number", sa.String(length=8), nullable=False),
        sa.Column("panel_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("withdrawn_in > recorded_in", name=op.f("ck_alias_withdrawn_later")),
        sa.ForeignKeyConstraint(["panel_id"], ["panel.id"], name=op.f("fk_alias_panel_id")),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_alias_recorded_in")),
        sa.ForeignKeyConstraint(["withdrawn_in"], ["revision.number"], name=op.f("fk_alias_withdrawn_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alias")),
    )
    op.create_index(op.f("ix_alias_m_number"), "alias", ["m_number"], unique=False)
    op.create_index(
        "uq_alias_live", "alias", ["panel_id"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
    )
    op.create_table(
        "configuration_panel",
        sa.Column("configuration_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("panel_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["configuration_id"], ["configuration.id"], name=op.f("fk_configuration_panel_configuration_id")
        ),
        sa.ForeignKeyConstraint(["panel_id"], ["panel.id"], name=op.f("fk_configuration_panel_panel_id")),
        sa.PrimaryKeyConstraint("configuration_id", "position", name=op.f("pk_configuration_panel")),
        sa.UniqueConstraint(
            "configuration_id", "panel_id", name=op.f("uq_configuration_panel_configuration_id_panel_id")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_configuration_panel_panel_id"), "configuration_panel", ["panel_id"], unique=False
    )
    op.create_table(
        "constants_file",
        sa.Column("constants_id", sa.Integer(), nullable=False),
        sa.Column("gain_range", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["constants_id"], ["constants.id"], name=op.f("fk_constants_file_constants_id")
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name=op.f("fk_constants_file_sha256")),
        sa.PrimaryKeyConstraint("constants_id", "gain_range", name=op.f("pk_constants_file")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_constants_file_sha256"), "constants_file", ["sha256"], unique=False)
    op.create_table(
        "export_output",
        sa.Column("export_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "length(sha256) = 64 AND sha256 = lower(sha256)", name=op.f("ck_export_output_sha256_is_digest")
        ),
        sa.ForeignKeyConstraint(["export_id"], ["export.id"], name=op.f("fk_export_output_export_id")),
        sa.PrimaryKeyConstraint("export_id", "type", name=op.f("pk_export_output")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_export_output_sha256"), "export_output", ["sha256"], unique=False)
    op.create_table(
        "version",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.Column("withdrawn_in", sa.Integer(), nullable=True),
        sa.Column("panel_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("constants_id", sa.Integer(), nullable=True),
        sa.Column("carried_from", sa.Integer(), nullable=True),
        sa.Column("source_path", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("nonfinite_allowed", sa.Boolean(), nullable=False),
        sa.CheckConstraint("withdrawn_in > recorded_in", name=op.f("ck_version_withdrawn_later")),
        sa.ForeignKeyConstraint(["carried_from"], ["version.id"], name=op.f("fk_version_carried_from")),
        sa.ForeignKeyConstraint(["constants_id"], ["constants.id"], name=op.f("fk_version_constants_id")),
        sa.ForeignKeyConstraint(["panel_id"], ["panel.id"], name=op.f("fk_version_panel_id")),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_version_recorded_in")),
        sa.ForeignKeyConstraint(["withdrawn_in"], ["revision.number"], name=op.f("fk_version_withdrawn_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version")),
    )
    op.create_index(op.f("ix_version_constants_id"), "version", ["constants_id"], unique=False)
    op.create_index("ix_version_recorded_in", "version", ["recorded_in"], unique=False)
    op.create_index(
        "ix_version_start", "version", ["panel_id", "kind", "valid_from", "recorded_in"], unique=False
    )
    op.create_index("ix_version_withdrawn_in", "version", ["withdrawn_in"], unique=False)
    op.create_index(
        "uq_version_live",
        "version",
        ["panel_id", "kind", "valid_from"],
        unique=True,
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_table(
        "export_input",
        sa.Column("export_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["export_id"], ["export.id"], name=op.f("fk_export_input_export_id")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_export_input_version_id")),
        sa.PrimaryKeyConstraint("export_id", "version_id", name=op.f("pk_export_input")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_export_input_version_id"), "export_input", ["version_id"], unique=False)
