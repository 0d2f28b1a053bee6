"""Grants on PostgreSQL that make a role a reader or a writer of the registry, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence

from registry import schema
from registry.errors import NotFoundError, Remedy, RequestError, UnavailableError
from registry.identifiers import quote
from registry.sql import sa


def build_grants(connection: sa.Connection, readers: Sequence[str], writers: Sequence[str]) -> list[str]:
    """Return the statements that let readers look up, and writers also record and withdraw facts.

    A writer may UPDATE ``withdrawn_in`` only, and neither may DELETE or TRUNCATE, which the triggers would refuse
    anyway. Earlier grants are revoked first, so that a writer can become a reader.

    Raises
    ------
    RequestError
        The database is SQLite, which has no roles, or a role is named for both, or needs no grant.
    NotFoundError
        The server has no such role.
    """
    if connection.dialect.name != "postgresql":
        raise RequestError(
            "SQLite has no roles: a user who may write the file and its folder may write the registry"
        )
    both = sorted(set(readers) & set(writers))
    if both:
        raise RequestError(
            f"role {both[0]} is named as reader and as writer; a writer reads as well", role=both[0]
        )
    if not readers and not writers:
        raise RequestError("no role is named", remedy=Remedy.GIVE_ROLES)
    _refuse_unknown_roles(connection, [*readers, *writers])
    _refuse_owners(connection, [*readers, *writers])
    quoted = connection.dialect.identifier_preparer.quote_identifier
    name = quoted(str(connection.execute(sa.text("SELECT current_schema()")).scalar_one()))
    grants: list[str] = []
    for role in dict.fromkeys([*readers, *writers]):
        grants += _reader_grants(quoted(role), name)
    for role in dict.fromkeys(writers):
        grants += _writer_grants(quoted(role), name)
    return grants


def apply_grants(connection: sa.Connection, statements: Sequence[str]) -> None:
    """Execute the statements; raise `UnavailableError` for tables of another role, of which PostgreSQL only warns."""
    refuse_other_role(connection, "grant")
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))


def refuse_other_role(connection: sa.Connection, action: str) -> None:
    """Raise `UnavailableError` where the user is not the owner of the tables, who alone can do this."""
    owner = connection.execute(
        sa.text(
            "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'revision'::regclass"
            " AND NOT pg_has_role(relowner, 'USAGE')"
        )
    ).scalar_one_or_none()
    if owner is not None:
        raise UnavailableError(
            f"the registry's tables belong to role {quote(owner)}, which alone can {action}"
        )


def find_writing_right(connection: sa.Connection) -> str | None:
    """Return the name of the user if it may record or remove anything, None for a reader; also None on SQLite."""
    if connection.dialect.name != "postgresql":
        return None
    names = ", ".join(f"('{table.name}')" for table in schema.metadata.sorted_tables)
    query = sa.text(
        f"SELECT current_user FROM (VALUES {names}) AS known(name) WHERE to_regclass(name) IS NOT NULL"
        " AND has_table_privilege(to_regclass(name), 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')"
        " AND NOT pg_is_in_recovery() LIMIT 1"
    )
    user = connection.execute(query).scalar_one_or_none()
    return None if user is None else quote(str(user))


def _refuse_owners(connection: sa.Connection, roles: Sequence[str]) -> None:
    """Refuse a role that owns the tables, belongs to their owner, or is a superuser: it needs no grant."""
    query = sa.text(
        "SELECT rolname FROM pg_roles, pg_class WHERE pg_class.oid = 'revision'::regclass"
        " AND pg_has_role(pg_roles.oid, relowner, 'MEMBER') AND rolname = ANY(:roles) ORDER BY rolname"
    )
    owner = connection.execute(query, {"roles": list(roles)}).scalars().first()
    if owner is not None:
        raise RequestError(
            f"role {quote(owner)} owns the registry's tables, or belongs to their owner, or is a superuser:"
            " it may do everything, whatever is granted; name another",
            role=owner,
        )


def _reader_grants(role: str, name: str) -> list[str]:
    return [
        f"GRANT USAGE ON SCHEMA {name} TO {role}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {name} FROM {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {role}",
    ]


def _writer_grants(role: str, name: str) -> list[str]:
    tables = schema.metadata.sorted_tables
    owned = (schema.registry, schema.closure)  # its owner creates a registry and closes it
    recorded = ", ".join(f"{name}.{table.name}" for table in tables if table not in owned)
    facts = ", ".join(f"{name}.{table.name}" for table in tables if table.info.get("fact"))
    return [
        f"GRANT INSERT ON {recorded} TO {role}",
        f"GRANT UPDATE (withdrawn_in) ON {facts} TO {role}",
    ]


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
