"""Detector configurations: recorded, superseded and withdrawn.

The run ranges of configurations with panel Ids never overlap under one experiment and source. A configuration
whose object carries no Ids overlaps nothing: it applies only where none with Ids does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from registry import schema
from registry.database.change import Change
from registry.detectors import complete_segments, format_segment_numbers, refuse_wrong_source
from registry.errors import ConflictError, NotFoundError, Remedy, RequestError
from registry.identifiers import format_run_range, shorten, suggestion
from registry.lookup.panels import read_panel_keys
from registry.lookup.revisions import require_comment
from registry.lookup.runs import list_configurations, list_keyed_configurations
from registry.records import Configuration
from registry.registration.detector_modules import refuse_modules_always_held_twice
from registry.registration.panels import add_panels


@dataclass(frozen=True, slots=True)
class ConfigurationStatement:
    """Over these runs (``last_run`` None: open) a source was read out with these panels, or an object without Ids."""

    experiment: str
    source: str
    first_run: int
    last_run: int | None
    panels: tuple[str, ...]
    object_name: str | None = None
    segments: tuple[int, ...] | None = None  # None: not stated

    @property
    def last(self) -> int:
        """The last run, or a number after every run."""
        return 2**62 if self.last_run is None else self.last_run

    @property
    def description(self) -> str:
        """The source and runs for a person."""
        return f"{self.source} in {self.experiment}, runs {format_run_range(self.first_run, self.last_run)}"

    def overlaps(self, other: ConfigurationStatement) -> bool:
        """Tell whether both name panels for a run of the same source; the experiment is not compared."""
        return (
            bool(self.panels and other.panels)
            and self.source == other.source
            and self.first_run <= other.last
            and other.first_run <= self.last
        )

    def agrees_with(self, known: ConfigurationStatement) -> bool:
        """Tell whether a recorded one says all that this one says; where it states no segment numbers, any fit."""
        return self == known or (self.segments is None and self == replace(known, segments=None))

    def complete(self) -> ConfigurationStatement:
        """Return the statement with the segment numbers of a whole detector, if it has none and its panels are one."""
        return replace(self, segments=complete_segments(self.source, self.panels, self.segments))

    def refuse_contradiction(self) -> None:
        """Refuse runs in reverse, a source of another detector type, and segment numbers that cannot be."""
        if self.last < self.first_run:
            raise RequestError(f"run {self.last_run} is before run {self.first_run}")
        refuse_wrong_source(self.source, self.panels, self.object_name)
        self.complete()


def record_configurations(
    change: Change, statements: Sequence[ConfigurationStatement], *, supersede: bool
) -> None:
    """Record configurations, and the panels in them that are new, with a note.

    With `supersede`, and a comment, what they overlap is withdrawn and what is left of it recorded anew, in the
    same revision. Without it a `ConflictError` lists all that overlap recorded ones, or each other.
    """
    if supersede:
        require_comment(change.comment, "superseding")
    conflicts = []
    for statement in statements:
        statement.refuse_contradiction()
        recorded = [
            (key, _build_statement(configuration), configuration.withdrawn_in)
            for key, configuration in list_keyed_configurations(
                change.connection, change.visible_revision, {statement.experiment}, withdrawn=True
            )
        ]
        live = [(key, known) for key, known, withdrawn_in in recorded if withdrawn_in is None]
        same = next((known for _, known in live if statement.agrees_with(known)), None)
        if same is not None:
            change.notes += _note_segments(statement, same)
            continue
        refuse_modules_always_held_twice(change, statement.panels)
        overlapped = [(key, known) for key, known in live if known.overlaps(statement)]
        withdrawn_in = [number for _, known, number in recorded if number and statement.agrees_with(known)]
        if not supersede and (overlapped or withdrawn_in):
            conflicts.append(_describe_conflict(statement, [known for _, known in overlapped], withdrawn_in))
            continue
        _supersede(change, overlapped, statement)
        _record(change, statement)
    if conflicts:
        raise ConflictError.combine(
            "configurations conflict", conflicts, remedy=Remedy.SUPERSEDE_CONFIGURATION, conflicts=conflicts
        )


def _describe_conflict(
    statement: ConfigurationStatement,
    overlapped: Sequence[ConfigurationStatement],
    withdrawn_in: Sequence[int],
) -> str:
    other = [known for known in overlapped if replace(known, segments=statement.segments) == statement]
    if other:
        return (
            f"{statement.description} is configured with these panels and"
            f" {_describe_segments(other[0].segments)}, not {_describe_segments(statement.segments)}"
        )
    if overlapped:
        ranges = ", ".join(known.description for known in overlapped)
        return f"{statement.description} overlaps what is configured for {ranges}"
    return f"{statement.description} was configured so before, and revision {withdrawn_in[-1]} withdrew it"


def _describe_segments(segments: tuple[int, ...] | None) -> str:
    return (
        "no segment numbers"
        if segments is None
        else f"the segment numbers {format_segment_numbers(segments)}"
    )


def _note_segments(statement: ConfigurationStatement, known: ConfigurationStatement) -> list[str]:
    """Return a note where the recorded segment numbers are not those that the statement would be recorded with."""
    if statement.complete().segments == known.segments:
        return []
    return [f"{known.description} stays configured with {_describe_segments(known.segments)}"]


def _build_statement(configuration: Configuration) -> ConfigurationStatement:
    return ConfigurationStatement(
        configuration.experiment,
        configuration.source,
        configuration.first_run,
        configuration.last_run,
        configuration.panels,
        configuration.object_name,
        configuration.segments,
    )


def _supersede(
    change: Change, overlapped: Sequence[tuple[int, ConfigurationStatement]], by: ConfigurationStatement
) -> None:
    if not overlapped:
        return
    change.withdraw(schema.configuration, [key for key, _ in overlapped])
    for _, known in overlapped:
        rest = []
        if known.first_run < by.first_run:
            rest.append(replace(known, last_run=by.first_run - 1))
        if known.last > by.last:
            rest.append(replace(known, first_run=by.last + 1))
        for statement in rest:
            statement.refuse_contradiction()  # it may have been recorded before this was checked
            _record(change, statement)


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
    # Those of a whole detector are not recorded: every look-up knows them.
    is_known = statement.segments == complete_segments(statement.source, statement.panels, None)
    segments = (None if is_known else statement.segments) or [None] * len(statement.panels)
    change.insert(
        schema.configuration_panel,
        [
            {"configuration_id": key, "position": position, "panel_id": keys[panel], "segment": segment}
            for position, (panel, segment) in enumerate(zip(statement.panels, segments, strict=True))
        ],
    )


def withdraw_configuration(
    change: Change, experiment: str, source: str, first_run: int, last_run: int | None
) -> None:
    """Withdraw the configuration that starts with `first_run` (and ends with `last_run`, if given), with a comment.

    Where one with panel Ids and one without start there, the one with is withdrawn: it is the one in use. A
    `ConflictError` if it was withdrawn already; a `NotFoundError` if none was recorded, which names the ranges.
    """
    require_comment(change.comment, "a withdrawal")
    recorded = [
        (key, known)
        for key, known in list_keyed_configurations(
            change.connection, change.visible_revision, {experiment}, withdrawn=True
        )
        if (known.source, known.first_run) == (source, first_run) and last_run in (None, known.last_run)
    ]
    live = [(not known.panels, key) for key, known in recorded if known.withdrawn_in is None]
    if live:
        change.withdraw(schema.configuration, [min(live)[1]])
    elif recorded:
        withdrawn_in = max(known.withdrawn_in or 0 for _, known in recorded)
        raise ConflictError(
            f"the configuration of {source} in {experiment} from run {first_run} was withdrawn already, by revision"
            f" {withdrawn_in}",
            withdrawn_in=withdrawn_in,
        )
    else:
        raise NotFoundError(
            f"no configuration of {source} in {experiment} starts with run {first_run}"
            + (f" and ends with run {last_run}" if last_run is not None else "")
            + _suggest_configurations(change, experiment, source)
        )


def _suggest_configurations(change: Change, experiment: str, source: str) -> str:
    """Return the end of a message: what is configured there, or under which near names."""
    known = list_configurations(change.connection, change.visible_revision)
    own = [configuration for configuration in known if configuration.experiment == experiment]
    ranges = [
        _build_statement(configuration).description for configuration in own if configuration.source == source
    ]
    if ranges:
        return f"; configured: {shorten(ranges)}"
    if own:
        near = suggestion(source, (configuration.source for configuration in own))
        return f"; no such source is configured{near}"
    near = suggestion(experiment, (configuration.experiment for configuration in known))
    return f"; no such experiment is configured{near}"
