"""The order of rows by their keys, the same on both databases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa


def order_bytewise(
    connection: sa.Connection, columns: Iterable[sa.ColumnElement[Any]]
) -> list[sa.ColumnElement[Any]]:
    """Return the columns to order by, texts byte by byte, as SQLite does."""
    if connection.dialect.name == "sqlite":
        return list(columns)
    return [sa.collate(column, "C") if isinstance(column.type, sa.String) else column for column in columns]
