"""The public Python face: one call, one transaction.

>>> from registry import open_registry
>>> with open_registry() as registry:                                    # doctest: +SKIP
...     constants = registry.constants("exp=xcsls3716:run=631", at="20180101000000")
...     constants["pixel_gain"].shape
(3, 2, 512, 1024)
"""

from __future__ import annotations

from pathlib import Path

from registry.api.registry import Registry
from registry.database.creation import create_database, downgrade_database, upgrade_database
from registry.settings import find_settings, location_warnings
from registry.store import ContentStore

__all__ = [
    "Registry",
    "create_registry",
    "downgrade_database",
    "location_warnings",
    "open_registry",
    "upgrade_database",
]


def open_registry(
    database: str | None = None, store: str | Path | None = None, *, timezone: str | None = None
) -> Registry:
    """Open a registry that is there.

    Parameters
    ----------
    database
        URL, ``sqlite:///FILE`` or ``postgresql://...``; by default that of ``CALREG_DATABASE``, else a file
        in the user's data directory.
    store
        Folder; by default that of ``CALREG_STORE``, else ``store`` beside the SQLite file.
    timezone
        IANA name of the zone in which 14-digit stamps are read; by default ``CALREG_TIMEZONE``, else UTC.

    Raises
    ------
    UnavailableError
        The database or the store is not there, or does not answer.
    SchemaError
        The database's schema is older, newer, or not a registry's.
    ConflictError
        The store belongs to another registry.
    """
    return Registry(find_settings(database, store), timezone=timezone)


def create_registry(database: str | None = None, store: str | Path | None = None) -> str:
    """Make a registry's database and store, or upgrade them; return its id.

    Raises
    ------
    UnavailableError
        A place cannot be written.
    SchemaError
        The database holds somebody else's tables, or a newer schema.
    ConflictError
        The store belongs to another registry.
    """
    settings = find_settings(database, store)
    content = ContentStore(settings.store)
    owner = content.read_owner()
    content.refuse_unwritable()
    registry_id = create_database(settings.database, owner)
    content.create(registry_id)
    return registry_id
