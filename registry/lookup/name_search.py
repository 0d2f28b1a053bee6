"""Names that begin like what is searched for, as of a revision: a few of each category at most."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from registry import schema
from registry.lookup.experiments import select_experiments

MAX_NAMES = 60
"""The largest number of names of one category."""


class FoundName(Struct, frozen=True):
    """A name, and a description of a word or two."""

    text: str
    description: str


def search_names(connection: sa.Connection, prefix: str, revision: int) -> dict[str, list[FoundName]]:
    """Return by category the names that begin with a text, in large or small letters, in their order."""
    statements = {
        "aliases": _select_aliases(revision),
        "panels": _select_panels(revision),
        "detector_names": _select_detector_names(revision),
        "tags": _select_tags(revision),
        "experiments": select_experiments(revision).add_columns(sa.null().label("description")),
    }
    names = {}
    for category, statement in statements.items():
        rows = statement.subquery()
        first_letters = sa.func.substr(rows.c.name, 1, sa.func.length(prefix))
        query = sa.select(rows).where(sa.func.lower(first_letters) == sa.func.lower(prefix))
        query = query.order_by(rows.c.name).limit(MAX_NAMES)
        names[category] = [
            FoundName(row.name, str(row.description or "")) for row in connection.execute(query)
        ]
    return names


def _select_aliases(revision: int) -> sa.Select[Any]:
    alias = schema.alias
    query = sa.select(alias.c.m_number.label("name"), sa.null().label("description"))
    return query.where(schema.live_condition(alias, revision)).distinct()


def _select_panels(revision: int) -> sa.Select[Any]:
    """Select the panels, each with the M-number that it bears last."""
    panel, alias = schema.panel, schema.alias
    last = sa.select(alias.c.m_number).where(alias.c.panel_id == panel.c.id)
    last = last.where(schema.live_condition(alias, revision)).order_by(alias.c.valid_from.desc()).limit(1)
    query = sa.select(panel.c.identifier.label("name"), last.scalar_subquery().label("description"))
    return query.where(panel.c.recorded_in <= revision)


def _select_detector_names(revision: int) -> sa.Select[Any]:
    name = schema.detector_name
    query = sa.select(name.c.name, sa.null().label("description"))
    return query.where(schema.live_condition(name, revision))


def _select_tags(revision: int) -> sa.Select[Any]:
    tag = schema.tag
    words = sa.literal("revision ") + sa.cast(tag.c.revision, sa.String)
    return sa.select(tag.c.name, words.label("description")).where(tag.c.recorded_in <= revision)
