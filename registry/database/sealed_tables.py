"""The tables whose rows are sealed."""

from __future__ import annotations

from registry import schema

_PARTS_OF_EXPORTS = (schema.export, schema.export_output, schema.export_input)
_UNSEALED = {
    schema.registry,
    schema.revision,
    schema.seal,
    schema.export_seal,
    schema.closure,
    *_PARTS_OF_EXPORTS,
}

RECORDED_TABLES = {table.name: table for table in schema.metadata.sorted_tables if table not in _UNSEALED}
"""The tables whose rows are recorded in a revision, themselves or with their parent."""

EXPORT_TABLES = {table.name: table for table in _PARTS_OF_EXPORTS}
"""The tables of exports: the export's own row, its outputs, the versions that it came from."""
