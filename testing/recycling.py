"""Empty the PostgreSQL database of a registry, so that the next registry can use it.

Creating a database costs the server about five times as much as deleting the rows that a test wrote. A database
whose schema, permissions or settings were changed is not used again: the rows of the system catalogs carry the
number of the transaction that wrote them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

if TYPE_CHECKING:
    import psycopg

_KEPT_TABLES = ("alembic_version", "registry")  # one row each, written when the registry is created
_STATE: LiteralString = """
SELECT md5(string_agg(q::text, ' ' ORDER BY q::text)) FROM (
    SELECT 'class', oid, xmin FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT 'attribute', attrelid, xmin FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT 'constraint', oid, xmin FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT 'trigger', oid, xmin FROM pg_trigger WHERE oid >= 16384
    UNION ALL SELECT 'function', oid, xmin FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'type', oid, xmin FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT 'schema', oid, xmin FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'permissions', oid, xmin FROM pg_default_acl
    UNION ALL SELECT 'database', oid, xmin FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT 'settings', setrole, s.xmin FROM pg_db_role_setting s
        JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()
    UNION ALL SELECT 'registry', 0, xmin FROM registry
    UNION ALL SELECT 'alembic_version', 0, xmin FROM alembic_version
) q
"""
_END_SESSIONS: LiteralString = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def read_schema_state(connection: psycopg.Connection[Any]) -> str:
    """Return a checksum that differs after every change of the schema, permissions, settings and kept rows."""
    row = connection.execute(_STATE).fetchone()
    return str(row and row[0])


class Deletion:
    """Deletes all rows but those of every new registry, and leaves the guards on; it leaves empty tables alone."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        self._tables = [table for (table,) in rows if table not in _KEPT_TABLES]
        self._triggers = connection.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
        ).fetchall()

    def run(self, connection: psycopg.Connection[Any]) -> None:
        """Delete the rows of a database that has the same tables."""
        query = " UNION ALL ".join(
            f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in self._tables
        )
        tables = [table for (table,) in connection.execute(query.encode())]
        statements = [
            *(f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in tables),
            *(f"DELETE FROM {table}" for table in tables),
            *(f"ALTER TABLE {table} ENABLE TRIGGER ALL" for table in tables),
            *(
                f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"
                for table, trigger in self._triggers
                if table in tables
            ),
        ]
        connection.execute("; ".join(statements).encode())


class DatabasePool:
    """Emptied databases of registries, ready for the next ones."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}  # of the databases in use, when they were empty
        self._ready: list[str] = []
        self._deletion: Deletion | None = None

    def take(self) -> str | None:
        """Return the URL of an emptied database, None if there is none."""
        return self._ready.pop() if self._ready else None

    def watch(self, url: str) -> None:
        """Note the state of a new database, so that it can be put back."""
        with _connect(url) as connection:
            self._states[url] = read_schema_state(connection)
            self._deletion = self._deletion or Deletion(connection)

    def put_back(self, url: str) -> bool:
        """Empty a database for the next registry; return False if it must be dropped because it was changed."""
        with _connect(url) as connection:
            connection.execute(_END_SESSIONS)
            if read_schema_state(connection) != self._states.pop(url, ""):
                return False
            if self._deletion is not None:
                self._deletion.run(connection)
            self._states[url] = read_schema_state(connection)
        self._ready.append(url)
        return True


def _connect(url: str) -> psycopg.Connection[Any]:
    import psycopg

    return psycopg.connect(url, autocommit=True)
