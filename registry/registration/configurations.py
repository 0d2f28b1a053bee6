"""Detector configurations: recorded, superseded and withdrawn.

The run ranges of configurations with panel Ids never overlap under one experiment and source. A configuration
whose object carries no Ids overlaps nothing: it applies only where none with Ids does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from registry import schema
from registry.database.change import Change, Row
from registry.detectors import complete_segments, format_segment_numbers, refuse_wrong_source
from registry.errors import ConflictError, Remedy, RequestError
from registry.identifiers import format_count, format_run_range, shorten
from registry.lookup.panels import read_panel_keys
from registry.lookup.revisions import require_comment
from registry.lookup.runs import list_keyed_configurations
from registry.records import Configuration
from registry.registration.detector_modules import read_aliases, refuse_modules_always_held_twice
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
        """Tell whether both name panels for a run of the same experiment and source."""
        return (
            bool(self.panels and other.panels)
            and (self.experiment, self.source) == (other.experiment, other.source)
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


_Source = tuple[str, str]
_Recorded = tuple[int, ConfigurationStatement, int | None]


def record_configurations(
    change: Change, statements: Sequence[ConfigurationStatement], *, supersede: bool
) -> None:
    """Record configurations, and the panels in them that are new, with a note.

    With `supersede`, and a comment, what they overlap is withdrawn and what is left of it recorded anew, in the
    same revision. A `ConflictError` lists all that overlap each other, or without `supersede` recorded ones.
    """
    if supersede:
        require_comment(change.comment, "superseding")
    recorded = _read_recorded(change, statements)
    aliases = read_aliases(change, {panel for statement in statements for panel in statement.panels})
    replaced: dict[int, ConfigurationStatement] = {}
    by_place: defaultdict[_Source, list[ConfigurationStatement]] = defaultdict(list)
    new: list[ConfigurationStatement] = []
    conflicts = []
    for statement in dict.fromkeys(statements):
        statement.refuse_contradiction()
        stated = by_place[statement.experiment, statement.source]
        if any(statement.agrees_with(known) for known in stated):
            continue
        overlapped = [known for known in stated if known.overlaps(statement)]
        rows = recorded[statement.experiment, statement.source]
        live = {key: known for key, known, withdrawn_in in rows if withdrawn_in is None}
        same = next((known for known in live.values() if statement.agrees_with(known)), None)
        withdrawn_in = [number for _, known, number in rows if number and statement.agrees_with(known)]
        if same is not None and not overlapped:
            change.notes += _note_segments(statement, same)
            stated.append(same)
            continue
        refuse_modules_always_held_twice(aliases, statement.panels)
        superseded = {
            key: known
            for key, known in live.items()
            if known.overlaps(statement) and not statement.agrees_with(known)
        }
        # What the request itself says twice is not superseded: which of the two would be meant?
        if overlapped or (not supersede and (superseded or withdrawn_in)):
            overlapped += [known for known in superseded.values() if known not in overlapped]
            conflicts.append(_describe_conflict(statement, overlapped, withdrawn_in))
            continue
        replaced |= superseded
        stated.append(statement.complete())
        new.append(stated[-1])
    if conflicts:
        raise ConflictError.combine(
            "configurations conflict", conflicts, remedy=Remedy.SUPERSEDE_CONFIGURATION, conflicts=conflicts
        )
    _supersede(change, replaced, new)
    _record(change, new)
    change.notes += _note_unknown_segments(new)


def _read_recorded(
    change: Change, statements: Sequence[ConfigurationStatement]
) -> dict[_Source, list[_Recorded]]:
    """Return by experiment and source all that was ever configured: its key, what it says, what withdrew it."""
    experiments = {statement.experiment for statement in statements}
    recorded = defaultdict(list)
    for key, known in list_keyed_configurations(
        change.connection, change.visible_revision, experiments, withdrawn=True
    ):
        recorded[known.experiment, known.source].append((key, _build_statement(known), known.withdrawn_in))
    return recorded


def _describe_conflict(
    statement: ConfigurationStatement,
    overlapped: Sequence[ConfigurationStatement],
    withdrawn_in: Sequence[int],
) -> str:
    other = [
        known
        for known in overlapped
        if not statement.agrees_with(known) and replace(known, segments=statement.segments) == statement
    ]
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


def _note_unknown_segments(statements: Iterable[ConfigurationStatement]) -> list[str]:
    """Return a note on detectors that are not whole, and whose segment numbers nobody stated."""
    unknown = [
        f"{statement.description} ({format_count(len(statement.panels), 'panel')})"
        for statement in statements
        if statement.panels and statement.segments is None
    ]
    if not unknown:
        return []
    return [f"no segment numbers are known of detectors that are not whole: {shorten(unknown)}"]


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
    change: Change, replaced: Mapping[int, ConfigurationStatement], new: Sequence[ConfigurationStatement]
) -> None:
    """Withdraw what is replaced, and record anew what the new ones leave of it."""
    if not replaced:
        return
    change.withdraw(schema.configuration, replaced)
    rests: list[ConfigurationStatement] = []
    for known in replaced.values():
        first = known.first_run
        for by in sorted(filter(known.overlaps, new), key=attrgetter("first_run")):
            if first < by.first_run:
                rests.append(replace(known, first_run=first, last_run=by.first_run - 1))
            first = by.last + 1
        if first <= known.last:
            rests.append(replace(known, first_run=first))
    for rest in rests:
        rest.refuse_contradiction()  # it may have been recorded before this was checked
    _record(change, rests)


def _record(change: Change, statements: Sequence[ConfigurationStatement]) -> None:
    """Record configurations: a statement for each table, however many there are."""
    panels = list(dict.fromkeys(panel for statement in statements for panel in statement.panels))
    added = add_panels(change, panels)
    change.notes += [f"panel {name} was not known; it is recorded with its detector" for name in added]
    ids = change.record(schema.configuration, [_build_row(statement) for statement in statements])
    keys = read_panel_keys(change.connection, panels)
    change.insert(
        schema.configuration_panel,
        [
            {"configuration_id": key, "position": position, "panel_id": keys[panel], "segment": segment}
            for key, statement in zip(ids, statements, strict=True)
            for position, (panel, segment) in enumerate(
                zip(statement.panels, _list_recorded_segments(statement), strict=True)
            )
        ],
    )


def _build_row(statement: ConfigurationStatement) -> Row:
    return {
        "experiment": statement.experiment,
        "source": statement.source,
        "first_run": statement.first_run,
        "last_run": statement.last_run,
        "object_name": statement.object_name,
    }


def _list_recorded_segments(statement: ConfigurationStatement) -> Sequence[int | None]:
    """Return the segment numbers of the panels: none of a whole detector, whose every look-up knows."""
    is_known = statement.segments == complete_segments(statement.source, statement.panels, None)
    return (None if is_known else statement.segments) or [None] * len(statement.panels)
