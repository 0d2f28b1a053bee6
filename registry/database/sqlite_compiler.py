"""SQLAlchemy's compiler for SQLite, with the hints of `database.planner`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler


class HintingSQLiteCompiler(SQLiteCompiler):
    """Writes the hints of `Select.with_hint` (INDEXED BY), which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: sa.FromClause, text: str | None) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """Return the hint as it was given; the signature is SQLAlchemy's."""
        return text
