"""Ask real servers, as facilities arrange them, for everything: each answers or refuses with the expected code."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from registry.api import Registry, create_registry
from registry.errors import RegistryError
from testing.panels import PANEL_A, use_small_panels, write_panel_folder
from testing.programs import MissingProgramError
from testing.registries import PostgresServer, RegistryFactory, RegistryLocation
from testing.servers import Pooler, Standby

_AT = "2020-01-01T00:00:00Z"
_DONE = 0
_SCHEMA, _UNAVAILABLE = 7, 8
_WRITES = ("record", "init")
ENCODINGS = ("SQL_ASCII", "LATIN1", "EUC_JP")
_numbers = itertools.count(1)


@dataclass
class ServerTally:
    """The exit codes of an arrangement by request, and where they are others than expected."""

    arrangement: str
    codes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Arrangement:
    """A server as a client finds it: how to reach a registry there, and the exit codes of its reads and writes."""

    name: str
    reach: Callable[[RegistryLocation], str]
    reads: int = _DONE
    writes: int = _DONE


def run_arrangements(server: PostgresServer, *, short: bool = False) -> Iterator[ServerTally]:
    """Try every arrangement of a server; one whose program is missing is named with the reason.

    `short` leaves out those that need another server or a pooler, and encodings but one.
    """
    with ExitStack() as stack:
        stack.enter_context(use_small_panels())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calreg-")))
        factory = stack.enter_context(RegistryFactory(folder, server.url, prefix="servers"))
        for arrangement in _list_arrangements(server, stack, short=short):
            if isinstance(arrangement, ServerTally):
                yield arrangement
            else:
                yield _try_arrangement(factory, arrangement)
        for encoding in ENCODINGS[:1] if short else ENCODINGS:
            yield _try_encoding(factory, server, encoding)


def _list_arrangements(
    server: PostgresServer, stack: ExitStack, *, short: bool
) -> Iterator[_Arrangement | ServerTally]:
    yield _Arrangement("server", lambda location: location.database)
    read_only = "-c default_transaction_read_only=on"
    yield _Arrangement("read-only by the URL", _with_query(options=read_only), writes=_UNAVAILABLE)
    yield _Arrangement(
        "read-only database",
        _alter("SET default_transaction_read_only = on"),
        writes=_UNAVAILABLE,
    )
    yield _Arrangement(
        "search path without a schema", _with_query(options="-csearch_path=no"), _SCHEMA, _SCHEMA
    )
    yield _Arrangement("client_encoding=LATIN1", _with_query(client_encoding="LATIN1"))
    yield _Arrangement("prepare_threshold=none", _with_query(prepare_threshold="none"))
    if short:
        return
    try:
        standby = stack.enter_context(Standby(server))
    except MissingProgramError as error:
        yield ServerTally(f"standby: {error}")
    else:
        yield _Arrangement("standby", lambda location: _follow(standby, location), writes=_UNAVAILABLE)
        yield _Arrangement(
            "list of hosts, the standby first", lambda location: _list_hosts(standby, server, location)
        )
    for mode in ("session", "transaction", "statement"):
        code = _UNAVAILABLE if mode == "statement" else _DONE
        try:
            pooler = stack.enter_context(Pooler(server, mode))
        except MissingProgramError as error:
            yield ServerTally(f"PgBouncer: {error}")
            return
        yield _Arrangement(f"PgBouncer, {mode}", _reach_through(pooler), code, code)
        if mode == "transaction":
            reach = _reach_through(pooler, options=read_only)
            yield _Arrangement("PgBouncer, options in the URL", reach, _UNAVAILABLE, _UNAVAILABLE)


def _reach_through(pooler: Pooler, **query: str) -> Callable[[RegistryLocation], str]:
    return lambda location: pooler.find_url(location.database, **query)


def _with_query(**query: str) -> Callable[[RegistryLocation], str]:
    def reach(location: RegistryLocation) -> str:
        return sa.make_url(location.database).update_query_dict(query).render_as_string(hide_password=False)

    return reach


def _alter(setting: str) -> Callable[[RegistryLocation], str]:
    def reach(location: RegistryLocation) -> str:
        _execute(location.database, f"ALTER DATABASE {sa.make_url(location.database).database} {setting}")
        return location.database

    return reach


def _follow(standby: Standby, location: RegistryLocation) -> str:
    standby.follow()
    return standby.find_url(location.database)


def _list_hosts(standby: Standby, server: PostgresServer, location: RegistryLocation) -> str:
    standby.follow()
    hosts = f"{standby.folder},{sa.make_url(server.url).query['host']}"
    return _with_query(host=hosts, target_session_attrs="read-write")(location)


def _execute(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _try_arrangement(factory: RegistryFactory, arrangement: _Arrangement) -> ServerTally:
    location = factory.make("postgresql")
    folder = location.folder
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(folder / "first"), valid_from="beginning")
    reached = RegistryLocation(arrangement.reach(location), location.store)
    tally = ServerTally(arrangement.name)
    for name, request in _REQUESTS.items():
        expected = arrangement.writes if name in _WRITES else arrangement.reads
        _ask(tally, name, expected, lambda: _open_and(reached, request, folder))  # noqa: B023 - called at once
    return tally


def _open_and(
    location: RegistryLocation, request: Callable[[Registry, Path], object], folder: Path
) -> object:
    with location.open() as registry:
        return request(registry, folder)


def _record(registry: Registry, folder: Path) -> None:
    registry.versions.add(PANEL_A, write_panel_folder(folder / f"next-{next(_numbers)}", 1), valid_from=_AT)


_REQUESTS: dict[str, Callable[[Registry, Path], object]] = {
    "look up": lambda registry, _: registry.validity(PANEL_A, at=_AT),
    "export": lambda registry, folder: registry.export(PANEL_A, folder / "out", at=_AT),
    "backup": lambda registry, folder: registry.backup(folder / "backup"),
    "verify": lambda registry, _: registry.verify(),
    "record": _record,
}


def _try_encoding(factory: RegistryFactory, server: PostgresServer, encoding: str) -> ServerTally:
    name = f"encoded_{encoding.lower()}_{next(_numbers)}"
    _execute(
        server.url,
        f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    url = sa.make_url(server.url).set(database=name).render_as_string(hide_password=False)
    store = factory.folder / name
    tally = ServerTally(f"database in {encoding}")
    _ask(tally, "init", _UNAVAILABLE, lambda: create_registry(url, store))
    if store.exists():
        tally.problems.append("a store was made")
    _execute(server.url, f"DROP DATABASE {name}")
    return tally


def _ask(tally: ServerTally, name: str, expected: int, request: Callable[[], object]) -> None:
    sentence = "done"
    tally.codes[name] = _DONE
    try:
        request()
    except RegistryError as refusal:
        tally.codes[name], sentence = refusal.code, str(refusal)
    if tally.codes[name] != expected:
        tally.problems.append(f"{name}: {tally.codes[name]} instead of {expected}: {sentence}")
