"""The facts that have lines in the log: how their rows are read, and what their lines say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.detectors import format_segment_numbers
from registry.identifiers import format_run_range
from registry.instants import Instant, format_range
from registry.lookup import registry_lines
from registry.lookup.detector_names import select_detector_names
from registry.lookup.value_lists import is_listed
from registry.records import Version

SIGNS = {"recorded_in": "+", "withdrawn_in": "-"}
"""The sign of a line, by the column that says in which revision the fact was recorded or withdrawn."""

Event = tuple[str, str]
"""A table of facts, and one of the columns of `SIGNS`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Panels by their keys, and an experiment, that lines are about; None for any. Both are values, or parameters."""

    panels: Any = None
    experiment: Any = None


ANYTHING = Subject()


@dataclass(frozen=True, slots=True)
class FactTable:
    """A table whose facts have lines in the log.

    Attributes
    ----------
    select
        Returns the query for what a line says: a row for each fact, or several, in the order of the facts' keys.
    describe
        Returns the line of a fact's rows, without its sign.
    names_panel
        Returns the condition that a fact is about one of the panels with these keys; None if such facts name none.
    names_experiment
        Tells whether such facts are of one experiment, which has a column.
    key
        The column by which the lines of a revision are ordered.
    number
        The column by which a write orders what it withdrew; None for the key.
    """

    name: str
    select: Callable[[], sa.Select[Any]]
    describe: Callable[[Sequence[Any]], str]
    names_panel: Callable[[Any], sa.ColumnElement[bool]] | None = None
    names_experiment: bool = False
    key: str = "id"
    number: str | None = None

    @property
    def columns(self) -> sa.sql.base.ReadOnlyColumnCollection[str, sa.Column[Any]]:
        """The columns of the table."""
        return schema.metadata.tables[self.name].c

    @property
    def events(self) -> list[Event]:
        """The events of its facts: those that cannot be withdrawn have one."""
        return [(self.name, column) for column in SIGNS if column in self.columns]

    def can_be_about(self, subject: Subject) -> bool:
        """Tell whether a fact of this table can be about the panels and the experiment."""
        return (subject.panels is None or self.names_panel is not None) and (
            subject.experiment is None or self.names_experiment
        )

    def is_about(self, subject: Subject) -> sa.ColumnElement[bool]:
        """Return the condition that a fact is about one of the panels, and of the experiment."""
        if not self.can_be_about(subject):
            return sa.false()
        condition: sa.ColumnElement[bool] = sa.true()
        if subject.panels is not None and self.names_panel is not None:
            condition &= self.names_panel(subject.panels)
        if subject.experiment is not None:
            condition &= self.columns["experiment"] == subject.experiment
        return condition

    def read_lines(
        self, connection: sa.Connection, condition: sa.ColumnElement[bool]
    ) -> Iterator[tuple[Any, str]]:
        """Yield a row of each fact that meets the condition, and its line without the sign."""
        rows = connection.execute(self.select().where(condition))
        for _, group in groupby(rows, attrgetter(self.key)):
            fact = list(group)
            yield fact[0], self.describe(fact)


@cache
def _select_panels() -> sa.Select[Any]:
    return sa.select(schema.panel).order_by(schema.panel.c.id)


def _describe_panel(rows: Sequence[Any]) -> str:
    return f"panel {rows[0].identifier} ({rows[0].detector_type})"


@cache
def _select_aliases() -> sa.Select[Any]:
    alias, panel = schema.alias, schema.panel
    query = sa.select(alias, panel.c.identifier).join(panel, panel.c.id == alias.c.panel_id)
    return query.order_by(alias.c.id)


def _describe_alias(rows: Sequence[Any]) -> str:
    (row,) = rows
    start = format_range(Instant(row.valid_from), None)
    return f"alias {row.m_number} of {row.identifier}{start}{', the same module' if row.same_module else ''}"


@cache
def _select_runs() -> sa.Select[Any]:
    return sa.select(schema.run).order_by(schema.run.c.id)


def _describe_run(rows: Sequence[Any]) -> str:
    (row,) = rows
    start = "not known" if row.begin_at is None else Instant(row.begin_at)
    times = f"begin {start}" if row.end_at is None else f"{start} to {Instant(row.end_at)}"
    return f"run exp={row.experiment}:run={row.number}, {times}"


@cache
def _select_configurations() -> sa.Select[Any]:
    """Return the query for configurations: a row for each panel, one without panels if there is none."""
    table, member, panel = schema.configuration, schema.configuration_panel, schema.panel
    return (
        sa.select(table, panel.c.identifier, member.c.segment)
        .outerjoin(member, member.c.configuration_id == table.c.id)
        .outerjoin(panel, panel.c.id == member.c.panel_id)
        .order_by(table.c.id, member.c.position)
    )


def _describe_configuration(rows: Sequence[Any]) -> str:
    first = rows[0]
    runs = format_run_range(first.first_run, first.last_run)
    panels = "_".join(row.identifier or row.object_name for row in rows)
    segments = _describe_segments(rows)
    return f"detector of {first.experiment} {first.source} runs {runs}: {panels}{segments}"


def _describe_segments(rows: Sequence[Any]) -> str:
    """Return the segment numbers of panels as they were stated: those of a whole detector are not recorded."""
    segments = [row.segment for row in rows if row.segment is not None]
    return f", segments {format_segment_numbers(segments)}" if segments else ""


def _describe_detector_name(rows: Sequence[Any]) -> str:
    return f"detector name {rows[0].name}: {'_'.join(row.identifier for row in rows)}"


def _names_detector_of(panels: Any) -> sa.ColumnElement[bool]:
    """Return the condition that a name is that of a detector with one of the panels."""
    member = schema.detector_name_panel
    named = sa.select(member.c.detector_name_id).where(is_listed(member.c.panel_id, panels))
    return schema.detector_name.c.id.in_(named)


def has_panel(panels: Any, configuration: sa.FromClause = schema.configuration) -> sa.ColumnElement[bool]:
    """Return the condition that a configuration has one of the panels: a probe of an index for each panel."""
    member = schema.configuration_panel
    query: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
        member.c.configuration_id == configuration.c.id
    )
    return query.where(is_listed(member.c.panel_id, panels)).correlate_except(member).exists()


@cache
def _select_versions() -> sa.Select[Any]:
    version, panel = schema.version, schema.panel
    return (
        sa.select(
            version,
            version.c.id.label("version"),
            version.c.constants_id.label("constants"),
            panel.c.identifier.label("panel"),
        )
        .join(panel, panel.c.id == version.c.panel_id)
        .order_by(version.c.id)
    )


def describe_version(version: Version | sa.Row[Any]) -> str:
    """Return one line on a version, given as its record or as a row with the same names."""
    what = f"gap in {version.kind}" if version.constants is None else version.kind
    carried = f", carried from version {version.carried_from}" if version.carried_from else ""
    return f"version {version.version}: {what} of {version.panel} from {Instant(version.valid_from)}{carried}"


FACT_TABLES = (
    FactTable("lineage", registry_lines.select_lineage, registry_lines.describe_lineage),
    FactTable("timezone", registry_lines.select_timezones, registry_lines.describe_timezone),
    FactTable("panel", _select_panels, _describe_panel, partial(is_listed, schema.panel.c.id)),
    FactTable("alias", _select_aliases, _describe_alias, partial(is_listed, schema.alias.c.panel_id)),
    FactTable("run", _select_runs, _describe_run, names_experiment=True, number="number"),
    FactTable(
        "configuration", _select_configurations, _describe_configuration, has_panel, names_experiment=True
    ),
    FactTable("detector_name", select_detector_names, _describe_detector_name, _names_detector_of),
    FactTable(
        "version",
        _select_versions,
        lambda rows: describe_version(rows[0]),
        partial(is_listed, schema.version.c.panel_id),
    ),
    FactTable("tag", registry_lines.select_tags, registry_lines.describe_tag, key="name"),
)
"""The tables in the order of their lines in a revision."""

EVENTS = frozenset(event for fact in FACT_TABLES for event in fact.events)
