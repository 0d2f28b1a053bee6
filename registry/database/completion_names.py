"""Names that start with a prefix, for a shell that completes them: one statement each, a few names at most.

The statements are SQL, asked of the database's own driver: loading SQLAlchemy would take longer than all of
this (decision 23). No answer of the registry depends on them: they ignore revisions and do not check the schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from registry.errors import RegistryError, UnavailableError
from registry.extras import import_extra
from registry.settings import find_service_url, find_settings, sqlite_file

MAX_NAMES = 60
"""The largest number of names offered at once."""

_BUSY_SECONDS = 0.2
_OPTIONS_OF_CALREG = re.compile("(?<=[?&])(?:pgbouncer|prepare_threshold)=[^&]*&?")


class CompletionName(NamedTuple):
    """A name, and a description of a word or two."""

    text: str
    description: str = ""


# Compared by its characters: what LIKE and < mean differs between databases and collations.
_STARTS_WITH = "substr({0}, 1, length(:prefix)) = :prefix"
# The distinct experiments of a table: a probe of its index for each, however many rows there are.
_EXPERIMENTS = """
    {0}(name) AS (
        SELECT min(experiment) FROM {1} WHERE withdrawn_in IS NULL
        UNION ALL
        SELECT (SELECT min(experiment) FROM {1} WHERE withdrawn_in IS NULL AND experiment > {0}.name)
        FROM {0} WHERE {0}.name IS NOT NULL
    )"""
# The numbers that start with some digits: that number, and those with one or two digits more.
_NUMBER_STARTS_WITH = (
    "({0} = :one OR {0} BETWEEN :ten AND :ten + 9 OR {0} BETWEEN :hundred AND :hundred + 99)"
)

# Each walks an index in its order, and stops at the limit.
_STATEMENTS = {
    "panels": f"""
        SELECT identifier, (
            SELECT m_number FROM alias WHERE panel_id = panel.id AND withdrawn_in IS NULL
            ORDER BY valid_from DESC LIMIT 1
        )
        FROM panel WHERE {_STARTS_WITH.format("identifier")} ORDER BY identifier LIMIT {MAX_NAMES}""",
    "aliases": f"""
        SELECT m_number, NULL FROM alias WHERE withdrawn_in IS NULL AND {_STARTS_WITH.format("m_number")}
        GROUP BY m_number ORDER BY m_number LIMIT {MAX_NAMES}""",
    "detector_names": f"""
        SELECT name, NULL FROM detector_name WHERE withdrawn_in IS NULL AND {_STARTS_WITH.format("name")}
        ORDER BY name LIMIT {MAX_NAMES}""",
    "tags": f"""
        SELECT name, revision FROM tag WHERE {_STARTS_WITH.format("name")} ORDER BY name LIMIT {MAX_NAMES}""",
    "heads": """
        SELECT CAST(revision AS TEXT) || ':' || digest, NULL FROM seal WHERE revision = :one""",
    "experiments": f"""
        WITH RECURSIVE {_EXPERIMENTS.format("ran", "run")}, {_EXPERIMENTS.format("configured", "configuration")}
        SELECT name, NULL FROM (SELECT name FROM ran UNION SELECT name FROM configured) AS known
        WHERE {_STARTS_WITH.format("name")} ORDER BY name LIMIT {MAX_NAMES}""",
    "sources": f"""
        SELECT DISTINCT source, NULL FROM configuration
        WHERE withdrawn_in IS NULL AND {_STARTS_WITH.format("source")} ORDER BY source LIMIT {MAX_NAMES}""",
    "sources of one": f"""
        SELECT DISTINCT source, NULL FROM configuration
        WHERE experiment = :experiment AND withdrawn_in IS NULL AND {_STARTS_WITH.format("source")}
        ORDER BY source LIMIT {MAX_NAMES}""",
    "runs": f"""
        SELECT number, NULL FROM run
        WHERE experiment = :experiment AND withdrawn_in IS NULL AND {_NUMBER_STARTS_WITH.format("number")}
        ORDER BY number LIMIT {MAX_NAMES}""",
    "newest runs": f"""
        SELECT number, NULL FROM run WHERE experiment = :experiment AND withdrawn_in IS NULL
        ORDER BY number DESC LIMIT {MAX_NAMES}""",
    "versions": f"""
        SELECT version.id, kind || ' of ' || identifier FROM version JOIN panel ON panel.id = panel_id
        WHERE {_NUMBER_STARTS_WITH.format("version.id")} ORDER BY version.id LIMIT {MAX_NAMES}""",
    "newest versions": f"""
        SELECT version.id, kind || ' of ' || identifier FROM version JOIN panel ON panel.id = panel_id
        ORDER BY version.id DESC LIMIT {MAX_NAMES}""",
}
_NUMBERED = ("runs", "versions")
_NUMBER = re.compile("[1-9][0-9]{0,8}", re.ASCII)
CATEGORIES = (
    "panels",
    "aliases",
    "detector_names",
    "tags",
    "heads",
    "experiments",
    "sources",
    "runs",
    "versions",
)
"""The categories of names."""


def list_completion_names(
    category: str, prefix: str, *, experiment: str = "", database: str | None = None
) -> list[CompletionName]:
    """Return at most `MAX_NAMES` current names with this prefix; none where the database does not answer.

    Parameters
    ----------
    category
        ``panels``, ``aliases``, ``tags``, ``heads``, ``experiments``, ``sources``, ``runs`` or ``versions``.
    experiment
        The experiment of the runs; for sources, of one experiment only.
    database
        The URL; by default that of the environment.
    """
    try:
        service = find_service_url(database)
    except RegistryError:  # of the user's file
        return []
    if service is not None:
        from registry.database.names_of_service import ask_names  # a database needs no HTTP

        return [CompletionName(*row) for row in ask_names(service, category, prefix, experiment)]
    query = build_query(category, prefix, experiment)
    if query is None:
        return []
    try:
        url = find_settings(database).database
        file = sqlite_file(url)
    except RegistryError:
        return []
    rows = _query_postgresql(*query, url) if file is None else _query_sqlite(*query, file)
    return [CompletionName(str(name), str(description or "")) for name, description in rows]


def build_query(category: str, prefix: str, experiment: str) -> tuple[str, dict[str, object]] | None:
    """Return the statement that finds names, with its values; None where no name has that prefix."""
    values: dict[str, object] = {"prefix": prefix, "experiment": experiment}
    if category == "heads":
        number = prefix.partition(":")[0]
        if not _NUMBER.fullmatch(number):
            return None
        values["one"] = int(number)
    elif category in _NUMBERED and prefix:
        if not re.fullmatch("[1-9][0-9]{0,6}", prefix):  # a hundred times more is still an integer there
            return None
        first = int(prefix)
        values |= {"one": first, "ten": 10 * first, "hundred": 100 * first}
    elif category in _NUMBERED:
        category = f"newest {category}"
    elif category == "sources" and experiment:
        category = "sources of one"
    return _STATEMENTS[category], values


def _query_sqlite(statement: str, values: Mapping[str, object], file: Path) -> list[Any]:
    import sqlite3

    try:
        # As the registry opens it: "ro" would leave the files of the write-ahead log behind.
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)) as opened:
            return opened.execute(statement, values).fetchall()
    except (sqlite3.Error, UnicodeError):  # a word may contain bytes that are not text
        return []


def _query_postgresql(statement: str, values: Mapping[str, object], url: str) -> list[Any]:
    try:
        psycopg = import_extra("psycopg", "postgresql", "the PostgreSQL driver is not installed")
    except UnavailableError:
        return []
    try:
        plain = _OPTIONS_OF_CALREG.sub("", url.replace("+psycopg:", ":", 1))
        with psycopg.connect(
            plain, autocommit=True, client_encoding="utf8", prepare_threshold=None
        ) as server:
            rows: list[Any] = server.execute(re.sub(r":(\w+)", r"%(\1)s", statement), values).fetchall()
            return rows
    except (psycopg.Error, UnicodeError):
        return []
