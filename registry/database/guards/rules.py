"""The rules that the guards enforce, by table, in terms of NEW; derived from the schema where it says them.

A condition is SQL for both databases: ``[name]`` is a table of this schema, ``IS DISTINCT FROM`` a comparison that
knows NULL, and ``greatest`` the larger one of two values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema


class Rule(NamedTuple):
    """A rule that refuses a row: a condition, and the sentence that says it."""

    condition: str
    sentence: str


class Guard(NamedTuple):
    """A trigger, or a function that triggers execute and that belongs to no table: its name and how it is made."""

    name: str
    table: str | None
    statements: tuple[str, ...]


NEWEST = "(SELECT max(number) FROM [revision])"
CLOSED = "EXISTS (SELECT 1 FROM [closure] WHERE opened_at IS NULL)"
OPENING = "OLD.reason = 'arrival' AND OLD.opened_at IS NULL AND NEW.opened_at IS NOT NULL"
SEALED = Rule(f"EXISTS (SELECT 1 FROM [seal] WHERE revision = {NEWEST})", "the revision is sealed")

_NEWEST_EXPORT = "(SELECT max(id) FROM [export])"
# The fork of a snapshot has links of exports that it lacks.
_LARGEST_EXPORT = """(SELECT max(number) FROM (
    SELECT max(id) AS number FROM [export] UNION ALL SELECT max(export) FROM [export_seal]
) AS numbers)"""
_EXPORT_SEALED = Rule(
    f"EXISTS (SELECT 1 FROM [export_seal] WHERE export = {_NEWEST_EXPORT})", "the export is sealed"
)
_EARLIER_INSTANT = "NEW.recorded_at < (SELECT recorded_at FROM [revision] ORDER BY number DESC LIMIT 1)"
# As of a revision, a look-up begins at the latest start: a smaller one would hide what holds.
_OTHER_LATEST_START = """NEW.latest_start IS DISTINCT FROM greatest(NEW.valid_from, coalesce((
      SELECT v.latest_start FROM [version] v WHERE v.panel_id = NEW.panel_id AND v.kind = NEW.kind
      ORDER BY v.recorded_in DESC, v.latest_start DESC LIMIT 1), NEW.valid_from))"""
# The same for all rows of the newest revision, each after the one that was inserted before it.
_OTHER_LATEST_STARTS = f"""(
      SELECT panel_id, kind, recorded_in, valid_from, latest_start,
        lag(latest_start) OVER (PARTITION BY panel_id, kind ORDER BY id) AS previous
      FROM [version] WHERE recorded_in = {NEWEST}
    ) AS NEW WHERE NEW.latest_start IS DISTINCT FROM greatest(NEW.valid_from, coalesce(NEW.previous, (
      SELECT v.latest_start FROM [version] v WHERE v.panel_id = NEW.panel_id AND v.kind = NEW.kind
        AND v.recorded_in < NEW.recorded_in
      ORDER BY v.recorded_in DESC, v.latest_start DESC LIMIT 1), NEW.valid_from))"""

_LATEST_START_SENTENCE = "latest_start is not the greatest start of the panel and kind"

_RULES_OF_ONE_TABLE = {
    "registry": (Rule("EXISTS (SELECT 1 FROM [registry])", "a database holds one registry"),),
    "revision": (
        Rule(f"NEW.number IS DISTINCT FROM coalesce({NEWEST}, 0) + 1", "revisions are numbered without gaps"),
        Rule(_EARLIER_INSTANT, "the instants of revisions never run backwards"),
        Rule(f"{NEWEST} IS NOT NULL AND NOT {SEALED.condition}", "the newest revision is not sealed"),
    ),
    "seal": (
        Rule(f"NEW.revision IS DISTINCT FROM {NEWEST}", "the revision is not the newest"),
        SEALED,
        Rule(
            "NEW.export IS DISTINCT FROM (SELECT max(export) FROM [export_seal])",
            "export is not the newest that is sealed",
        ),
    ),
    "export": (
        Rule(
            f"NEW.id IS DISTINCT FROM coalesce({_LARGEST_EXPORT}, 0) + 1", "exports are numbered without gaps"
        ),
        Rule(
            f"{_NEWEST_EXPORT} IS NOT NULL AND NOT {_EXPORT_SEALED.condition}",
            "the newest export is not sealed",
        ),
    ),
    "export_seal": (
        Rule(f"NEW.export IS DISTINCT FROM {_NEWEST_EXPORT}", "the export is not the newest"),
        _EXPORT_SEALED,
    ),
    "tag": (
        Rule(
            "NOT EXISTS (SELECT 1 FROM [seal] WHERE revision = NEW.revision AND digest = NEW.seal)",
            "seal is not that of the revision",
        ),
    ),
    "version": (Rule(_OTHER_LATEST_START, _LATEST_START_SENTENCE),),
    "closure": (
        Rule(
            "NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM [closure])",
            "closures are numbered without gaps",
        ),
        Rule(CLOSED, "the registry is closed already"),
    ),
}


def list_tables() -> list[sa.Table]:
    """Return the tables that are guarded, each after those that it refers to."""
    return schema.metadata.sorted_tables


def closes_with_registry(table: sa.Table) -> bool:
    """Tell whether nothing is added to the table in a closed registry."""
    return table is not schema.registry and table is not schema.closure


def is_fact(table: sa.Table) -> bool:
    """Tell whether a later revision can withdraw the table's rows."""
    return bool(table.info.get("fact"))


def list_insert_rules(table: sa.Table) -> list[Rule]:
    """Return the rules for a new row, in the order in which they are asked."""
    return [
        *_list_recording_rules(table),
        *_list_parent_rules(table),
        *_list_reference_rules(table),
        *_RULES_OF_ONE_TABLE.get(table.name, ()),
    ]


def list_batch_rules(table: sa.Table) -> list[Rule]:
    """Return the rules for rows that were inserted at once and are there: each asks one of them, which is named NEW.

    With those of `list_batch_queries` they refuse what `list_insert_rules` refuse.
    """
    own = [
        Rule(f"NEW.{column.name} >= NEW.id", f"{column.name} refers to no {table.name}")
        for column in table.c
        for reference in column.foreign_keys
        if reference.column.table is table
    ]
    return [*_list_recording_rules(table), *_list_parent_rules(table), *_list_reference_rules(table), *own]


def list_batch_queries(table: sa.Table) -> list[Rule]:
    """Return the rules for rows that were inserted at once which compare them: each finds the wrong ones FROM them."""
    return [Rule(_OTHER_LATEST_STARTS, _LATEST_START_SENTENCE)] if table is schema.version else []


def _list_recording_rules(table: sa.Table) -> Iterator[Rule]:
    if "recorded_in" in table.c:
        yield Rule(f"NEW.recorded_in IS DISTINCT FROM {NEWEST}", "recorded_in is not the newest revision")
        yield SEALED._replace(condition="EXISTS (SELECT 1 FROM [seal] WHERE revision = NEW.recorded_in)")
    if is_fact(table):
        yield Rule("NEW.withdrawn_in IS NOT NULL", "a fact is not withdrawn when it is recorded")


def _list_parent_rules(table: sa.Table) -> Iterator[Rule]:
    """Yield the rules for rows that belong to a row of another table, and come with it."""
    parent, key = _find_parent(table)
    if parent == "export":
        yield Rule(f"NEW.{key} IS DISTINCT FROM {_NEWEST_EXPORT}", "the export is not the newest")
        yield _EXPORT_SEALED
    elif parent is not None:
        recorded_in = f"(SELECT recorded_in FROM [{parent}] WHERE id = NEW.{key})"
        yield Rule(
            f"{recorded_in} IS DISTINCT FROM {NEWEST}", f"the {parent} was recorded by an earlier revision"
        )
        yield SEALED


def _find_parent(table: sa.Table) -> tuple[str, str] | tuple[None, None]:
    """Return the table whose rows this one's belong to, and the key to it."""
    if "export_id" in table.c:
        return "export", "export_id"
    parent, key = table.info.get("parent", (None, None))
    return parent, key


def _list_reference_rules(table: sa.Table) -> Iterator[Rule]:
    """Yield the rules for foreign keys, which a pragma or the role of a replica switches off, but not these."""
    covered = {"recorded_in", "withdrawn_in", _find_parent(table)[1]}
    for column in table.c:
        for reference in column.foreign_keys:
            if column.name not in covered:
                parent, key = reference.column.table.name, reference.column.name
                missing = f"NOT EXISTS (SELECT 1 FROM [{parent}] WHERE {key} = NEW.{column.name})"
                yield Rule(
                    f"NEW.{column.name} IS NOT NULL AND {missing}", f"{column.name} refers to no {parent}"
                )


def list_keys(table: sa.Table) -> list[str]:
    """Return for every unique key the condition that a row with NEW's is there."""
    unique = [item for item in table.constraints if isinstance(item, sa.UniqueConstraint)]
    keys: list[tuple[list[Any], str]] = [(list(table.primary_key), "")]
    keys += [(list(constraint.columns), "") for constraint in sorted(unique, key=lambda item: str(item.name))]
    keys += [
        (list(index.columns), f" AND {index.info['where']}" if "where" in index.info else "")
        for index in sorted(table.indexes, key=lambda index: str(index.name))
        if index.unique
    ]
    return [
        " AND ".join(f"{column.name} = NEW.{column.name}" for column in columns) + condition
        for columns, condition in keys
    ]
