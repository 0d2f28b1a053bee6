"""Make the database and the store of a registry, with the head of the store."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa

from registry.authorship import build_signature, refuse_unrecordable
from registry.database.change import Change
from registry.database.closing import find_closure
from registry.database.creation import create_database
from registry.database.seals import read_head
from registry.database.store_heads import HeadKeeper
from registry.errors import RequestError
from registry.heads import Head, HeadFile, OvertakenError, StoreHead
from registry.registration.timezones import record_timezone
from registry.settings import Settings, refuse_pin
from registry.store import ContentStore
from registry.timezones import find_zone


def make_registry(settings: Settings, timezone: str | None, comment: str | None) -> str:
    """Make the database and the store, or upgrade them; see `create_registry`."""
    from registry.api.attempts import note_schema  # not needed by a look-up

    refuse_pin("make or upgrade a registry")
    content = ContentStore(settings.store)
    owner = content.read_owner()
    if comment is not None and timezone is None:
        raise RequestError(
            "the comment says why a registry gets another time zone, and no time zone is stated"
        )
    if timezone is not None:
        find_zone(timezone)  # before anything is made
        refuse_unrecordable(comment or "", "the comment")
    content.refuse_unwritable()
    note_schema(settings.database)
    heads = HeadFile(content.storage)
    # The head of a store that is not there yet is written when it is.
    with HeadKeeper(None if owner is None else heads) as keeper:
        creation = _Creation(keeper, timezone, comment)
        registry_id = create_database(settings.database, owner, creation.record)
        if creation.change is not None:
            keeper.confirm(creation.change)
    if creation.head is not None:
        content.create_folders(with_objects=False)
        write_first_head(heads, creation.head)
    content.create(registry_id)
    return registry_id


def write_first_head(heads: HeadFile, head: Head) -> None:
    """Write the head of a store that has none yet, where this user may."""
    with heads.lock(), suppress(OvertakenError):
        kept = heads.read_kept()
        if kept.head is None:
            heads.write(StoreHead(head), former=kept)


class _Creation:
    """The time zone that is recorded when the database is made or upgraded, and the head that it has then."""

    def __init__(self, keeper: HeadKeeper, timezone: str | None, comment: str | None) -> None:
        self._keeper = keeper
        self._timezone = timezone
        self._comment = comment
        self.change: Change | None = None
        self.head: Head | None = None  # None where the database takes no writes

    def record(self, connection: sa.Connection) -> None:
        """Record the time zone, if one is stated."""
        if self._timezone is not None:
            self.change = Change(connection, build_signature(), self._comment, self._keeper.read())
            self._keeper.refuse_foreign(self.change)
            record_timezone(self.change, self._timezone)
            self.change.seal()
            self._keeper.announce(self.change)
        if find_closure(connection) is None:
            self.head = read_head(connection)
