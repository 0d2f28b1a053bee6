"""The registry's time zone; starts of aliases; segment numbers; permissions that were given; histories by index.

Frozen once released: it describes the schema of its time, and imports nothing of the software.

``timezone`` holds the zones in which the registry reads times without an offset. ``alias.valid_from`` is the start
time of an alias, ``beginning`` for those that are there. ``configuration_panel.segment`` is NULL where nobody stated
it. ``alias.same_module`` and ``version.odd_allowed`` are NULL where no permission was given.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BEGINNING = -(2**63)
NEWEST = "(SELECT max(number) FROM revision)"
SEGMENT_RULE = "segment >= 0"

# SQLite's triggers name every column: (table, column, type), for the columns that are new.
COLUMNS = (
    ("alias", "valid_from", "integer"),
    ("alias", "same_module", "integer"),
    ("configuration_panel", "segment", "integer"),
    ("version", "odd_allowed", "integer"),
)
FACTS = ("alias", "version")
# The keys whose rows SQLite's REPLACE would remove: (table, condition before, condition after).
OLD_ALIAS_KEY = "panel_id IS NEW.panel_id AND withdrawn_in IS NEW.withdrawn_in"
NEW_ALIAS_KEY = (
    "panel_id IS NEW.panel_id AND valid_from IS NEW.valid_from AND withdrawn_in IS NEW.withdrawn_in"
)
OLD_RUN_KEY = "number IS NEW.number AND withdrawn_in IS NEW.withdrawn_in"
# The plus keeps SQLite from looking for the row among all that are live, by the index of `withdrawn_in`.
NEW_RUN_KEY = "number IS NEW.number AND +withdrawn_in IS NEW.withdrawn_in"
SEGMENT_KEY = "configuration_id IS NEW.configuration_id AND segment = NEW.segment"

# By which the log, and lists of the newest versions, are read page by page: (table, columns of each index).
RECORDED, WITHDRAWN = ("recorded_in", "id"), ("withdrawn_in", "id")
HISTORIES = (
    ("panel", RECORDED),
    ("tag", ("recorded_in", "name")),
    *(
        (table, columns)
        for table in ("run", "configuration", "timezone")
        for columns in (RECORDED, WITHDRAWN)
    ),
    *(
        (table, columns)
        for table in ("alias", "version")
        for columns in (RECORDED, WITHDRAWN, ("panel_id", *RECORDED), ("panel_id", *WITHDRAWN))
    ),
)

TIMEZONE_INSERT_RULES = (
    (f"NEW.recorded_in IS DISTINCT FROM {NEWEST}", "recorded_in is not the newest revision"),
    ("NEW.withdrawn_in IS NOT NULL", "a fact is not withdrawn when it is recorded"),
)
TIMEZONE_TYPES = {"id": "integer", "recorded_in": "integer", "withdrawn_in": "integer", "name": "text"}
CLOSED = "EXISTS (SELECT 1 FROM closure WHERE opened_at IS NULL)"


def upgrade() -> None:
    _create_timezone()
    if _is_postgresql():
        op.add_column(
            "alias", sa.Column("valid_from", sa.BigInteger(), nullable=False, server_default=str(BEGINNING))
        )
        op.alter_column("alias", "valid_from", server_default=None)
        op.add_column("alias", sa.Column("same_module", sa.Boolean(), nullable=True))
        op.drop_index("uq_alias_live", "alias")
        _guard_timezone_on_postgresql()
    else:
        _rebuild_aliases_on_sqlite("valid_from", "same_module")
        _guard_timezone_on_sqlite()
    live = sa.text("withdrawn_in IS NULL")
    op.create_index(
        "uq_alias_live",
        "alias",
        ["panel_id", "valid_from"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.execute(
        "ALTER TABLE configuration_panel ADD COLUMN segment INTEGER"
        f" CONSTRAINT ck_configuration_panel_segment_is_index CHECK ({SEGMENT_RULE})"
    )
    op.create_index(
        "uq_configuration_panel_segment",
        "configuration_panel",
        ["configuration_id", "segment"],
        unique=True,
    )
    op.add_column("version", sa.Column("odd_allowed", sa.Boolean(), nullable=True))
    _create_histories()
    if not _is_postgresql():
        for trigger, old, new in _rewritten_on_sqlite():
            _rewrite_on_sqlite(trigger, old, new)


def downgrade() -> None:
    _refuse_loss()
    if not _is_postgresql():
        for trigger, old, new in reversed(_rewritten_on_sqlite()):
            _rewrite_on_sqlite(trigger, new, old)
    _drop_histories()
    op.drop_column("version", "odd_allowed")
    op.drop_index("uq_configuration_panel_segment", "configuration_panel")
    op.drop_column("configuration_panel", "segment")
    op.drop_index("uq_alias_live", "alias")
    if _is_postgresql():
        op.drop_column("alias", "same_module")
        op.drop_column("alias", "valid_from")
    else:
        _rebuild_aliases_on_sqlite()
    live = sa.text("withdrawn_in IS NULL")
    op.create_index(
        "uq_alias_live", "alias", ["panel_id"], unique=True, sqlite_where=live, postgresql_where=live
    )
    op.drop_table("timezone")
    if _is_postgresql():
        op.execute("DROP FUNCTION calreg_insert_timezone()")


def _create_histories() -> None:
    op.drop_index("ix_alias_panel_id", "alias")
    for column in ("recorded_in", "withdrawn_in"):
        op.drop_index(f"ix_version_{column}", "version")
    for table, columns in HISTORIES:
        op.create_index(_name_history(table, columns), table, list(columns), unique=False)


def _drop_histories() -> None:
    for table, columns in HISTORIES:
        op.drop_index(_name_history(table, columns), table)
    op.create_index("ix_alias_panel_id", "alias", ["panel_id"], unique=False)
    for column in ("recorded_in", "withdrawn_in"):
        op.create_index(f"ix_version_{column}", "version", [column], unique=False)


def _name_history(table: str, columns: tuple[str, ...]) -> str:
    return f"ix_{table}_{'panel_' if columns[0] == 'panel_id' else ''}{columns[-2]}"


def _is_postgresql() -> bool:
    return bool(op.get_bind().dialect.name == "postgresql")


def _refuse_loss() -> None:
    lost = {
        "statements of its time zone": "timezone",
        "aliases with a start time": f"alias WHERE valid_from <> {BEGINNING}",
        "aliases of another serial number": "alias WHERE same_module IS NOT NULL",
        "panels with a segment number": "configuration_panel WHERE segment IS NOT NULL",
        "versions whose odd values were allowed": "version WHERE odd_allowed IS NOT NULL",
    }
    for rows_name, rows in lost.items():
        count = op.get_bind().execute(sa.text(f"SELECT count(*) FROM {rows}")).scalar_one()
        if count:
            raise RuntimeError(
                f"this registry has {count} {rows_name}; going below schema 0006 would lose them"
            )


def _create_timezone() -> None:
    op.create_table(
        "timezone",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.Column("withdrawn_in", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.CheckConstraint("withdrawn_in > recorded_in", name=op.f("ck_timezone_withdrawn_later")),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_timezone_recorded_in")),
        sa.ForeignKeyConstraint(["withdrawn_in"], ["revision.number"], name=op.f("fk_timezone_withdrawn_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timezone")),
    )


def _guard_timezone_on_sqlite() -> None:
    typed = [
        (f"typeof(NEW.{name}) NOT IN ('{kind}', 'null')", f"{name} is of another type")
        for name, kind in TIMEZONE_TYPES.items()
    ]
    same = ("EXISTS (SELECT 1 FROM timezone WHERE id IS NEW.id)", "a row with this key is there")
    checks = "\n".join(
        f"  SELECT RAISE(ABORT, 'append-only: timezone: {sentence}') WHERE"
        f" {condition.replace('IS DISTINCT FROM', 'IS NOT')};"
        for condition, sentence in (*typed, *TIMEZONE_INSERT_RULES, same)
    )
    op.execute(f"CREATE TRIGGER timezone_insert BEFORE INSERT ON timezone BEGIN\n{checks}\nEND")
    kept = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in TIMEZONE_TYPES if name != "withdrawn_in")
    op.execute(
        "CREATE TRIGGER timezone_update BEFORE UPDATE ON timezone"
        f" WHEN NOT ({kept} AND OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS {NEWEST}) BEGIN"
        " SELECT RAISE(ABORT, 'append-only: timezone: this UPDATE is refused'); END"
    )
    op.execute(
        "CREATE TRIGGER timezone_delete BEFORE DELETE ON timezone BEGIN"
        " SELECT RAISE(ABORT, 'append-only: timezone: DELETE is refused'); END"
    )
    for event in ("insert", "update"):
        op.execute(
            f"CREATE TRIGGER timezone_closed_{event} BEFORE {event} ON timezone WHEN {CLOSED} BEGIN"
            " SELECT RAISE(ABORT, 'append-only: timezone: the registry is closed to writes'); END"
        )


def _guard_timezone_on_postgresql() -> None:
    error = "USING ERRCODE = 'integrity_constraint_violation'"
    # The caller's search path is not followed, as in schema 0001.
    ours = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    checks = "\n".join(
        f"IF {condition} THEN RAISE EXCEPTION 'append-only: timezone: {sentence}' {error}; END IF;"
        for condition, sentence in TIMEZONE_INSERT_RULES
    )
    op.execute(f"""
        CREATE FUNCTION calreg_insert_timezone() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, {ours}, pg_temp AS $$
        BEGIN
            {checks}
            RETURN NEW;
        END $$""")
    for name, event, level, function in (
        ("insert", "INSERT", "ROW", "calreg_insert_timezone"),
        ("update", "UPDATE", "ROW", "calreg_withdraw"),
        ("delete", "DELETE", "ROW", "calreg_refuse"),
        ("truncate", "TRUNCATE", "STATEMENT", "calreg_refuse"),
        ("closed_insert", "INSERT", "STATEMENT", "calreg_closed"),
        ("closed_update", "UPDATE", "STATEMENT", "calreg_closed"),
    ):
        op.execute(
            f"CREATE TRIGGER timezone_{name} BEFORE {event} ON timezone"
            f" FOR EACH {level} EXECUTE FUNCTION {function}()"
        )
        # ALWAYS: session_replication_role does not switch it off.
        op.execute(f"ALTER TABLE timezone ENABLE ALWAYS TRIGGER timezone_{name}")


def _rebuild_aliases_on_sqlite(*new: str) -> None:
    """Make the table of aliases anew, with the columns that are `new`: SQLite adds none that is NOT NULL."""
    added = {
        "valid_from": sa.Column("valid_from", sa.BigInteger(), nullable=False),
        "same_module": sa.Column("same_module", sa.Boolean(), nullable=True),
    }
    triggers = [
        (name, _text_on_sqlite(name))
        for name in (
            "alias_insert",
            "alias_update",
            "alias_delete",
            "alias_closed_insert",
            "alias_closed_update",
        )
    ]
    op.drop_index("ix_alias_m_number", "alias")
    op.drop_index("ix_alias_panel_id", "alias")
    if new:
        op.drop_index("uq_alias_live", "alias")
    for name, _ in triggers:
        op.execute(f"DROP TRIGGER {name}")
    op.rename_table("alias", "alias_before")
    op.create_table(
        "alias",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.Column("withdrawn_in", sa.Integer(), nullable=True),
        sa.Column("m_number", sa.String(length=8), nullable=False),
        sa.Column("panel_id", sa.Integer(), nullable=False),
        *(added[name] for name in new),
        sa.CheckConstraint("withdrawn_in > recorded_in", name=op.f("ck_alias_withdrawn_later")),
        sa.ForeignKeyConstraint(["panel_id"], ["panel.id"], name=op.f("fk_alias_panel_id")),
        sa.ForeignKeyConstraint(["recorded_in"], ["revision.number"], name=op.f("fk_alias_recorded_in")),
        sa.ForeignKeyConstraint(["withdrawn_in"], ["revision.number"], name=op.f("fk_alias_withdrawn_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alias")),
    )
    kept = "id, recorded_in, withdrawn_in, m_number, panel_id"
    values = f"{kept}, {BEGINNING}, NULL" if new else kept
    op.execute(f"INSERT INTO alias ({', '.join((kept, *new))}) SELECT {values} FROM alias_before")
    op.drop_table("alias_before")
    op.create_index("ix_alias_m_number", "alias", ["m_number"], unique=False)
    op.create_index("ix_alias_panel_id", "alias", ["panel_id"], unique=False)
    for _, text in triggers:
        op.get_bind().exec_driver_sql(text)


def _rewritten_on_sqlite() -> list[tuple[str, str, str]]:
    """Return (trigger, a part of its text, the replacement) for every trigger that names columns."""
    rewritten = []
    for table, column, kind in COLUMNS:
        start = f"BEFORE INSERT ON {table} BEGIN\n"
        check = (
            f"  SELECT RAISE(ABORT, 'append-only: {table}: {column} is of another type')"
            f" WHERE typeof(NEW.{column}) NOT IN ('{kind}', 'null');\n"
        )
        rewritten.append((f"{table}_insert", start, start + check))
        if table in FACTS:
            rewritten.append(
                (f"{table}_update", "WHEN NOT (", f"WHEN NOT (NEW.{column} IS OLD.{column} AND ")
            )
    rewritten.append(("alias_insert", OLD_ALIAS_KEY, NEW_ALIAS_KEY))
    rewritten.append(("run_insert", OLD_RUN_KEY, NEW_RUN_KEY))
    start = "BEFORE INSERT ON configuration_panel BEGIN\n"
    taken = (
        "  SELECT RAISE(ABORT, 'append-only: configuration_panel: a row with this key is there')"
        f" WHERE EXISTS (SELECT 1 FROM configuration_panel WHERE {SEGMENT_KEY});\n"
    )
    rewritten.append(("configuration_panel_insert", start, start + taken))
    return rewritten


def _rewrite_on_sqlite(trigger: str, old: str, new: str) -> None:
    """Replace a part of a trigger's text."""
    text = _text_on_sqlite(trigger)
    if text.count(old) != 1:
        raise RuntimeError(f"{trigger} is not the one that the schemas before 0006 made; nothing was changed")
    op.execute(f"DROP TRIGGER {trigger}")
    op.get_bind().exec_driver_sql(text.replace(old, new))
    # The newest trigger fires first: that the registry is closed should be the message.
    table, _, event = trigger.rpartition("_")
    closed = f"{table}_closed_{event}"
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name")
    closed_text = op.get_bind().execute(query, {"name": closed}).scalar_one_or_none()
    if closed_text is not None:
        op.execute(f"DROP TRIGGER {closed}")
        op.get_bind().exec_driver_sql(closed_text)


def _text_on_sqlite(trigger: str) -> str:
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name")
    return str(op.get_bind().execute(query, {"name": trigger}).scalar_one())
