"""A registry can be closed to writes: it moved to another database, or this one is a snapshot.

Frozen once released: it describes the schema of its time, and imports nothing of the software.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Tables to which nothing is added in a closed registry. A second row of `registry` is refused anyway.
FACTS = ("alias", "configuration", "run", "version")
TABLES = (
    *FACTS,
    "blob",
    "configuration_panel",
    "constants",
    "constants_file",
    "export",
    "export_input",
    "export_output",
    "panel",
    "revision",
    "tag",
)
GUARDED = (*((table, "insert") for table in TABLES), *((table, "update") for table in FACTS))

CLOSED = "EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL)"
TEXTS = ("reason", "place", "author", "database_role", "host", "command", "software")
INTEGERS = ("number", "closed_at", "opened_at")
INSERT_RULES = (
    (
        "NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM closure)",
        "closures are numbered without gaps",
    ),
    (CLOSED, "the registry is closed already"),
)
OPENING = "OLD.reason = 'arrival' AND OLD.opened_at IS NULL AND NEW.opened_at IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "closure",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("database_role", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("software", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "reason IN ('arrival', 'departure', 'snapshot')", name=op.f("ck_closure_reason_is_known")
        ),
        sa.CheckConstraint(
            "opened_at IS NULL OR (reason = 'arrival' AND opened_at >= closed_at)",
            name=op.f("ck_closure_only_arrivals_open"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_closure")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    count = op.get_bind().execute(sa.text("SELECT count(*) FROM closure")).scalar_one()
    if count:
        raise RuntimeError(
            f"this registry has {count} closures or arrivals; going below schema 0003 would lose them"
        )
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table, event in GUARDED:
        op.execute(f"DROP TRIGGER {table}_closed_{event}" + (f" ON {table}" if postgresql else ""))
    op.drop_table("closure")
    if postgresql:
        for function in ("calreg_closed", "calreg_open", "calreg_insert_closure"):
            op.execute(f"DROP FUNCTION {function}()")


def _guard_sqlite() -> None:
    typed = [
        *((f"typeof(NEW.{name}) NOT IN ('text', 'null')", f"{name} is of another type") for name in TEXTS),
        *(
            (f"typeof(NEW.{name}) NOT IN ('integer', 'null')", f"{name} is of another type")
            for name in INTEGERS
        ),
    ]
    checks = "\n".join(
        f"  SELECT RAISE(ABORT, 'append-only: closure: {sentence}') WHERE {condition};"
        for condition, sentence in (*typed, *INSERT_RULES)
    )
    op.execute(f"CREATE TRIGGER closure_insert BEFORE INSERT ON closure BEGIN\n{checks}\nEND")
    kept = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in (*TEXTS, *INTEGERS) if name != "opened_at")
    op.execute(
        f"CREATE TRIGGER closure_update BEFORE UPDATE ON closure WHEN NOT ({kept} AND {OPENING}"
        " AND typeof(NEW.opened_at) = 'integer') BEGIN"
        " SELECT RAISE(ABORT, 'append-only: closure: this UPDATE is refused'); END"
    )
    op.execute(
        "CREATE TRIGGER closure_delete BEFORE DELETE ON closure BEGIN"
        " SELECT RAISE(ABORT, 'append-only: closure: DELETE is refused'); END"
    )
    for table, event in GUARDED:
        op.execute(
            f"CREATE TRIGGER {table}_closed_{event} BEFORE {event} ON {table} WHEN {CLOSED} BEGIN"
            f" SELECT RAISE(ABORT, 'append-only: {table}: the registry is closed to writes'); END"
        )


def _guard_postgresql() -> None:
    error = "USING ERRCODE = 'integrity_constraint_violation'"
    # The caller's search path is not followed, as in schema 0001.
    ours = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    guard = f"RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, {ours}, pg_temp"
    checks = "\n".join(
        f"IF {condition} THEN RAISE EXCEPTION 'append-only: closure: {sentence}' {error}; END IF;"
        for condition, sentence in INSERT_RULES
    )
    op.execute(f"""
        CREATE FUNCTION calreg_insert_closure() {guard} AS $$
        BEGIN
            {checks}
            RETURN NEW;
        END $$""")
    op.execute(f"""
        CREATE FUNCTION calreg_open() {guard} AS $$
        BEGIN
            IF to_jsonb(NEW) - 'opened_at' IS DISTINCT FROM to_jsonb(OLD) - 'opened_at' OR NOT ({OPENING}) THEN
                RAISE EXCEPTION 'append-only: closure: this UPDATE is refused' {error};
            END IF;
            RETURN NEW;
        END $$""")
    op.execute(f"""
        CREATE FUNCTION calreg_closed() {guard} AS $$
        BEGIN
            IF {CLOSED} THEN
                RAISE EXCEPTION 'append-only: %: the registry is closed to writes', TG_TABLE_NAME {error};
            END IF;
            RETURN NULL;
        END $$""")
    _trigger("closure", "closure_insert", "INSERT", "ROW", "calreg_insert_closure")
    _trigger("closure", "closure_update", "UPDATE", "ROW", "calreg_open")
    _trigger("closure", "closure_delete", "DELETE", "ROW", "calreg_refuse")
    _trigger("closure", "closure_truncate", "TRUNCATE", "STATEMENT", "calreg_refuse")
    for table, event in GUARDED:
        # Per statement, not per row: a bulk import runs this check a few times, not a million times.
        _trigger(table, f"{table}_closed_{event}", event.upper(), "STATEMENT", "calreg_closed")


def _trigger(table: str, name: str, event: str, level: str, function: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {level} EXECUTE FUNCTION {function}()"
    )
    # ALWAYS: session_replication_role does not switch it off.
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
