"""Detector configurations are recorded, superseded and withdrawn.

The ranges of runs of configurations with panel Ids never overlap under one experiment and source. A
configuration whose object carries no Ids overlaps nothing: it answers only where none with Ids does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError, NotFoundError, RequestError
from registry.identifiers import format_run_range, shorten, suggestion
from registry.lookup.panels import read_panel_keys
from registry.lookup.revisions import require_comment
from registry.lookup.runs import list_keyed_configurations
from registry.records import Configuration
from registry.registration.panels import add_panels

_AFTER_EVERY_RUN = 2**62


@dataclass(frozen=True, slots=True)
class ConfigurationStatement:
    """Over these runs (``last_run`` None: open) these panels answered, or an object without Ids."""

    experiment: str
    source: str
    first_run: int
    last_run: int | None
    panels: tuple[str, ...]
    object_name: str | None = None

    @property
    def last(self) -> int:
        """The last run, or a number after every run."""
        return _AFTER_EVERY_RUN if self.last_run is None else self.last_run

    @property
    def description(self) -> str:
        """The source and runs for a person."""
        return f"{self.source} in {self.experiment}, runs {format_run_range(self.first_run, self.last_run)}"


def record_configurations(
    change: Change, statements: Sequence[ConfigurationStatement], *, supersede: bool
) -> None:
    """Record configurations, and the panels in them that are met for the first time, with a note.

    With `supersede`, what they overlap is withdrawn and what is left of it recorded anew, in the same
    revision.

    Raises
    ------
    ConflictError
        A range overlaps a recorded one, or another of the batch, and `supersede` is not set; all such are
        listed.
    RequestError
        The runs are out of order; `supersede` without a comment.
    """
    if supersede:
        require_comment(change.comment, "--supersede")
    conflicts = []
    for statement in statements:
        if statement.last < statement.first_run:
            raise RequestError(f"run {statement.last_run} is before run {statement.first_run}")
        ever = list_keyed_configurations(
            change.connection, change.visible_revision, {statement.experiment}, withdrawn=True
        )
        live = [(key, _statement_of(found)) for key, found in ever if found.withdrawn_in is None]
        if any(found == statement for _, found in live):
            continue
        overlapped = [(key, found) for key, found in live if _overlaps(found, statement)]
        conflict = _describe_conflict(
            statement, [found for _, found in overlapped], [found for _, found in ever]
        )
        if conflict is not None and not supersede:
            conflicts.append(conflict)
            continue
        _supersede(change, overlapped, statement)
        _record(change, statement)
    if conflicts:
        raise ConflictError.combine("configurations conflict", conflicts, conflicts=conflicts)


def _describe_conflict(
    statement: ConfigurationStatement,
    overlapped: Sequence[ConfigurationStatement],
    recorded: Sequence[Configuration],
) -> str | None:
    """Return what speaks against recording the configuration: an overlap, or its own withdrawal."""
    mend = "calreg detector configure --supersede with a comment"
    if overlapped:
        places = ", ".join(found.description for found in overlapped)
        return (
            f"{statement.description} overlaps what is configured for {places}; {mend} replaces the overlap"
        )
    withdrawn = [
        found.withdrawn_in for found in recorded if found.withdrawn_in and _statement_of(found) == statement
    ]
    if withdrawn:
        return f"{statement.description} was configured so before, and revision {withdrawn[-1]} withdrew it; {mend} brings it back"
    return None


def _statement_of(configuration: Configuration) -> ConfigurationStatement:
    return ConfigurationStatement(
        configuration.experiment,
        configuration.source,
        configuration.first_run,
        configuration.last_run,
        configuration.panels,
        configuration.object_name,
    )


def _overlaps(one: ConfigurationStatement, other: ConfigurationStatement) -> bool:
    return bool(
        one.panels
        and other.panels
        and one.source == other.source
        and one.first_run <= other.last
        and other.first_run <= one.last
    )


def _supersede(
    change: Change, overlapped: Sequence[tuple[int, ConfigurationStatement]], by: ConfigurationStatement
) -> None:
    if not overlapped:
        return
    change.withdraw(schema.configuration, [key for key, _ in overlapped])
    for _, found in overlapped:
        if found.first_run < by.first_run:
            _record(change, replace(found, last_run=by.first_run - 1))
        if found.last > by.last:
            _record(change, replace(found, first_run=by.last + 1))


def _record(change: Change, statement: ConfigurationStatement) -> None:
    added = add_panels(change, statement.panels)
    change.notes += [f"panel {name} was not known; it is recorded with its detector" for name in added]
    (key,) = change.record(
        schema.configuration,
        [
            {
                "experiment": statement.experiment,
                "source": statement.source,
                "first_run": statement.first_run,
                "last_run": statement.last_run,
                "object_name": statement.object_name,
            }
        ],
    )
    keys = read_panel_keys(change.connection, list(statement.panels))
    change.insert(
        schema.configuration_panel,
        [
            {"configuration_id": key, "position": position, "panel_id": keys[panel]}
            for position, panel in enumerate(statement.panels)
        ],
    )


def withdraw_configuration(
    change: Change, experiment: str, source: str, first_run: int, last_run: int | None
) -> None:
    """Withdraw the configuration that begins with `first_run` (and ends with `last_run`, if given).

    Where one with panel Ids and one without begin there, the one with is withdrawn: it is the one that
    answers.

    Raises
    ------
    NotFoundError
        None begins there; the ranges that are configured are named.
    ConflictError
        It was withdrawn already.
    RequestError
        There is no comment.
    """
    require_comment(change.comment, "a withdrawal")
    known = [
        (key, _statement_of(found))
        for key, found in list_keyed_configurations(change.connection, change.visible_revision, {experiment})
        if found.source == source
    ]
    fitting = [
        (key, found)
        for key, found in known
        if found.first_run == first_run and (last_run is None or found.last_run == last_run)
    ]
    if not fitting:
        _refuse_withdrawn(change, experiment, source, first_run, last_run)
        raise NotFoundError(
            f"no configuration of {source} in {experiment} begins with run {first_run}"
            + (f" and ends with run {last_run}" if last_run is not None else "")
            + _suggest_configurations(change, experiment, source)
        )
    fitting.sort(key=lambda each: not each[1].panels)
    change.withdraw(schema.configuration, [fitting[0][0]])


def _suggest_configurations(change: Change, experiment: str, source: str) -> str:
    """Return what is configured there, or under which near names."""
    known = [found for _, found in list_keyed_configurations(change.connection, change.visible_revision)]
    here = [each for each in known if each.experiment == experiment]
    places = [_statement_of(each).description for each in here if each.source == source]
    if places:
        return f"; configured: {shorten(places)}"
    if here:
        return f"; no such source is configured{suggestion(source, (each.source for each in here))}"
    if known:
        return (
            f"; no such experiment is configured{suggestion(experiment, (each.experiment for each in known))}"
        )
    return "; none is configured"


def _refuse_withdrawn(
    change: Change, experiment: str, source: str, first_run: int, last_run: int | None
) -> None:
    table = schema.configuration
    query = sa.select(sa.func.max(table.c.withdrawn_in)).where(
        table.c.experiment == experiment, table.c.source == source, table.c.first_run == first_run
    )
    if last_run is not None:
        query = query.where(table.c.last_run == last_run)
    revision = change.connection.execute(query).scalar()
    if revision is not None:
        raise ConflictError(
            f"the configuration of {source} in {experiment} from run {first_run} was withdrawn already, by revision"
            f" {revision}",
            withdrawn_in=revision,
        )
