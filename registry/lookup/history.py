"""What the revisions changed, in one line each: the log, and what a write (or its dry run) reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.instants import Instant
from registry.lookup import versions
from registry.records import Panel, Revision, Version


def changes_in(connection: sa.Connection, revision: int) -> tuple[str, ...]:
    """Return everything that the revision recorded (``+``) or withdrew (``-``), a line each."""
    return (
        *_panels(connection, revision),
        *_aliases(connection, revision),
        *_runs(connection, revision),
        *_configurations(connection, revision),
        *(f"- {stated(version)}" for version in versions.withdrawn_in(connection, revision)),
        *(f"+ {stated(version)}" for version in versions.recorded_in(connection, revision)),
        *_tags(connection, revision),
    )


def stated(version: Version) -> str:
    """Return what a version states, in one line."""
    what = f"gap in {version.kind}" if version.is_gap else version.kind
    carried = f", carried from version {version.carried_from}" if version.carried_from else ""
    return f"version {version.version}: {what} of {version.panel} from {version.valid_from}{carried}"


def revisions(connection: sa.Connection, upto: int, panels: Sequence[Panel] | None = None) -> list[Revision]:
    """Return the revisions up to that one, the newest first, each with what it changed.

    With `panels`, only those that touched one of them: itself, its aliases, versions or configurations.
    """
    query = sa.select(schema.revision).where(schema.revision.c.number <= upto)
    if panels is not None:
        query = query.where(schema.revision.c.number.in_(_touching([panel.panel for panel in panels])))
    return [
        _revision(row, changes_in(connection, row.number))
        for row in connection.execute(query.order_by(schema.revision.c.number.desc())).all()
    ]


def _touching(identifiers: Sequence[str]) -> sa.CompoundSelect[Any]:
    panel, member, configuration = schema.panel, schema.configuration_panel, schema.configuration
    keys = sa.select(panel.c.id).where(panel.c.identifier.in_(identifiers)).scalar_subquery()
    configured = sa.select(member.c.configuration_id).where(member.c.panel_id.in_(keys)).scalar_subquery()
    facts = [
        (table, condition, column)
        for table, condition in (
            (schema.alias, schema.alias.c.panel_id.in_(keys)),
            (schema.version, schema.version.c.panel_id.in_(keys)),
            (configuration, configuration.c.id.in_(configured)),
        )
        for column in (table.c.recorded_in, table.c.withdrawn_in)
    ]
    return sa.union(
        sa.select(panel.c.recorded_in).where(panel.c.id.in_(keys)),
        *(sa.select(column).where(condition, column.is_not(None)) for _, condition, column in facts),
    )


def _revision(row: Any, changes: tuple[str, ...]) -> Revision:
    return Revision(
        revision=row.number,
        recorded_at=Instant(row.recorded_at),
        author=row.author,
        database_role=row.database_role,
        host=row.host,
        command=row.command,
        comment=row.comment,
        software=row.software,
        changes=changes,
    )


def _happened(table: sa.Table, revision: int) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.recorded_in == revision, table.c.withdrawn_in == revision)


def _sign(row: Any, revision: int) -> str:
    return "-" if row.withdrawn_in == revision else "+"


def _panels(connection: sa.Connection, revision: int) -> Sequence[str]:
    panel = schema.panel
    query = sa.select(panel.c.identifier, panel.c.detector_type).where(panel.c.recorded_in == revision)
    rows = connection.execute(query.order_by(panel.c.id))
    return [f"+ panel {row.identifier} ({row.detector_type})" for row in rows]


def _aliases(connection: sa.Connection, revision: int) -> Sequence[str]:
    alias = schema.alias
    query = (
        sa.select(alias, schema.panel.c.identifier)
        .join(schema.panel, schema.panel.c.id == alias.c.panel_id)
        .where(_happened(alias, revision))
        .order_by(alias.c.id)
    )
    return [
        f"{_sign(row, revision)} alias {row.m_number} of {row.identifier}"
        for row in connection.execute(query)
    ]


def _runs(connection: sa.Connection, revision: int) -> Sequence[str]:
    run = schema.run
    rows = connection.execute(sa.select(run).where(_happened(run, revision)).order_by(run.c.id))
    return [
        f"{_sign(row, revision)} run exp={row.experiment}:run={row.number}"
        + (f", begin {Instant(row.begin_at)}" if row.begin_at is not None else ", begin not known")
        for row in rows
    ]


def _configurations(connection: sa.Connection, revision: int) -> Sequence[str]:
    table, member, panel = schema.configuration, schema.configuration_panel, schema.panel
    query = (
        sa.select(table, panel.c.identifier)
        .outerjoin(member, member.c.configuration_id == table.c.id)
        .outerjoin(panel, panel.c.id == member.c.panel_id)
        .where(_happened(table, revision))
        .order_by(table.c.id, member.c.position)
    )
    members: dict[int, list[str]] = {}
    lines: dict[int, str] = {}
    for row in connection.execute(query):
        runs = f"{row.first_run}-{'end' if row.last_run is None else row.last_run}"
        lines[row.id] = f"{_sign(row, revision)} detector of {row.experiment} {row.source} runs {runs}"
        members.setdefault(row.id, []).append(row.identifier or row.object_name)
    return [f"{line}: {'_'.join(members[key])}" for key, line in lines.items()]


def _tags(connection: sa.Connection, revision: int) -> Sequence[str]:
    tag = schema.tag
    rows = connection.execute(sa.select(tag).where(tag.c.recorded_in == revision).order_by(tag.c.name))
    return [f"+ tag {row.name}: revision {row.revision}" for row in rows]
