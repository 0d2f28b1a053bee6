"""The state of a registry: where it is, what is in it, and what is wrong; also of one that cannot be opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa
from msgspec.structs import replace

from registry import schema
from registry.api.arguments import check_arguments
from registry.api.backend import Backend
from registry.api.mirror_state import find_mirror_state
from registry.api.pins import choose_pin, find_whole_head
from registry.api.stale_copies import StoreWitness
from registry.api.state_questions import list_problems
from registry.database.engine import open_engine, read_transaction
from registry.database.migrations import read_schema_revision
from registry.database.refusals import translate_database_errors
from registry.database.seals import read_seal
from registry.database.transactions import Database
from registry.errors import RegistryError, SchemaError
from registry.heads import LARGEST_NUMBER, Head, HeadFile
from registry.instants import Instant
from registry.lookup.counts import count_records
from registry.lookup.recorded_exports import list_recorded_exports
from registry.lookup.timezones import read_timezone
from registry.records import SettingInUse, Status
from registry.secrets import MASK
from registry.settings import (
    Setting,
    Settings,
    find_service_url,
    list_settings,
    location_warnings,
    mask_database_url,
    sqlite_file,
)
from registry.storage import Place, parse_place
from registry.store import ContentStore

EXPORTS_COMPARED = 20
"""So many of the newest exports are compared with what would be made now."""

_EXPORTS_SHOWN = 3


@check_arguments
def read_status(database: str | None = None, store: str | Path | None = None) -> Status:
    """Return the state of a registry, also of one that cannot be opened; little is read, however large it is.

    Parameters
    ----------
    database, store
        As of `open_registry`.

    Raises
    ------
    RequestError
        The settings are wrong.
    """
    return find_status(database, store)[0]


def find_status(
    database: str | None = None, store: str | Path | None = None
) -> tuple[Status, RegistryError | None]:
    """Return the state of a registry, and why it is not opened; None where it is."""
    listed = list_settings(database, store)
    service = find_service_url(database)
    if service is not None:
        from registry.api.remote.status import find_service_status

        shown = f"{service.partition('://')[0]}://{MASK}" if "@" in service else service
        rows = tuple(
            replace(row, value=shown) if row.name == "database" else row
            for row in _list_service_settings(listed)
        )
        status = Status(database=shown, store=shown, settings=rows, software_schema=schema.REVISION)
        return find_service_status(service, status, EXPORTS_COMPARED, _EXPORTS_SHOWN)
    by_name = {setting.name: setting.value for setting in listed}
    settings = Settings(by_name["database"], parse_place(by_name["store"]))
    pin = choose_pin(None)
    status = Status(
        database=mask_database_url(settings.database),
        store=str(settings.store),
        settings=tuple(map(_describe_setting, listed)),
        software_schema=schema.REVISION,
    )
    try:
        with ExitStack() as stack:
            opened = Database(settings.database, HeadFile(settings.store))
            stack.callback(opened.close)
            if pin is not None:
                find_whole_head(opened, pin)
            store_error = _find_store_error(settings.store, opened.registry_id)
            backend = Backend(opened, ContentStore(settings.store), None)
            status = _read_opened(backend, status, has_store=store_error is None)
    except RegistryError as error:
        if isinstance(error, SchemaError):
            status = _read_other_schema(settings.database, status)
        return replace(status, refusal=error.message), error
    if store_error is not None:
        status = replace(status, refusal=store_error.message)
    return status, store_error


def _find_store_error(place: Place, registry_id: str) -> RegistryError | None:
    """Return why the store cannot be used with the database, None where it can."""
    try:
        ContentStore(place).refuse_other_registry(registry_id)
    except RegistryError as error:
        return error
    return None


def _list_service_settings(listed: Sequence[Setting]) -> Iterator[SettingInUse]:
    """Yield the settings that count where a service has the store."""
    for setting in listed:
        if setting.name != "store":
            yield SettingInUse(setting.name, setting.value, setting.origin, setting.where)


def _describe_setting(setting: Setting) -> SettingInUse:
    value = mask_database_url(setting.value) if setting.name == "database" else setting.value
    return SettingInUse(setting.name, value, setting.origin, setting.where)


def _read_opened(backend: Backend, status: Status, *, has_store: bool) -> Status:
    """Return the state with what the database knows; a store of another registry says nothing about it."""
    witness = StoreWitness(backend, None)
    with backend.read_transaction() as view:
        connection, number = view.connection, view.revision
        newest = connection.execute(
            sa.select(schema.revision).where(schema.revision.c.number == number)
        ).one_or_none()
        exports = list_recorded_exports(connection, number, LARGEST_NUMBER, EXPORTS_COMPARED)
        seal = read_seal(connection, number) if number else None
        zone = read_timezone(connection)
        return replace(
            status,
            schema=schema.REVISION,
            registry=backend.database.registry_id,
            timezone=zone,
            settings=tuple(
                replace(row, value=zone, origin="registry")
                if not row.value and row.name == "timezone"
                else row
                for row in status.settings
            ),
            revision=number,
            recorded_at=None if newest is None else Instant(newest.recorded_at),
            author=None if newest is None else newest.author,
            seal=seal,
            pin=None if seal is None else Head(number, seal).pin,
            counts=count_records(connection, number),
            database_bytes=_read_size(connection, backend.database.url),
            newest_exports=tuple(exports[:_EXPORTS_SHOWN]),
            stale_exports=tuple(export for export in exports if export.stale is not None),
            exports_compared=len(exports),
            mirror=find_mirror_state(connection),
            problems=(
                *list_problems(backend, connection, number, seal, witness if has_store else None),
                *location_warnings(backend.database.url),
            ),
        )


def _read_size(connection: sa.Connection, url: str) -> int | None:
    """Return the size of the database in bytes; None where it cannot be told."""
    file = sqlite_file(url)
    if file is None:
        return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())
    sizes = [path.stat().st_size for path in (file, Path(f"{file}-wal")) if path.exists()]
    return sum(sizes) if sizes else None


def _read_other_schema(url: str, status: Status) -> Status:
    """Return the state with what every schema has, where a database of another one is not opened."""
    revision = sa.table("revision", sa.column("number"), sa.column("recorded_at"), sa.column("author"))
    try:
        with (
            translate_database_errors(url),
            open_engine(url) as engine,
            read_transaction(engine) as connection,
        ):
            other = read_schema_revision(connection)
            if other is None or not other.isdigit():
                return status
            newest = connection.execute(
                sa.select(revision).order_by(revision.c.number.desc()).limit(1)
            ).one_or_none()
    except RegistryError:
        return status
    status = replace(status, schema=other)
    if newest is None:
        return replace(status, revision=0)
    return replace(
        status, revision=newest.number, recorded_at=Instant(newest.recorded_at), author=newest.author
    )
