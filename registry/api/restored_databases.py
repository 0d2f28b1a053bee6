"""Databases that a restoration has filled, or cannot fill: is it done already, and where is the fault?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from registry import schema
from registry.database.creation import populate_database
from registry.database.histories import refuse_foreign_database
from registry.database.refusals import get_database
from registry.database.seals import read_head, read_seal
from registry.database.store_heads import HeadKeeper
from registry.database.transactions import Database
from registry.errors import ConflictError, CorruptionError, RegistryError, UnavailableError
from registry.files import translate_os_errors
from registry.heads import Head, HeadFile
from registry.identifiers import quote
from registry.lookup.lineage import is_loss
from registry.secrets import mask_url
from registry.storage import Place

CopyRows = Callable[[sa.Connection], dict[str, int]]
"""Copies the rows of the backup into a database, and returns their numbers by table."""


def find_restored_head(
    url: str, registry_id: str, quoted: tuple[int, str | None], origin: str, lost: Head | None
) -> Head | None:
    """Return the head of the database if it was restored from this backup, and nothing was recorded since.

    Parameters
    ----------
    quoted
        The revision of the backup and its seal, None if it has none.
    origin
        The place that the database names if it came from this backup.
    lost
        The head that the revision after that of the backup must record as lost.
    """
    try:
        database = Database(url)
    except RegistryError:
        return None
    with closing(database), database.read_transaction() as connection:
        closure = schema.closure
        places = sa.select(closure.c.place).where(closure.c.reason == "arrival")
        place = connection.execute(places.order_by(closure.c.number.desc()).limit(1)).scalar()
        if database.registry_id != registry_id or place != origin or database.closure is not None:
            return None
        head, (revision, seal) = read_head(connection), quoted
        if lost is not None:
            if head.number != revision + 1 or not is_loss(connection, head.number, lost):
                return None
        elif head.number != revision:
            return None
        return head if read_seal(connection, revision) == (seal or read_seal(connection, revision)) else None


def settle_restored_head(url: str, store: Place, head: Head) -> None:
    """Let the store follow a database that was restored by a call that was interrupted before its store followed."""
    keeper = HeadKeeper(HeadFile(store))
    with closing(Database(url)) as database, database.read_transaction() as connection:
        refuse_foreign_database(connection, keeper)
    keeper.settle(head)


@contextmanager
def translate_source_errors(file: Path) -> Iterator[None]:
    """Report an error of the backup's database as corruption: anyone may have written it, with a matching checksum."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        url = f"sqlite:///{file}"
        if get_database(error, url) != url:
            raise
        raise _impossible_rows_error(file, error) from error


def fill_database(
    target: sa.Connection, url: str, file: Path, revision: str, registry_id: str, copy: CopyRows
) -> dict[str, int]:
    """Copy the rows into a new database, where they are refused find out by whom; return their numbers by table.

    An empty database that nobody else has touched takes the rows of every registry. So where the target refuses them,
    they are copied into one for a trial.

    Raises
    ------
    CorruptionError
        The backup holds rows that a registry cannot have.
    ConflictError
        Something in the new database refuses rows that are right: a trigger or a constraint of somebody else's.
    """
    try:
        return copy(target)
    except sa.exc.IntegrityError as error:
        if _is_refused_elsewhere(revision, registry_id, copy):
            raise _impossible_rows_error(file, error) from error
        raise ConflictError(
            f"the database {mask_url(url)} refuses rows of the backup, which a registry can have: {_get_reason(error)}",
            database=mask_url(url),
        ) from error


def _is_refused_elsewhere(revision: str, registry_id: str, copy: CopyRows) -> bool:
    """Tell whether an empty database refuses the rows, too."""
    with (
        translate_os_errors("written", subject="a temporary database"),
        tempfile.TemporaryDirectory(prefix="calreg-") as folder,
    ):
        url = f"sqlite:///{Path(folder) / 'trial.sqlite'}"
        try:
            with populate_database(url, registry_id, revision, write_ahead_log=False) as trial:
                copy(trial)
        except UnavailableError:
            raise
        except (RegistryError, sa.exc.IntegrityError):
            return True
    return False


def _impossible_rows_error(file: Path, error: sa.exc.SQLAlchemyError) -> CorruptionError:
    return CorruptionError(
        f"{str(file)!r} holds rows that a registry cannot have: {_get_reason(error)}", path=str(file)
    )


def _get_reason(error: sa.exc.SQLAlchemyError) -> str:
    return quote(str(getattr(error, "orig", None) or error).strip().split("\n", maxsplit=1)[0])
