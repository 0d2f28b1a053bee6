"""The public Python face: one call, one transaction.

>>> from registry import open_registry
>>> with open_registry() as registry:                                    # doctest: +SKIP
...     constants = registry.constants("exp=xcsls3716:run=631", at="20180101000000")
...     constants["pixel_gain"].shape
(3, 2, 512, 1024)
"""

from __future__ import annotations

from pathlib import Path

from registry.api.arguments import check_arguments
from registry.api.backend import Note
from registry.api.pins import choose_pin
from registry.api.registry import Registry
from registry.database.creation import downgrade_database, upgrade_database
from registry.heads import Head
from registry.instants import Instant
from registry.settings import find_service_url, find_settings, location_warnings

__all__ = [
    "Registry",
    "create_registry",
    "downgrade_database",
    "location_warnings",
    "open_registry",
    "upgrade_database",
]


@check_arguments
def open_registry(
    database: str | None = None,
    store: str | Path | None = None,
    *,
    timezone: str | None = None,
    note: Note | None = None,
    present: Instant | None = None,
    pin: str | Head | None = None,
) -> Registry:
    """Open a registry that is there.

    Parameters
    ----------
    database
        URL, ``sqlite:///FILE``, ``postgresql://...``, or that of a service, ``https://...``;
        by default that of ``CALREG_DATABASE``, else a file
        in the user's data directory.
    store
        Folder; by default that of ``CALREG_STORE``, else ``store`` beside the SQLite file.
    timezone
        IANA name of the zone in which times without an offset are read; by default ``CALREG_TIMEZONE``, else the
        registry's own, see `Registry.timezone`.
    note
        A function that is called with a sentence where a request for no record with ``notes`` has a text that is read
        as an instant: ``2018-02-10 is 2018-02-10T08:00:00Z (America/Los_Angeles)``.
    present
        The instant to which ``yesterday`` and such words are relative; by default that of each request.
    pin
        The revision as of which the session answers, with 16 digits of its seal, ``4-4f4a7c033166d624``, or a head; by
        default ``CALREG_PIN``, else the newest: through a service that of this moment, else that of each request. An
        `as_of` may name it or an earlier one, and nothing is recorded.

    Raises
    ------
    UnavailableError
        The database or the store is not there, or does not answer.
    SchemaError
        The database's schema is older, newer, or not a registry's.
    ConflictError
        The store belongs to another registry, or the pin is of another history.
    NotFoundError
        The revision of the pin is not known.
    """
    chosen = choose_pin(pin)
    url = find_service_url(database)
    if url is not None:
        from registry.api.remote.registry import RemoteRegistry

        return RemoteRegistry(url, timezone=timezone, note=note, present=present, pin=chosen)
    settings = find_settings(database, store)
    return Registry(settings, timezone=timezone, note=note, present=present, pin=chosen)


@check_arguments
def create_registry(
    database: str | None = None,
    store: str | Path | None = None,
    *,
    timezone: str | None = None,
    comment: str | None = None,
) -> str:
    """Make a registry's database and store, or upgrade them; return its id.

    Parameters
    ----------
    timezone
        IANA name of the registry's own time zone; by default a new registry has UTC, and another keeps its own.
    comment
        Why a registry in which something is recorded gets another zone.

    Raises
    ------
    UnavailableError
        A place cannot be written.
    SchemaError
        The database holds somebody else's tables, or a newer schema.
    ConflictError
        The store belongs to another registry.
    InstantError
        The time zone is not known, or is another one on another machine.
    RequestError
        The registry has another time zone, something is recorded in it, and the comment is missing; or a comment
        comes without a time zone.
    """
    from registry.api.creation import make_registry  # not needed by a look-up

    return make_registry(find_settings(database, store), timezone, comment)
