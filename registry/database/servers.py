"""Engines for PostgreSQL: what a URL may say, and what every connection has, whoever is between it and the server."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from registry.database.forks import watch_connections
from registry.errors import RequestError, UnavailableError
from registry.extras import import_extra
from registry.secrets import MASK, mask_url

_DRIVER = "postgresql+psycopg"
_UNLIMITED = -1  # as many connections as threads ask for; a server that has no more of them says so
# A server that does not answer in ten seconds, or a network that is silent for a minute, counts as unavailable.
_TIMEOUTS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# Parameters of psycopg, not of libpq: they take objects of Python, or change what a transaction is.
_PYTHON_OPTIONS = ("autocommit", "context", "cursor_factory", "row_factory")
# A host that is the folder of a socket has its slashes as %2F.
_LIBPQ_HOSTS = re.compile(
    r"(?P<before>[^/?#]*@)?(?P<hosts>[^/?#@]*[,%][^/?#@]*)(?P<after>[/?#].*)?", re.DOTALL
)
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^\[\]:]*)(?::(?P<port>\d*))?")
# Settings that change what the server says of numbers and names; its own may be those of the role or the database.
_SETTINGS = {"extra_float_digits": ("1", "2", "3"), "quote_all_identifiers": ("off",)}
_ASK_SERVER = "SELECT pg_backend_pid(), current_setting('search_path'), " + ", ".join(
    f"current_setting('{name}')" for name in _SETTINGS
)
_IN_TRANSACTIONS = "calreg_settings"  # the key of the statements with which its transactions begin
_SEARCH_PATH = re.compile(r"(?:-c\s*|--)search[_-]path\s*=(.*)", re.DOTALL)


def make_server_engine(url: str) -> sa.Engine:
    """Return an engine for a URL of PostgreSQL, not connected yet.

    Beside what libpq takes, the URL may have several hosts with commas between them, and ``pgbouncer=true`` or
    ``prepare_threshold=none`` for a pooler that hands out another connection for every transaction.

    Raises
    ------
    RequestError
        The URL cannot be used.
    UnavailableError
        The PostgreSQL driver is not installed.
    """
    scheme, separator, rest = url.partition("://")
    if rest.partition(":")[2].count("@") > 1:
        # The rest of such a password would be taken for the host, and shown.
        raise RequestError("the database's URL has more than one @; in a password it is written %40")
    if mask_url(url) == MASK:  # the driver might take a part of the password for a host, and repeat it
        raise RequestError("the text that is given for it is not a URL of a PostgreSQL database")
    import_extra(
        "psycopg", "postgresql", "the PostgreSQL driver is not installed"
    )  # and the libpq that it needs
    try:
        rest, hosts = _take_hosts(rest)
        parsed = sa.make_url(f"{scheme}{separator}{rest}").set(drivername=_DRIVER)
        _refuse_invalid_texts(parsed, hosts)
        options = _read_python_options(parsed, url)
        engine = sa.create_engine(
            parsed.difference_update_query(["pgbouncer", "prepare_threshold"]),
            isolation_level="AUTOCOMMIT",  # `database.engine` opens the transactions, each with its level
            connect_args=unset_timeouts(parsed) | hosts | options,
            max_overflow=_UNLIMITED,
        )
    except (sa.exc.ArgumentError, ValueError):
        raise RequestError(f"{mask_url(url)!r} is not a URL of a PostgreSQL database") from None
    _listen(engine, _find_search_path(parsed))
    return watch_connections(engine)


def _take_hosts(rest: str) -> tuple[str, dict[str, str]]:
    """Return a URL, after its scheme, without hosts that SQLAlchemy does not read, and these as libpq wants them."""
    match = _LIBPQ_HOSTS.fullmatch(rest)
    if match is None:
        return rest, {}
    names, ports = [], []
    for text in match["hosts"].split(","):
        host = _HOST.fullmatch(text)
        if host is None:
            raise ValueError(text)
        names.append(unquote(host["name"].strip("[]"), errors="strict"))
        ports.append(host["port"] or "")
    return f"{match['before'] or ''}{match['after'] or ''}", {
        "host": ",".join(names),
        "port": ",".join(ports),
    }


def _refuse_invalid_texts(url: sa.URL, several: dict[str, str]) -> None:
    """Raise ValueError for texts that the driver cannot pass on, and for hosts that cannot be looked up."""
    query = [text for name, values in url.normalized_query.items() for text in (name, *values)]
    texts = (url.username, url.password, url.host, url.database, *query, *several.values())
    unquoted = "".join(map(str, texts))
    if "\0" in unquoted.encode().decode():
        raise ValueError("a NUL")
    hosts = url.query.get("host", ())
    names = [url.host or "", several.get("host", ""), *((hosts,) if isinstance(hosts, str) else hosts)]
    for host in ",".join(names).split(","):
        if "/" not in host:  # with a slash it is the folder of a socket
            host.encode("idna")


def unset_timeouts(url: sa.URL) -> dict[str, str]:
    """Return the timeouts that the user has not set in the URL, a service or the environment."""
    if "service" in url.query or "PGSERVICE" in os.environ:
        return {}
    configured = set(url.query) | ({"connect_timeout"} if "PGCONNECT_TIMEOUT" in os.environ else set())
    return {name: value for name, value in _TIMEOUTS.items() if name not in configured}


def _read_python_options(url: sa.URL, text: str) -> dict[str, Any]:
    """Return the options that are the driver's, and those that every connection has; refuse others."""
    for name in _PYTHON_OPTIONS:
        if name in url.query:
            raise RequestError(f"{mask_url(text)!r} has an option that calreg does not take: {name}")
    options: dict[str, Any] = {"client_encoding": "utf8"}  # whatever PGCLIENTENCODING or the server say
    threshold, pooled = url.query.get("prepare_threshold"), url.query.get("pgbouncer", "false")
    if pooled not in ("true", "false"):
        raise RequestError(f"pgbouncer is true or false, not {pooled!r}")
    if threshold == "none" or pooled == "true":
        options["prepare_threshold"] = None
    elif isinstance(threshold, str) and threshold.isascii() and threshold.isdigit() and int(threshold):
        options["prepare_threshold"] = int(threshold)
    elif threshold is not None:
        raise RequestError(
            f"prepare_threshold is none, or after how many times a statement is prepared, from 1: not {threshold!r}"
        )
    return options


def _find_search_path(url: sa.URL) -> str | None:
    """Return the search path that is requested by the options of a connection, None where it is the server's."""
    texts = url.query.get("options", os.environ.get("PGOPTIONS", ""))
    path = None
    for text in (texts,) if isinstance(texts, str) else texts:
        with suppress(ValueError):  # the server says what is wrong with it
            words = iter(shlex.split(text))
            for word in words:
                setting = _SEARCH_PATH.fullmatch(f"-c{next(words, '')}" if word == "-c" else word)
                path = path if setting is None else setting[1]
    return path


def _listen(engine: sa.Engine, search_path: str | None) -> None:
    """Prepare every new connection, and leave nothing of one transaction to the next."""

    @sa.event.listens_for(engine, "connect")
    def adapt_connection(connection: Any, record: Any) -> None:
        record.info[_IN_TRANSACTIONS] = _adapt_to_server(connection, search_path)

    @sa.event.listens_for(engine, "begin")
    def adapt_transaction(connection: sa.Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        for statement in () if driver.autocommit else connection.connection.info[_IN_TRANSACTIONS]:
            connection.exec_driver_sql(statement)

    @sa.event.listens_for(engine, "checkin")
    def forget_access_mode(connection: Any, _record: object) -> None:
        # SQLAlchemy leaves False behind, which says READ WRITE, whatever the server's default for transactions is.
        if connection is not None and not connection.closed and connection.read_only is not None:
            connection.read_only = None


def _adapt_to_server(connection: Any, search_path: str | None) -> list[str]:
    """Prepare a new connection for its server, or a pooler; return what every transaction there begins with."""
    connection.autocommit = True
    process, path, *values = connection.execute(_ASK_SERVER, prepare=False).fetchone()
    statements = [
        f"{name} = {allowed[0]}"
        for (name, allowed), value in zip(_SETTINGS.items(), values, strict=True)
        if value not in allowed
    ]
    is_direct = process == connection.info.backend_pid
    for statement in statements if is_direct else ():
        connection.execute(f"SET {statement}", prepare=False)
    if is_direct:
        return []
    # Somebody hands out connections of the server to many clients: a statement that was prepared in the one is
    # not there in the next.
    connection.prepare_threshold = None
    if search_path is not None and _fold(path) != _fold(search_path):
        raise UnavailableError(
            f"the pooler before the database ignores the options of a connection: the search path is {path!r},"
            f" not {search_path!r}; set it for the role or the database"
        )
    return [f"SET LOCAL {statement}" for statement in statements]


def _fold(search_path: str) -> str:
    return "".join(search_path.replace('"', "").split()).lower()
