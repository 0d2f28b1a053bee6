"""The differences of a database from that which this software would make."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from registry.database.catalogue.parts import GUARD_KINDS, Part, compare_parts


def find_differences(connection: sa.Connection, *, thorough: bool = False) -> list[str]:
    """Return a sentence for each difference of the tables and the guards, in the session's schema only.

    A `thorough` one reads every page of a SQLite file: it takes longer the more is recorded.
    """
    catalogue = _import_catalogue(connection)
    return [
        *(sentence for _, sentence in _compare(connection)),
        *catalogue.find_guard_oddities(connection),
        *catalogue.find_identity_oddities(connection),
        *catalogue.find_oddities(connection, thorough=thorough),
    ]


def find_guard_differences(connection: sa.Connection) -> list[str]:
    """Return those of the differences that concern the guards."""
    catalogue = _import_catalogue(connection)
    live, wanted = catalogue.read_guards(connection), catalogue.describe_guards(connection)
    differences = [sentence for part, sentence in compare_parts(live, wanted) if part.kind in GUARD_KINDS]
    return [*differences, *catalogue.find_guard_oddities(connection)]


def find_view_differences(connection: sa.Connection) -> list[str]:
    """Return those that concern the views, and what a SQLite file says that it is."""
    catalogue = _import_catalogue(connection)
    views = [sentence for part, sentence in _compare(connection) if part.kind == "view"]
    return [*views, *catalogue.find_identity_oddities(connection)]


def _compare(connection: sa.Connection) -> Iterator[tuple[Part, str]]:
    catalogue = _import_catalogue(connection)
    live = catalogue.read_parts(connection)
    return compare_parts(live, catalogue.build_parts(connection, live))


def _import_catalogue(connection: sa.Connection) -> Any:
    # Each loads the dialect of its database.
    return importlib.import_module(f"registry.database.catalogue.{connection.dialect.name}")
