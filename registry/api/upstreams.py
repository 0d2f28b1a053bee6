"""The registry that a mirror follows: a database, or a service over HTTP. Both hand out the same texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from registry.api.backend import Backend
from registry.api.history_feed import read_history
from registry.api.mirror_chain import Page
from registry.authorship import escape_undecodable
from registry.database.seals import read_head, read_seal
from registry.database.transactions import Database
from registry.errors import ClosedError, ConflictError, RegistryError, Remedy, RequestError, UnavailableError
from registry.heads import Head
from registry.lookup.history_pages import MAX_REVISIONS
from registry.settings import is_service_url, mask_database_url, sqlite_file
from registry.storage import parse_place
from registry.store import ContentStore

_FOLLOWED = {None, "mirror"}  # why the database of a registry may take no writes, if it can be followed
_CLOSED = {
    "arrival": "it is a copy that is not finished",
    "departure": "the registry moved to {place}, which can be followed instead",
    "snapshot": "it is a snapshot, to which nothing comes: copy its file",
}


class Upstream(Protocol):
    """A registry that can be followed, as of its newest revision when it was opened.

    Attributes
    ----------
    name
        The URL without a password.
    has_files
        False where its files were left out on purpose.
    """

    name: str
    registry_id: str
    head: Head
    has_files: bool

    def read_page(self, after: Head, skip: int) -> Page:
        """Return the revisions after a head, the first of them without so many lines.

        Raises
        ------
        ConflictError, NotFoundError, UnavailableError
            The head is not in its history.
        """

    def find_seal(self, number: int) -> str | None:
        """Return the seal of a revision, None where there is none."""

    def find_store(self) -> ContentStore:
        """Return its store; raise `RequestError` where that is not known."""

    def close(self) -> None:
        """Close all connections."""


class DatabaseUpstream:
    """A registry whose database is read itself."""

    def __init__(self, url: str, store: str | Path | None) -> None:
        self.name = name_upstream(url)
        file = sqlite_file(url)
        default = None if file is None else file.parent / "store"
        self._store = parse_place(str(store)) if store else default
        database = Database(url, read_only=True)
        try:
            closure = database.closure
            _refuse_closed(self.name, None if closure is None else closure.reason, closure and closure.place)
            self.registry_id = database.registry_id
            self.has_files = closure is None or closure.part is None
            with database.read_transaction() as connection:
                self.head = read_head(connection)
        except BaseException:
            database.close()
            raise
        self._backend = Backend(database, ContentStore(self._store or Path()), None)

    def read_page(self, after: Head, skip: int) -> Page:
        """Return the revisions after a head."""
        begin = after if after.number else 0
        page = read_history(self._backend, begin, skip=skip, limit=MAX_REVISIONS, as_of=self.head)
        return Page(page.registry, page.revisions)

    def find_seal(self, number: int) -> str | None:
        """Return the seal of a revision."""
        with self._backend.database.read_transaction() as connection:
            return read_seal(connection, number)

    def find_store(self) -> ContentStore:
        """Return its store."""
        if self._store is None:
            raise RequestError(
                f"the store of {self.name} must be given, or its files left out: of PostgreSQL it is not known",
                upstream=self.name,
            )
        store = ContentStore(self._store)
        store.refuse_other_registry(self.registry_id)
        return store

    def close(self) -> None:
        """Close all connections."""
        self._backend.database.close()


class ServiceUpstream:
    """A registry behind a service."""

    def __init__(self, url: str, *, attempts: int | None = None) -> None:
        from registry.api.remote.backend import read_served_head
        from registry.transport import Service

        self._service = Service(url, attempts=attempts)
        self.name = self._service.name
        served = read_served_head(self._service)
        if served.public:
            raise ConflictError(
                f"the service {self.name} is public, and does not send the history, which names authors and hosts:"
                " it cannot be followed",
                upstream=self.name,
            )
        closed = served.closed if isinstance(served.closed, dict) else {}
        _refuse_closed(self.name, closed.get("reason"), closed.get("place"))
        self.registry_id, self.head = served.registry, served.head
        self.has_files = closed.get("part") is None

    def read_page(self, after: Head, skip: int) -> Page:
        """Return the revisions after a head; as of the pin, so that every cache may keep the page."""
        query = {
            "after": after.pin if after.number else "0",
            "limit": str(MAX_REVISIONS),
            "as_of": self.head.pin,
        }
        if skip:
            query["skip"] = str(skip)
        content = self._service.get("/v1/history", list(query.items()))
        try:
            return msgspec.convert(content, Page)
        except (msgspec.ValidationError, ValueError):
            raise UnavailableError(
                f"the service {self.name} cannot be used: it answers, and not as a registry does",
                service=self.name,
            ) from None

    def find_seal(self, number: int) -> str | None:
        """Return the seal of a revision."""
        from registry.api.remote.backend import read_served_head

        if number > self.head.number:
            return None
        return read_served_head(self._service, str(number)).seal

    def find_store(self) -> ContentStore:
        """Return its objects."""
        from registry.api.remote.objects import RemoteStore

        return RemoteStore(self._service, None, self.registry_id)

    def close(self) -> None:
        """Close all connections."""
        self._service.close()


@contextmanager
def open_upstream(
    url: str, store: str | Path | None = None, *, attempts: int | None = None
) -> Iterator[DatabaseUpstream | ServiceUpstream]:
    """Open the registry that is to be followed; what is refused of it names it.

    Parameters
    ----------
    store
        The store of a database; by default the folder ``store`` beside a SQLite file.
    attempts
        How often a service is asked that does not answer; by default as always.
    """
    try:
        upstream = _open(url, store, attempts)
    except RegistryError as error:
        if not is_service_url(url) and name_upstream(url) not in error.message:
            error.message = f"{name_upstream(url)} cannot be followed: {error.message}"
        if error.remedy is not Remedy.UPGRADE_SCHEMA:  # the others speak of the database that is used
            error.remedy = None
        raise
    with closing(upstream):
        yield upstream


def _open(url: str, store: str | Path | None, attempts: int | None) -> DatabaseUpstream | ServiceUpstream:
    if is_service_url(url):
        return ServiceUpstream(url, attempts=attempts)
    return DatabaseUpstream(url, store)


def name_upstream(url: str) -> str:
    """Return the URL of a database as it is recorded and shown, without its password."""
    return escape_undecodable(mask_database_url(url))


def _refuse_closed(name: str, reason: Any, place: Any) -> None:
    if reason in _FOLLOWED:
        return
    why = _CLOSED.get(str(reason), "it takes no writes").format(place=place)
    raise ClosedError(f"{name} cannot be followed: {why}", reason=reason, place=place)
