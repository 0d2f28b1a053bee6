"""The rows of a registry's database, to compare the states before and after a killed command."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.engine import make_engine, read_transaction, write_transaction
from testing.registries import RegistryLocation

# Columns whose values differ between two runs of the same command.
_VARYING_COLUMNS = {
    *("recorded_at", "created_at", "closed_at", "opened_at"),
    *("command", "path", "place", "provenance_path", "provenance_sha256"),
    *("digest", "text", "link", "seal", "head_seal"),  # of the seals: of the times, too
    *("late", "registry"),  # who sealed later, and when; the random Id of a fork
}


def wait_for_writers(location: RegistryLocation) -> None:
    """Wait until a killed process has no open transaction.

    PostgreSQL may still be committing after its client died; on SQLite a transaction ends with its process.
    """
    if location.is_sqlite:
        return
    engine = make_engine(location.database)
    with write_transaction(engine):
        pass
    engine.dispose()


def read_rows(location: RegistryLocation) -> dict[str, list[str]]:
    """Return the rows of each table without the columns that vary; an empty dict if the database is empty."""
    file = location.file
    if file is not None and not (file.exists() and file.stat().st_size):
        return {}
    engine = make_engine(location.database)
    with read_transaction(engine) as connection:
        tables = sorted(sa.inspect(connection).get_table_names())
        rows = {table: _read_table(connection, table) for table in tables}
    engine.dispose()
    return rows


def _read_table(connection: sa.Connection, table: str) -> list[str]:
    rows = connection.execute(sa.text(f"SELECT * FROM {table}")).mappings().all()
    if table == "registry":  # its id is random
        return ["one"] * len(rows)
    return sorted(
        repr({name: value for name, value in row.items() if name not in _VARYING_COLUMNS}) for row in rows
    )
