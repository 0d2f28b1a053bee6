"""Faster reading: the latest start time with each version, and a second digest with each file.

Frozen once released: it describes the schema of its time, and imports nothing of the software.

``version.latest_start`` is the greatest start time of the panel and kind up to and including the row: as of a
revision, no start time is later than the last one recorded by then. It is computed for the rows that are there; the
triggers refuse any other value from now on. ``blob.blake3`` is of the same bytes as ``sha256``, and NULL for files
that were recorded before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WRONG_MARK = """NEW.latest_start IS DISTINCT FROM (
    SELECT max(start) FROM (
        SELECT NEW.valid_from AS start
        UNION ALL
        SELECT (SELECT v.latest_start FROM version v WHERE v.panel_id = NEW.panel_id AND v.kind = NEW.kind
                ORDER BY v.recorded_in DESC, v.latest_start DESC LIMIT 1)
    ) AS starts)"""
SAID = "append-only: version: latest_start is not the greatest start of the panel and kind"
IS_DIGEST = "length(blake3) = 64 AND blake3 = lower(blake3)"

# A part of the text of a trigger, and its replacement. SQLite's triggers name every column.
ON_SQLITE = (
    (
        "version_insert",
        "BEFORE INSERT ON version BEGIN\n",
        (
            "BEFORE INSERT ON version BEGIN\n"
            "  SELECT RAISE(ABORT, 'append-only: version: latest_start is of another type')"
            " WHERE typeof(NEW.latest_start) NOT IN ('integer', 'null');\n"
        ),
    ),
    (
        "version_insert",
        "withdrawn_in IS NEW.withdrawn_in);\n",
        (
            "withdrawn_in IS NEW.withdrawn_in);\n"
            f"  SELECT RAISE(ABORT, '{SAID}') WHERE {WRONG_MARK.replace('IS DISTINCT FROM', 'IS NOT')};\n"
        ),
    ),
    ("version_update", "WHEN NOT (", "WHEN NOT (NEW.latest_start IS OLD.latest_start AND "),
    (
        "blob_insert",
        "BEFORE INSERT ON blob BEGIN\n",
        (
            "BEFORE INSERT ON blob BEGIN\n"
            "  SELECT RAISE(ABORT, 'append-only: blob: blake3 is of another type')"
            " WHERE typeof(NEW.blake3) NOT IN ('text', 'null');\n"
        ),
    ),
)
ON_POSTGRESQL = (
    "                RETURN NEW;\n",
    (
        f"IF {WRONG_MARK} THEN RAISE EXCEPTION '{SAID}' USING ERRCODE = 'integrity_constraint_violation'; END IF;\n"
        "                RETURN NEW;\n"
    ),
)
REFUSING_UPDATES = ("version_update", "version_closed_update")


def upgrade() -> None:
    op.add_column("version", sa.Column("latest_start", sa.BigInteger(), nullable=True))
    _update_versions("""
        UPDATE version SET latest_start = known.latest
        FROM (SELECT id, max(valid_from) OVER (PARTITION BY panel_id, kind ORDER BY recorded_in, id) AS latest
              FROM version) AS known
        WHERE known.id = version.id""")
    op.create_index(
        "ix_version_latest_start",
        "version",
        ["panel_id", "kind", "recorded_in", "latest_start"],
        unique=False,
    )
    op.execute(
        "ALTER TABLE blob ADD COLUMN blake3 VARCHAR(64)"
        f" CONSTRAINT ck_blob_blake3_is_digest CHECK ({IS_DIGEST})"
    )
    if op.get_bind().dialect.name == "postgresql":
        _rewrite_on_postgresql(*ON_POSTGRESQL)
    else:
        for guard, before, after in ON_SQLITE:
            _rewrite_on_sqlite(guard, before, after)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _rewrite_on_postgresql(*reversed(ON_POSTGRESQL))
    else:
        for guard, before, after in ON_SQLITE:
            _rewrite_on_sqlite(guard, after, before)
    op.drop_column("blob", "blake3")
    op.drop_index("ix_version_latest_start", "version")
    op.drop_column("version", "latest_start")


def _update_versions(statement: str) -> None:
    """Execute an UPDATE while the triggers that refuse it are disabled, in this transaction only."""
    if op.get_bind().dialect.name == "postgresql":
        for trigger in REFUSING_UPDATES:
            op.execute(f"ALTER TABLE version DISABLE TRIGGER {trigger}")
        op.execute(statement)
        for trigger in REFUSING_UPDATES:
            op.execute(f"ALTER TABLE version ENABLE ALWAYS TRIGGER {trigger}")
        return
    texts = [_text_on_sqlite(trigger) for trigger in REFUSING_UPDATES]
    for trigger in REFUSING_UPDATES:
        op.execute(f"DROP TRIGGER {trigger}")
    op.execute(statement)
    for text in texts:
        op.get_bind().exec_driver_sql(text)


def _rewrite_on_sqlite(trigger: str, old: str, new: str) -> None:
    """Replace a part of a trigger's text."""
    table, event = trigger.split("_")
    _recreate_on_sqlite(trigger, _replace_once(_text_on_sqlite(trigger), old, new, trigger))
    # The newest trigger fires first: that the registry is closed should be the message.
    closed = f"{table}_closed_{event}"
    _recreate_on_sqlite(closed, _text_on_sqlite(closed))


def _recreate_on_sqlite(trigger: str, text: str) -> None:
    op.execute(f"DROP TRIGGER {trigger}")
    op.get_bind().exec_driver_sql(text)


def _text_on_sqlite(trigger: str) -> str:
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name")
    return str(op.get_bind().execute(query, {"name": trigger}).scalar_one())


def _rewrite_on_postgresql(old: str, new: str) -> None:
    """Replace a part of the text of the function that checks what is inserted into `version`."""
    query = sa.text("SELECT pg_get_functiondef(to_regproc('calreg_insert_version'))")
    text = str(op.get_bind().execute(query).scalar_one())
    op.get_bind().exec_driver_sql(_replace_once(text, old, new, "calreg_insert_version").replace("%", "%%"))


def _replace_once(text: str, old: str, new: str, name: str) -> str:
    if text.count(old) != 1:
        raise RuntimeError(f"{name} is not the one that the schemas before 0005 made; nothing was changed")
    return text.replace(old, new)
