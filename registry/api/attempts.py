"""Descriptions of an export, a backup, a snapshot, a restoration, a move or a schema that was interrupted.

What is written by one rename is looked for under its final name; what is committed is looked up when no writer is at
work any more, because a server may still be committing after its client was interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.database.closing import find_closure
from registry.database.engine import open_engine, write_transaction
from registry.database.forks import close_connections
from registry.database.migrations import read_schema_revision
from registry.database.seals import read_head
from registry.database.transactions import Database
from registry.errors import RegistryError, SchemaError
from registry.files import has_content
from registry.interruptions import note_attempt
from registry.lookup.stored_files import list_exports_with_file
from registry.settings import sqlite_file
from registry.sql import sa


def note_export(database: Database, document: Path, content: bytes) -> None:
    """Note an export whose provenance document gets this content when its files are complete."""
    sha256 = hashlib.sha256(content).hexdigest()

    def describe() -> str:
        if not has_content(document, content):
            return "the export was not published"
        with database.open_after_interruption() as connection:
            is_recorded = bool(list_exports_with_file(connection, sha256))
        return f"the export {document} is complete, {'and' if is_recorded else 'but not'} recorded"

    note_attempt("the record of the export", describe)


def note_file(what: str, file: Path) -> None:
    """Note a file that is given its name when it is complete, and is not there yet."""
    note_attempt(what, lambda: f"{what} {file} is {'complete' if file.exists() else 'not complete'}")


def note_backup(folder: Path, read_name: Callable[[], str], name: str) -> None:
    """Note a backup whose description will name this file of a database; `read_name` returns the present one."""

    def describe() -> str:
        try:
            is_complete = read_name() == name
        except RegistryError:
            is_complete = False
        return f"the backup in {folder} is complete" if is_complete else f"there is no new backup in {folder}"

    note_attempt("the backup", describe)


def note_restoration(url: str) -> None:
    """Note that a registry is restored into an empty database."""

    def describe() -> str:
        if _read_schema(url) is None:
            return "the registry is not restored; the same command completes it"
        return "the registry is restored"

    note_attempt("the restoration", describe)


def note_schema(url: str) -> None:
    """Note that a database is created, upgraded or downgraded."""

    def describe() -> str:
        schema = _read_schema(url)
        return "there is no registry yet" if schema is None else f"the database has schema {schema}"

    note_attempt("the database", describe)


def note_move(source: str, target: str) -> None:
    """Note that a registry moves from one database to another."""

    def describe() -> str:
        with _open_after_interruption(source) as connection:
            departure = find_closure(connection)
        if departure is None:
            return "the registry has not moved; the same command begins again"
        with _open_after_interruption(target) as connection:
            arrival = find_closure(connection)
        if arrival is None:
            return "the registry has moved"
        return "the old database takes no more writes, nor does the new one yet; the same command completes the move"

    note_attempt("the move", describe)


def note_fork(store: str, read_owner: Callable[[], str | None]) -> None:
    """Note that a registry is forked; `read_owner` returns the Id of the one that the new store belongs to."""

    def describe() -> str:
        if read_owner() is None:
            return "the fork is not complete; the same command completes it"
        return f"the fork with the store {store} is complete"

    note_attempt("the fork", describe)


def note_mirror(url: str) -> None:
    """Note that a mirror follows another registry."""

    def describe() -> str:
        if _read_schema(url) is None:
            return "there is no mirror yet; the same command begins again"
        with _open_after_interruption(url) as connection:
            head = read_head(connection)
        return f"the mirror has revision {head.number}; the same command goes on"

    note_attempt("the mirror", describe, is_repeated=True)


def _read_schema(url: str) -> str | None:
    """Return the schema of a database when no writer is at work, None if it holds no registry."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return None
    try:
        with _open_after_interruption(url) as connection:
            return read_schema_revision(connection)
    except SchemaError:  # a file that is still empty, or somebody else's
        return None


@contextmanager
def _open_after_interruption(url: str) -> Iterator[sa.Connection]:
    close_connections()
    with open_engine(url) as engine, write_transaction(engine, dry_run=True) as connection:
        yield connection
