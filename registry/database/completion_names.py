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
from registry.settings import find_settings, sqlite_file

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
    values: dict[str, object] = {"prefix": prefix, "experiment": experiment}
    if category == "heads":
        values["one"] = int(prefix.partition(":")[0])
    elif category in _NUMBERED and prefix:
        if not re.fullmatch("[1-9][0-9]{0,6}", prefix):  # a hundred times more is still an integer there
            return []
        number = int(prefix)
        values |= {"one": number, "ten": 10 * number, "hundred": 100 * number}
    elif category in _NUMBERED:
        category = f"newest {category}"
    elif category == "sources" and experiment:
        category = "sources of one"
    try:
        url = find_settings(database).database
        file = sqlite_file(url)
    except RegistryError:
        return []
    query = _STATEMENTS[category]
    rows = _query_postgresql(query, values, url) if file is None else _query_sqlite(query, values, file)
    return [CompletionName(str(name), str(description or "")) for name, description in rows]


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
