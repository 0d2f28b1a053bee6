"""The runs for which the files of an export are deployed; runs by start time; exports by the run they were made for.

Frozen once released: it describes the schema of its time, and imports nothing of the software.

``export.first_run`` and ``export.last_run`` are the range of runs for which a reader takes the files:
``first_run`` is NULL where they are not deployed, or were exported before this was recorded; ``last_run`` is NULL in a
range without an end.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Both columns are named in one rule, that of the last one: SQLite drops a rule with its column only.
RULE = "last_run IS NULL OR (first_run IS NOT NULL AND last_run >= first_run)"
COLUMNS = ("first_run", "last_run")
INDEXES = (
    ("ix_run_begin", "run", ["experiment", "begin_at"]),
    ("ix_export_run", "export", ["experiment", "run", "source"]),
)


def upgrade() -> None:
    op.add_column("export", sa.Column("first_run", sa.Integer(), nullable=True))
    op.execute(
        f"ALTER TABLE export ADD COLUMN last_run INTEGER CONSTRAINT ck_export_deployed_runs CHECK ({RULE})"
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns, unique=False)
    if not _is_postgresql():
        for old, new in _rewritten_on_sqlite():
            _rewrite_on_sqlite(old, new)


def downgrade() -> None:
    count = (
        op.get_bind().execute(sa.text("SELECT count(*) FROM export WHERE first_run IS NOT NULL")).scalar_one()
    )
    if count:
        raise RuntimeError(
            f"this registry has {count} exports with the runs of their files; going below schema 0007 would lose these"
        )
    if not _is_postgresql():
        for old, new in reversed(_rewritten_on_sqlite()):
            _rewrite_on_sqlite(new, old)
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table)
    for column in reversed(COLUMNS):
        op.drop_column("export", column)


def _is_postgresql() -> bool:
    return bool(op.get_bind().dialect.name == "postgresql")


def _rewritten_on_sqlite() -> list[tuple[str, str]]:
    """Return (a part of the text, the replacement) for the trigger that names the columns of `export`."""
    start = "BEFORE INSERT ON export BEGIN\n"
    return [
        (
            start,
            start + f"  SELECT RAISE(ABORT, 'append-only: export: {column} is of another type')"
            f" WHERE typeof(NEW.{column}) NOT IN ('integer', 'null');\n",
        )
        for column in COLUMNS
    ]


def _rewrite_on_sqlite(old: str, new: str) -> None:
    """Replace a part of the text of the trigger on what is inserted into `export`."""
    text = _text_on_sqlite("export_insert")
    if text.count(old) != 1:
        raise RuntimeError(
            "export_insert is not the one that the schemas before 0007 made; nothing was changed"
        )
    _recreate_on_sqlite("export_insert", text.replace(old, new))
    # The newest trigger fires first: that the registry is closed should be the message.
    _recreate_on_sqlite("export_closed_insert", _text_on_sqlite("export_closed_insert"))


def _recreate_on_sqlite(trigger: str, text: str) -> None:
    op.execute(f"DROP TRIGGER {trigger}")
    op.get_bind().exec_driver_sql(text)


def _text_on_sqlite(trigger: str) -> str:
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name")
    return str(op.get_bind().execute(query, {"name": trigger}).scalar_one())
