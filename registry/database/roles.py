"""Who may do what on PostgreSQL: the grants that make a role a reader or a writer, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from registry import schema
from registry.errors import NotFoundError, RequestError, UnavailableError
from registry.identifiers import quote


def build_grants(connection: sa.Connection, readers: Sequence[str], writers: Sequence[str]) -> list[str]:
    """Return the statements that let readers ask, and writers record facts and withdraw them, and nothing else.

    A writer gets no UPDATE but of ``withdrawn_in``, and neither gets DELETE or TRUNCATE: the triggers would
    refuse these anyway. What either had before is taken away first, so that a writer can become a reader.

    Raises
    ------
    RequestError
        The database is SQLite, which knows no roles, or a role is to be both, or may do everything anyway.
    NotFoundError
        The server has no such role; those that it has are named.
    """
    if connection.dialect.name != "postgresql":
        raise RequestError(
            "SQLite has no roles: who may write the file and its folder may write the registry"
        )
    both = sorted(set(readers) & set(writers))
    if both:
        raise RequestError(f"role {both[0]} is named as reader and as writer; a writer reads as well")
    if not readers and not writers:
        raise RequestError(
            "whom? give --reader ROLE, --writer ROLE, or both; each may be given several times"
        )
    _refuse_unknown_roles(connection, [*readers, *writers])
    _refuse_owners(connection, [*readers, *writers])
    place = _quote_name(connection, str(connection.execute(sa.text("SELECT current_schema()")).scalar_one()))
    made = [
        _reader_grants(_quote_name(connection, role), place) for role in dict.fromkeys([*readers, *writers])
    ]
    made += [_writer_grants(_quote_name(connection, role), place) for role in dict.fromkeys(writers)]
    return [statement for statements in made for statement in statements]


def apply_grants(connection: sa.Connection, statements: Sequence[str]) -> None:
    """Execute the statements.

    Raises
    ------
    UnavailableError
        The tables are another role's: PostgreSQL would only warn, and grant nothing.
    """
    owner = connection.execute(
        sa.text(
            "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'revision'::regclass"
            " AND NOT pg_has_role(relowner, 'USAGE')"
        )
    ).scalar_one_or_none()
    if owner is not None:
        raise UnavailableError(f"the registry's tables belong to role {quote(owner)}, which alone can grant")
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))


def _refuse_owners(connection: sa.Connection, roles: Sequence[str]) -> None:
    """Refuse a role that owns the tables, belongs to their owner, or is a superuser: it needs, and heeds, no grant."""
    query = sa.text(
        "SELECT rolname FROM pg_roles, pg_class WHERE pg_class.oid = 'revision'::regclass"
        " AND pg_has_role(pg_roles.oid, relowner, 'MEMBER') AND rolname = ANY(:roles) ORDER BY rolname"
    )
    mighty = connection.execute(query, {"roles": list(roles)}).scalars().first()
    if mighty is not None:
        raise RequestError(
            f"role {quote(mighty)} owns the registry's tables, or belongs to their owner, or is a superuser:"
            " it may do everything, whatever is granted; name another"
        )


def _reader_grants(role: str, place: str) -> list[str]:
    return [
        f"GRANT USAGE ON SCHEMA {place} TO {role}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {place} FROM {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {place} TO {role}",
    ]


def _writer_grants(role: str, place: str) -> list[str]:
    tables = schema.metadata.sorted_tables
    # To found a registry, or to close it, is its owner's.
    kept = (schema.registry, schema.closure)
    recorded = ", ".join(f"{place}.{table.name}" for table in tables if table not in kept)
    facts = ", ".join(f"{place}.{table.name}" for table in tables if table.info.get("fact"))
    return [
        f"GRANT INSERT ON {recorded} TO {role}",
        f"GRANT UPDATE (withdrawn_in) ON {facts} TO {role}",
    ]


def _quote_name(connection: sa.Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _refuse_unknown_roles(connection: sa.Connection, roles: Sequence[str]) -> None:
    query = sa.text("SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY rolname")
    known = list(connection.execute(query).scalars())
    unknown = [role for role in roles if role not in known]
    if unknown:
        raise NotFoundError(
            f"the server has no role {quote(unknown[0])}; known: {', '.join(known)}",
            roles=unknown,
            known=known,
        )
