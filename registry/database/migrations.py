"""The schema in a database: created, upgraded and downgraded.

The functions raise `SchemaError` for a schema that is not, or must not be, that of this software. Alembic is imported
where it is used: a look-up never needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from registry import schema
from registry.database.driver_connections import use_sqlalchemy
from registry.database.engine import lift_idle_limit, make_engine, write_transaction
from registry.database.kept_statements import keep_text
from registry.database.writability import refuse_missing_schema, refuse_other_encoding
from registry.errors import ConflictError, CorruptionError, Remedy, SchemaError
from registry.parallel import Progress, no_progress
from registry.settings import find_settings
from registry.sql import sa

if TYPE_CHECKING:
    from alembic.config import Config


class Upgrade(Struct, frozen=True):
    """An upgrade that is not committed yet: its transaction, and the schema's revision before and after."""

    connection: sa.Connection
    before: str | None
    after: str | None


def list_own_tables(connection: sa.Connection) -> set[str]:
    """Return the names of the tables in the database; on a server in the first schema of the search path."""
    inspector = sa.inspect(use_sqlalchemy(connection))
    own = inspector.default_schema_name if connection.dialect.name == "postgresql" else None
    return set(inspector.get_table_names(schema=own))


def read_schema_revision(connection: sa.Connection) -> str | None:
    """Return the schema's revision, None where the database has no tables."""
    tables = list_own_tables(connection)
    if not tables - {"alembic_version"}:
        refuse_missing_schema(connection)
        return None
    if "alembic_version" not in tables or "revision" not in tables:
        some = ", ".join(sorted(tables)[:3])
        raise SchemaError(
            f"the database holds tables that are not a registry's ({some} ...); a registry needs its own",
            tables=sorted(tables),
        )
    revisions = connection.execute(_select_revisions()).scalars().all()
    if len(revisions) > 1:
        raise CorruptionError("the database is damaged: alembic_version names several schemas")
    return revisions[0] if revisions else None


def has_own_schema(connection: sa.Connection) -> bool:
    """Tell whether a registry's database has the schema of this software: the question of `Database` in short."""
    return list(connection.execute(_select_revisions()).scalars()) == [schema.REVISION]


@keep_text({})
def _select_revisions() -> sa.Select[Any]:
    return sa.select(sa.column("version_num", sa.String)).select_from(sa.table("alembic_version")).limit(2)


def is_known_schema(revision: str) -> bool:
    """Tell whether it is the revision of a schema that this software knows."""
    return revision.isdigit() and revision <= schema.REVISION


def refuse_other_schema(revision: str | None) -> None:
    """Refuse a schema that is not this software's."""
    wanted = schema.REVISION
    if revision == wanted:
        return
    if revision is None:
        raise SchemaError("the database holds no registry yet", remedy=Remedy.CREATE_REGISTRY, wanted=wanted)
    if not revision.isdigit():
        raise _unknown_schema_error(revision)
    message = f"the database has schema {revision}, this software needs {wanted}"
    if revision < wanted:
        raise SchemaError(message, remedy=Remedy.UPGRADE_SCHEMA, found=revision, wanted=wanted)
    raise SchemaError(
        f"{message}; install the calreg that wrote it, or a newer one", found=revision, wanted=wanted
    )


def _unknown_schema_error(revision: str | None) -> SchemaError:
    return SchemaError(
        f"the database's schema {revision!r} is not one of calreg's", found=revision, wanted=schema.REVISION
    )


def refuse_newer_schema(revision: str) -> None:
    """Raise `SchemaError` for a schema that only newer software knows."""
    if revision > schema.REVISION:
        refuse_other_schema(revision)


@contextmanager
def upgrade_transaction(
    engine: sa.Engine, target: str = "head", progress: Progress = no_progress
) -> Iterator[Upgrade]:
    """Upgrade the schema to `target` in a transaction that the caller can continue."""
    from alembic.util import CommandError

    with _disable_foreign_keys(engine), write_transaction(engine) as connection:
        lift_idle_limit(connection)
        before = read_schema_revision(connection)
        if before is None:
            refuse_other_encoding(connection)
        elif not is_known_schema(before):
            refuse_other_schema(before)
        try:
            _upgrade(connection, target, progress)
        except CommandError:
            raise _unknown_schema_error(before) from None
        if engine.dialect.name == "sqlite" and connection.execute(sa.text("PRAGMA foreign_key_check")).all():
            raise SchemaError("the upgrade would leave references that lead nowhere; nothing was changed")
        yield Upgrade(connection, before, read_schema_revision(connection))


def upgrade_to_current(connection: sa.Connection) -> None:
    """Upgrade an older schema to that of this software, in the same transaction."""
    if read_schema_revision(connection) != schema.REVISION:
        _upgrade(connection, "head", no_progress)


def _upgrade(connection: sa.Connection, target: str, progress: Progress) -> None:
    from alembic import command

    config = _alembic_config(connection)
    config.attributes["progress"] = progress
    try:
        command.upgrade(config, target)
    except RuntimeError as error:  # from a migration, which imports nothing of this package
        raise CorruptionError(f"{error}; nothing was changed") from None
    except FileExistsError as error:  # likewise
        raise ConflictError(f"{error}; nothing was changed") from None
    except (sa.exc.IntegrityError, sa.exc.DataError) as error:
        reason = str(error.orig).strip().split("\n", maxsplit=1)[0]
        raise CorruptionError(
            f"the database holds rows that the schema does not permit: {reason}; nothing was changed"
        ) from error


def downgrade(engine: sa.Engine, target: str) -> None:
    """Take the schema back to `target` in one transaction; a migration raises where that would lose rows."""
    from alembic import command

    with _disable_foreign_keys(engine), write_transaction(engine) as connection:
        command.downgrade(_alembic_config(connection), target)


@contextmanager
def _disable_foreign_keys(engine: sa.Engine) -> Iterator[None]:
    """Let SQLite rebuild tables that others refer to; the pragma has no effect inside a transaction."""
    if engine.dialect.name != "sqlite":
        yield
        return

    def switch_off(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")

    # Before the listener that sends BEGIN.
    sa.event.listen(engine, "begin", switch_off, insert=True)
    try:
        yield
    finally:
        sa.event.remove(engine, "begin", switch_off)
        engine.dispose()


def _alembic_config(connection: sa.Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


@contextmanager
def migration_connection() -> Iterator[sa.Connection]:
    """Open the database of the environment for the `alembic` command."""
    engine = make_engine(find_settings().database, create=True)
    with _disable_foreign_keys(engine), write_transaction(engine) as connection:
        yield connection
