"""A revision is undone by another: what it recorded is withdrawn, and what it withdrew is stated again.

That is done table by table, from the rows themselves, so a fact comes back with everything that was recorded with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change, Row
from registry.errors import ConflictError, RequestError
from registry.identifiers import format_count, shorten
from registry.instants import Instant
from registry.lookup.fact_lines import FACT_TABLES
from registry.lookup.revision_facts import (
    RevisionFacts,
    find_undoing_revision,
    list_children,
    list_later_changes,
    list_place_columns,
    read_revision_facts,
)
from registry.lookup.revisions import require_comment
from registry.lookup.timezones import read_timezone
from registry.lookup.value_lists import is_listed
from registry.lookup.versions import select_latest_start
from registry.records import SupersededRun
from registry.registration.alias_reversal import note_borne_aliases, refuse_alias_conflicts
from registry.registration.restated_files import refuse_shared_files
from registry.registration.versions import note_valid_constants

_PIECE_SIZE = 1000  # rows in memory at a time


def revert_revision(change: Change, number: int) -> None:
    """Withdraw what a revision recorded, and state again what it withdrew, with a comment; panels stay.

    Raises
    ------
    RequestError
        There is nothing in it that can be undone.
    ConflictError
        Later revisions changed what it recorded, or what is at the same places; or files that would come back are
        another module's since. All of it is listed.
    """
    require_comment(change.comment, "undoing a revision")
    facts = read_revision_facts(change.connection, number)
    _refuse_irreversible(facts)
    _refuse_later_changes(change, facts)
    refuse_alias_conflicts(change, facts)
    timezone = read_timezone(change.connection)
    changed = {
        name: _read_rows(change, schema.metadata.tables[name], keys)
        for name, keys in facts.recorded.items()
        if name in ("run", "version", "alias")
    }
    for fact in FACT_TABLES:
        if fact.name in facts.recorded:
            change.withdraw(schema.metadata.tables[fact.name], facts.recorded[fact.name])
    for fact in FACT_TABLES:
        if fact.name in facts.withdrawn:
            table, keys = schema.metadata.tables[fact.name], facts.withdrawn[fact.name]
            rows = _read_rows(change, table, keys)
            if table is schema.version:
                refuse_shared_files(change, number, rows)
            _restate(change, table, rows)
            changed[fact.name] = [*changed.get(fact.name, ()), *rows]
            if fact.name == "run":
                _note_superseded_runs(change, changed["run"], len(rows))
    _add_notes(change, facts, changed, timezone)


def _refuse_irreversible(facts: RevisionFacts) -> None:
    """Refuse a revision of which nothing can be withdrawn, or which says where the history comes from."""
    number = facts.number
    if "lineage" in facts.others:
        raise RequestError(
            f"revision {number} says from which history this one goes on, which cannot be undone",
            revision=number,
        )
    if number == 1 and set(facts.recorded) == {"timezone"}:
        raise RequestError(
            "revision 1 made the registry, with its time zone, and cannot be undone", revision=number
        )
    if not facts.is_empty:
        return
    if "tag" in facts.others:
        reason = f"recorded {format_count(facts.others['tag'], 'tag')}, and a tag stays"
    elif "panel" in facts.others:
        reason = f"recorded {format_count(facts.others['panel'], 'panel')}, and registered panels stay"
    else:
        reason = "recorded patterns of files only, which no answer depends on"
    raise RequestError(f"revision {number} {reason}: there is nothing to undo", revision=number)


def _refuse_later_changes(change: Change, facts: RevisionFacts) -> None:
    later = list_later_changes(change.connection, facts)
    if not later:
        return
    undone_in = find_undoing_revision(facts, later)
    if undone_in is not None:
        raise ConflictError(
            f"revision {facts.number} is undone already, by revision {undone_in}",
            revision=facts.number,
            undone_in=undone_in,
        )
    sentences = [str(item) for item in later]
    more = f"what revision {facts.number} did has changed since"
    if len(sentences) == 1:
        raise ConflictError(f"{more}: {sentences[0]}", revision=facts.number, conflicts=sentences)
    raise ConflictError(
        f"{more}, in {len(sentences)} places", details=sentences, revision=facts.number, conflicts=sentences
    )


def _read_rows(change: Change, table: sa.Table, keys: Sequence[int]) -> list[Row]:
    """Return the rows with these keys, in their order."""
    rows: list[Row] = []
    remaining = iter(keys)
    while piece := list(islice(remaining, _PIECE_SIZE)):
        query = _select_rows(table).where(is_listed(table.c.id, piece)).order_by(table.c.id)
        rows += [dict(row) for row in change.connection.execute(query).mappings()]
    return rows


def _select_rows(table: sa.Table) -> sa.Select[Any]:
    """Return the query for the columns of a table as they are to be stated again."""
    if table is not schema.version:
        return sa.select(table)
    # The greatest start ever stated of the panel and kind: what is stated again is among them.
    latest = select_latest_start(table.c.panel_id, table.c.kind, None).scalar_subquery()
    others = [column for column in table.c if column.name != "latest_start"]
    return sa.select(*others, latest.label("latest_start"))


def _restate(change: Change, table: sa.Table, rows: Sequence[Row]) -> None:
    """Record facts again as they were, with the rows that belong to them."""
    own = ("id", "recorded_in", "withdrawn_in")
    new = change.record(
        table, [{name: value for name, value in row.items() if name not in own} for row in rows]
    )
    renumbered = dict(zip((row["id"] for row in rows), new, strict=True))
    for child, key in list_children(table):
        _restate_members(change, child, key, renumbered)


def _restate_members(change: Change, table: sa.Table, key: str, renumbered: dict[int, int]) -> None:
    """Record again the rows that belong to facts, for the new numbers of these."""
    column = table.c[key]
    query = sa.select(table).where(is_listed(column, renumbered))
    members = change.connection.execute(query.order_by(*table.primary_key.columns)).mappings()
    change.insert(table, [{**member, key: renumbered[member[key]]} for member in members])


def _note_superseded_runs(change: Change, rows: Sequence[Row], restated: int) -> None:
    """Add to the outcome the runs that have other times again; the last rows are those that are stated again."""
    place = list_place_columns(schema.run)
    before = {tuple(row[name] for name in place): row for row in rows[: len(rows) - restated]}
    for row in rows[len(rows) - restated :]:
        previous = before.get(tuple(row[name] for name in place))
        if previous is not None:
            times = [
                None if time is None else Instant(time)
                for time in (row["begin_at"], row["end_at"], previous["begin_at"], previous["end_at"])
            ]
            change.superseded_runs.append(SupersededRun(row["experiment"], row["number"], *times))


def _add_notes(change: Change, facts: RevisionFacts, changed: dict[str, list[Row]], timezone: str) -> None:
    """Note what answers now, and what stays."""
    if "timezone" in changed or "timezone" in facts.recorded:
        now = read_timezone(change.connection)
        change.notes.append(
            f"stamps were read in {timezone}, and are read in {now} from now on; no recorded time is changed"
        )
    note_borne_aliases(change, changed.get("alias", ()))
    versions = changed.get("version", ())
    names = _name_panels(change, {row["panel_id"] for row in versions})
    keys = {(names[row["panel_id"]], row["kind"], Instant(row["valid_from"])) for row in versions}
    note_valid_constants(change, sorted(keys))
    if "panel" in facts.others:
        query = sa.select(schema.panel.c.identifier).where(schema.panel.c.recorded_in == facts.number)
        panels = list(change.connection.execute(query.order_by(schema.panel.c.id)).scalars())
        verb = "stays" if len(panels) == 1 else "stay"
        change.notes.append(
            f"{'panel' if len(panels) == 1 else 'panels'} {shorten(panels)} {verb} registered: panels are never removed"
        )


def _name_panels(change: Change, keys: set[int]) -> dict[int, str]:
    panel = schema.panel
    query = sa.select(panel.c.id, panel.c.identifier).where(is_listed(panel.c.id, sorted(keys)))
    return {row.id: row.identifier for row in change.connection.execute(query)} if keys else {}
