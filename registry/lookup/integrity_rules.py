"""Integrity rules: statements that find rows which no writer can have written.

Triggers refuse rows that break a rule; the rules find what was changed behind the triggers. They cannot find a
change where no other row or file has the same information: a back-dated start that no export used, a comment,
the start time of a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import detectors, schema
from registry.errors import RegistryError
from registry.identifiers import shorten
from registry.instants import BEGINNING, EARLIEST, LATEST

_MAX_SHOWN = 100
_CHUNK_SIZE = 10_000

# As of any revision, at most one live fact has these values.
_UNIQUE_AT_ANY_TIME = (
    (schema.version, ("panel_id", "kind", "valid_from")),
    (schema.alias, ("panel_id", "valid_from")),
    (schema.run, ("experiment", "number")),
)
_INSTANTS = (
    (schema.revision, "recorded_at"),
    (schema.version, "valid_from"),
    (schema.alias, "valid_from"),
    (schema.run, "begin_at"),
    (schema.run, "end_at"),
    (schema.export, "instant"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A statement whose first column names the rows of a table that violate the rule."""

    table: str
    violation: str
    query: sa.Select[Any] | sa.CompoundSelect[Any]

    def find_problem(self, connection: sa.Connection) -> str | None:
        """Return a description of the rows that violate the rule, ``None`` where there are none."""
        keys = [str(key) for key in connection.execute(self.query.limit(_MAX_SHOWN)).scalars()]
        return f"{self.table} {shorten(keys)}: {self.violation}" if keys else None


def has_all_columns(connection: sa.Connection) -> bool:
    """Tell whether the database has every column that the rules use."""
    tables = sa.inspect(connection).get_multi_columns()
    names = {table: {column["name"] for column in columns} for (_, table), columns in tables.items()}
    return all(set(table.c.keys()) <= names.get(table.name, set()) for table in schema.metadata.sorted_tables)


def list_rules() -> Iterator[Rule]:
    """Yield the rules."""
    yield from _reference_rules()
    yield from _number_rules()
    yield from _membership_rules()
    yield from _fact_rules()
    yield from _export_rules()


def find_invalid_names(connection: sa.Connection) -> Iterator[str]:
    """Yield a description of each panel Id and kind that its detector type does not have."""
    panel, version = schema.panel, schema.version
    for row in connection.execute(sa.select(panel)):
        try:
            parsed = detectors.parse_panel_id(row.identifier)
            detector_type_name = detectors.find_panel_type(row.identifier).name
        except RegistryError as error:
            yield f"panel {row.id}: {error}"
            continue
        fields = (detector_type_name, parsed.module_version, parsed.firmware_version, parsed.serial_number)
        if fields != (row.detector_type, row.module_version, row.firmware_version, row.serial_number):
            yield f"panel {row.id}: its fields are not those of its panel Id {row.identifier}"
    query = sa.select(panel.c.detector_type, version.c.kind).join(version, version.c.panel_id == panel.c.id)
    for name, kind in connection.execute(query.distinct()):
        detector_type = detectors.DETECTOR_TYPES.get(name)
        if detector_type and kind not in [known.name for known in detector_type.kinds]:
            yield f"version: there are versions of the kind {kind!r}, which {name} does not have"


def list_type_rules(connection: sa.Connection) -> Iterator[Rule]:
    """Yield the rules that all others rely on: SQLite takes any value in any column."""
    if connection.dialect.name == "postgresql":
        return
    for table in schema.metadata.sorted_tables:
        wrong = sa.or_(*(sa.func.typeof(column).not_in((_sqlite_type(column), "null")) for column in table.c))
        yield Rule(table.name, "a value has the wrong type", sa.select(_primary_key(table)).where(wrong))


def _sqlite_type(column: sa.Column[Any]) -> str:
    if isinstance(column.type, sa.String):  # Text, too
        return "text"
    return "real" if isinstance(column.type, sa.Double) else "integer"


def read_all_texts(connection: sa.Connection) -> None:
    """Read every text: SQLite takes bytes that are not text, which `translate_database_errors` then refuses."""
    if connection.dialect.name == "postgresql":
        return
    for table in schema.metadata.sorted_tables:
        texts = [column for column in table.c if isinstance(column.type, sa.String)]
        if texts:
            rows = connection.execute(sa.select(*texts), execution_options={"yield_per": _CHUNK_SIZE})
            for _ in rows.partitions():
                pass


def _reference_rules() -> Iterator[Rule]:
    for table in schema.metadata.sorted_tables:
        for key in table.foreign_keys:
            parent = key.column.table.alias("parent")
            referenced = sa.exists().where(parent.c[key.column.name] == key.parent)
            query = sa.select(_primary_key(table)).where(key.parent.is_not(None), ~referenced)
            yield Rule(table.name, f"its {key.parent.name} refers to no {key.column.table.name}", query)


def _number_rules() -> Iterator[Rule]:
    for table in schema.metadata.sorted_tables:
        number = table.c.get("id", table.c.get("number"))
        if number is None or not isinstance(number.type, sa.Integer):
            continue
        before = table.alias("before")
        previous = before.c[number.name] == number - 1
        missing = ~sa.exists().where(previous)
        if table in (schema.export, schema.timezone):  # a snapshot has not all of them
            missing = sa.and_(missing, ~sa.exists().where(schema.closure.c.reason == "snapshot"))
        without_previous = sa.select(number).where(number != 1, missing).order_by(number)
        yield Rule(table.name, "the number before it is missing", without_previous)
        order = table.c.recorded_at if table is schema.revision else table.c.get("recorded_in")
        if order is not None:
            backwards = sa.select(number).join(before, previous).where(before.c[order.name] > order)
            violation = f"{order.name} is before that of the number before it"
            yield Rule(table.name, violation, backwards.order_by(number))
    for table, name in _INSTANTS:
        instant = table.c[name]
        outside = sa.and_(~instant.between(EARLIEST, LATEST), instant != BEGINNING)
        yield Rule(table.name, f"{name} is not an instant", sa.select(_primary_key(table)).where(outside))


def _membership_rules() -> Iterator[Rule]:
    """Yield the rules that everything recorded has its parts, and that every part belongs to something."""
    recorded = [
        sa.select(column).where(column.is_not(None))
        for table in schema.metadata.sorted_tables
        for name in ("recorded_in", "withdrawn_in")
        if (column := table.c.get(name)) is not None
    ]
    empty = sa.except_(sa.select(schema.revision.c.number), *recorded)
    yield Rule("revision", "nothing was recorded in it", empty)
    constants, part, positioned = schema.constants, schema.constants_file, schema.configuration_panel
    in_constants = part.c.sha256 == schema.blob.c.sha256
    yield _child_rule(schema.blob, part, in_constants, "it is not a file of any constants")
    of_version = schema.version.c.constants_id == constants.c.id
    yield _child_rule(constants, schema.version, of_version, "no version has them")
    for table in (schema.export_output, schema.export_input):
        of_export = table.c.export_id == schema.export.c.id
        yield _child_rule(schema.export, table, of_export, f"it has no {table.name.removeprefix('export_')}")
    configuration = schema.configuration
    has_panels = sa.exists().where(positioned.c.configuration_id == configuration.c.id)
    without_panels = sa.select(configuration.c.id).where(configuration.c.object_name.is_(None), ~has_panels)
    yield Rule("configuration", "it has no panels", without_panels)
    yield _consecutive_rule(positioned, "configuration_id", "position", "a panel is missing")
    yield _segment_rule()
    yield _consecutive_rule(part, "constants_id", "gain_range", "the file of a gain range is missing")


def _segment_rule() -> Rule:
    """Return the rule that all or none of the panels of a configuration have segment numbers, ascending."""
    member, before = schema.configuration_panel, schema.configuration_panel.alias("before")
    neighbours = sa.and_(
        before.c.configuration_id == member.c.configuration_id, before.c.position == member.c.position - 1
    )
    only_one = before.c.segment.is_(None) != member.c.segment.is_(None)
    wrong = sa.or_(only_one, before.c.segment >= member.c.segment)
    query = sa.select(member.c.configuration_id).join(before, neighbours).where(wrong).distinct()
    return Rule("configuration", "its segment numbers are not those of all its panels, ascending", query)


def _consecutive_rule(table: sa.Table, parent: str, number: str, violation: str) -> Rule:
    """Return the rule that the parts of a row are numbered 0, 1, 2 ..."""
    before = table.alias("before")
    previous = sa.and_(before.c[parent] == table.c[parent], before.c[number] == table.c[number] - 1)
    query = sa.select(table.c[parent]).where(table.c[number] != 0, ~sa.exists().where(previous)).distinct()
    return Rule(parent.removesuffix("_id"), violation, query)


def _child_rule(table: sa.Table, other: sa.Table, joined: sa.ColumnElement[bool], violation: str) -> Rule:
    query = sa.select(_primary_key(table)).where(~sa.exists().select_from(other).where(joined))
    return Rule(table.name, violation, query)


def _fact_rules() -> Iterator[Rule]:
    version, constants, panel = schema.version, schema.constants, schema.panel
    with_constants = sa.select(version.c.id).join(constants, constants.c.id == version.c.constants_id)
    other_kind = with_constants.where(constants.c.kind != version.c.kind)
    yield Rule("version", "its constants are of another kind", other_kind)
    with_panel = with_constants.join(panel, panel.c.id == version.c.panel_id)
    other_type = with_panel.where(constants.c.detector_type != panel.c.detector_type)
    yield Rule("version", "its constants are of another detector type than its panel", other_type)
    latest = sa.func.max(version.c.valid_from).over(
        partition_by=(version.c.panel_id, version.c.kind), order_by=(version.c.recorded_in, version.c.id)
    )
    so_far = sa.select(version.c.id, version.c.latest_start, latest.label("latest")).subquery("so_far")
    wrong = sa.select(so_far.c.id).where(so_far.c.latest_start.is_distinct_from(so_far.c.latest))
    yield Rule("version", "latest_start is not the greatest start of its panel and kind so far", wrong)
    for table, columns in _UNIQUE_AT_ANY_TIME:
        other = table.alias("other")
        same = [other.c[name] == table.c[name] for name in columns]
        # Not at the same time: one withdrawn in the revision that recorded its replacement.
        overlap = [
            sa.or_(one.c.withdrawn_in.is_(None), one.c.withdrawn_in > two.c.recorded_in)
            for one, two in ((table, other), (other, table))
        ]
        query = sa.select(table.c.id).join(other, sa.and_(*same, other.c.id > table.c.id)).where(*overlap)
        yield Rule(table.name, f"another one live at the same time has the same {', '.join(columns)}", query)


def _export_rules() -> Iterator[Rule]:
    """Yield the rule that an export used the versions valid at its instant, as of its revision."""
    export, used, version = schema.export, schema.export_input, schema.version
    later = version.alias("later")
    replaced = sa.exists().where(
        later.c.panel_id == version.c.panel_id,
        later.c.kind == version.c.kind,
        later.c.valid_from > version.c.valid_from,
        later.c.valid_from <= export.c.instant,
        schema.live_condition(later, export.c.revision),
    )
    valid = sa.and_(
        version.c.constants_id.is_not(None),
        version.c.valid_from <= export.c.instant,
        schema.live_condition(version, export.c.revision),
        ~replaced,
    )
    query = (
        sa.select(export.c.id)
        .join(used, used.c.export_id == export.c.id)
        .join(version, version.c.id == used.c.version_id)
        .where(~valid)
        .distinct()
    )
    yield Rule("export", "a version that it used was not valid at its instant as of its revision", query)


def _primary_key(table: sa.Table) -> sa.ColumnElement[Any]:
    """Return the column that names a row."""
    return next(iter(table.primary_key))
