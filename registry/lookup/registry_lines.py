"""Lines of the log about the registry itself: where it comes from, its time zone, and names of its revisions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from registry import schema
from registry.sql import sa


@cache
def select_lineage() -> sa.Select[Any]:
    """Return the query of forks and losses."""
    return sa.select(schema.lineage).order_by(schema.lineage.c.id)


def describe_lineage(rows: Sequence[Any]) -> str:
    """Return the line of a fork or a loss, with the head of the history that goes on elsewhere, or is lost."""
    row = rows[0]
    head = f"{row.head_revision}:{row.head_seal}"
    if row.reason == "fork":
        return f"registry {row.registry} continues registry {row.ancestor} from revision {head}"
    if row.head_revision < row.recorded_in:
        return f"another history up to the head {head} was lost"
    return f"revisions after {row.recorded_in - 1} up to the head {head} were lost"


@cache
def select_tags() -> sa.Select[Any]:
    """Return the query of tags."""
    return sa.select(schema.tag).order_by(schema.tag.c.name)


def describe_tag(rows: Sequence[Any]) -> str:
    """Return the line of a tag."""
    return f"tag {rows[0].name}: revision {rows[0].revision}"


@cache
def select_timezones() -> sa.Select[Any]:
    """Return the query of time zones."""
    return sa.select(schema.timezone).order_by(schema.timezone.c.id)


def describe_timezone(rows: Sequence[Any]) -> str:
    """Return the line of a time zone."""
    return f"time zone {rows[0].name}"
