"""The tables whose rows are sealed."""

from __future__ import annotations

from registry import schema
from registry.database.seal_text import NAMES_OF_EXPORT_TABLES

EXPORT_TABLES = {name: schema.metadata.tables[name] for name in NAMES_OF_EXPORT_TABLES}
"""The tables of exports, by name."""

_UNSEALED = {
    schema.registry,
    schema.revision,
    schema.seal,
    schema.export_seal,
    schema.closure,
    *EXPORT_TABLES.values(),
}

RECORDED_TABLES = {table.name: table for table in schema.metadata.sorted_tables if table not in _UNSEALED}
"""The tables whose rows are recorded in a revision, themselves or with their parent."""
