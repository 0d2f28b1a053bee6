"""Answers: what an export of a run would be made from as of a revision, found for many runs at once.

The same answers as those of `resolution`. The runs that start between two neighbouring starts of their panels, under
one configuration, have the same answer: it is computed once for all of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum

import sqlalchemy as sa

from registry import detectors
from registry.errors import ConflictError
from registry.instants import Instant
from registry.lookup.aliases import list_aliases_of_panels
from registry.lookup.configured_ranges import find_configured_ranges
from registry.lookup.modules import refuse_modules_held_twice
from registry.lookup.run_starts import list_run_starts
from registry.lookup.runs import list_configurations
from registry.lookup.timelines import Timeline, VersionTimelines, build_timelines, read_timelines
from registry.records import Configuration

Source = tuple[str, str]
"""An experiment and a source."""


class Refusal(StrEnum):
    """The reason why a run has no arrays of any kind from a source, as a clause."""

    NO_RUN = "the run is not recorded"
    NO_DETECTOR = "no detector is configured for it"
    NO_PANEL_IDS = "its configuration carries no panel Ids"
    NO_START = "its start time is not known"
    CONTRADICTION = "its configuration contradicts itself"
    MODULE_TWICE = "its detector holds a module twice"


@dataclass(frozen=True, slots=True)
class Answer:
    """The panels and constants that are assembled for a run from a source.

    Attributes
    ----------
    panels, segments
        Of the detector that is configured, in segment order.
    constants
        By kind the SHA-256 of each panel's constants, None where nothing is valid.
    refusal
        Why there is no array at all; `constants` is empty then.
    gaps
        The pairs of panel Id and kind of which nothing is valid because of a gap.
    """

    panels: tuple[str, ...] = ()
    segments: tuple[int, ...] | None = None
    constants: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    refusal: Refusal | None = None
    gaps: frozenset[tuple[str, str]] = frozenset()

    def is_possible(self, kind: str) -> bool:
        """Tell whether there is an array of the kind: every panel has constants of it."""
        values = self.constants.get(kind, ())
        return bool(values) and None not in values

    @property
    def is_undecided(self) -> bool:
        """Tell whether nobody knows which constants are right: the start time is not known."""
        return self.refusal == Refusal.NO_START

    def describe_refusal(self, kinds: Sequence[str]) -> str | None:
        """Return why one of the arrays of these kinds cannot be made, as a clause; None where all can."""
        if self.refusal is not None:
            return str(self.refusal)
        missing = [
            f"no {kind} of {panel} {'is valid: there is a gap' if (panel, kind) in self.gaps else 'is valid'}"
            for kind in kinds
            for panel, value in zip(self.panels, self.constants.get(kind, ()), strict=False)
            if value is None
        ]
        if not missing:
            return None
        return missing[0] + (f", and {len(missing) - 1} more" if len(missing) > 1 else "")


@dataclass(frozen=True, slots=True)
class AnswerSegment:
    """Consecutive recorded runs of an experiment that get the same from a source.

    `configuration` is the first one that names the panels of all of them; None where there is none.
    """

    runs: tuple[int, ...]
    answer: Answer
    configuration: Configuration | None

    @property
    def first_run(self) -> int:
        """The first of the runs."""
        return self.runs[0]

    @property
    def last_run(self) -> int:
        """The last of the runs; runs that are not recorded may follow."""
        return self.runs[-1]


class Answers:
    """The answers as of one revision, for the runs of some experiments.

    Parameters
    ----------
    kinds
        Whose constants are looked up; by default those of the detector type.
    span
        The first and the last start time that is asked for; by default any.
    """

    def __init__(
        self,
        connection: sa.Connection,
        experiments: Set[str],
        kinds: Iterable[str] | None,
        revision: int,
        span: tuple[int, int] | None = None,
    ) -> None:
        configurations = list_configurations(connection, revision, experiments)
        self._panels = {panel for configuration in configurations for panel in configuration.panels}
        self._kinds = None if kinds is None else tuple(kinds)
        self._span = span
        self._m_numbers = read_m_numbers(connection, self._panels, revision)
        self._ranges = find_configured_ranges(configurations)
        self.read_versions(connection, revision)

    def read_versions(self, connection: sa.Connection, revision: int) -> None:
        """Answer from the versions as of this revision from now on."""
        self._timelines = read_timelines(
            connection, self._panels, revision, kinds=self._kinds, span=self._span
        )
        self._detectors: dict[int, DetectorAnswers] = {}

    def with_versions_of(self, connection: sa.Connection, revision: int) -> Answers:
        """Return the answers as of a revision at which configurations and M-numbers are the same."""
        others = copy(self)
        others.read_versions(connection, revision)
        return others

    @property
    def sources(self) -> Set[Source]:
        """The experiments and sources for which something is configured."""
        return self._ranges.keys()

    def find_configuration(self, source: Source, run: int) -> Configuration | None:
        """Return the configuration that applies to a run, recorded or not."""
        configured = self._ranges.get(source)
        return configured.at(run) if configured else None

    def find(self, source: Source, run: int, start: int | None) -> Answer:
        """Return the answer for a recorded run with this start time; equal answers are mostly one object."""
        configuration = self.find_configuration(source, run)
        if configuration is None:
            return _NO_DETECTOR
        detector = self._detectors.get(id(configuration))
        if detector is None:
            refusal = _find_refusal(configuration)
            detector = DetectorAnswers(
                configuration.panels, self._kinds, self._timelines, self._m_numbers, refusal
            )
            detector.segments = configuration.segments
            self._detectors[id(configuration)] = detector
        return detector.find_answer(start)

    def is_known_to_end(self, source: Source, run: int, start: int) -> bool:
        """Tell whether the answer of a run is known to end: by a later configuration, or a start of something else."""
        ranges, answer = self._ranges[source], self.find(source, run, start)
        if run < ranges.starts[-1]:
            return True
        detector = self._detectors[id(self.find_configuration(source, run))]
        return any(detector.find_answer(later) != answer for later in detector.starts if later > start)

    def list_configurations(self, source: Source, first: int, last: int) -> list[tuple[int, Configuration]]:
        """Return the configurations that apply in a range of runs, recorded or not, each with its first run there.

        Of those that name the same panels, one after the other, only the first.
        """
        ranges = self._ranges.get(source, Timeline())
        inside = [start for start in ranges.starts if first < start <= last]
        applied = ((start, ranges.at(start)) for start in (first, *inside))
        return [(start, configuration) for start, configuration in applied if configuration is not None]


_NO_DETECTOR = Answer(refusal=Refusal.NO_DETECTOR)
NO_RUN = Answer(refusal=Refusal.NO_RUN)
"""The answer for a run that is not recorded."""


def _find_refusal(configuration: Configuration) -> Refusal | None:
    if not configuration.panels:
        return Refusal.NO_PANEL_IDS
    problem = detectors.find_source_problem(configuration.source, configuration.panels)
    return Refusal.CONTRADICTION if problem else None


class DetectorAnswers:
    """The answers of panels in this order; of instants between two neighbouring starts it is one object."""

    def __init__(
        self,
        panels: tuple[str, ...],
        kinds: Collection[str] | None,
        timelines: VersionTimelines,
        m_numbers: Mapping[str, Timeline[str]],
        refusal: Refusal | None = None,
    ) -> None:
        self.segments: tuple[int, ...] | None = None
        self._panels, self._m_numbers, self._refusal = panels, m_numbers, refusal
        known = () if refusal else [kind.name for kind in detectors.find_panel_type(panels[0]).kinds]
        self._timelines = {
            kind: [timelines[panel, kind] for panel in panels]
            for kind in known
            if kinds is None or kind in kinds
        }
        starts = {start for rows in self._timelines.values() for row in rows for start in row.starts}
        starts.update(start for panel in panels if panel in m_numbers for start in m_numbers[panel].starts)
        self.starts = sorted(starts)
        self._by_index: dict[int, Answer] = {}

    def find_answer(self, start: int | None) -> Answer:
        """Return the answer at an instant; None where it is not known."""
        index = -1 if start is None or self._refusal else bisect_right(self.starts, start)
        answer = self._by_index.get(index)
        if answer is None:
            answer = self._by_index[index] = self._build_answer(start)
        return answer

    def _build_answer(self, start: int | None) -> Answer:
        refusal = self._refusal or (Refusal.NO_START if start is None else None)
        if refusal or start is None or self._holds_module_twice(start):
            return Answer(self._panels, self.segments, refusal=refusal or Refusal.MODULE_TWICE)
        valid = {kind: [row.at(start) for row in rows] for kind, rows in self._timelines.items()}
        return Answer(
            self._panels,
            self.segments,
            {kind: tuple(version and version[1] for version in versions) for kind, versions in valid.items()},
            gaps=frozenset(
                (panel, kind)
                for kind, versions in valid.items()
                for panel, version in zip(self._panels, versions, strict=True)
                if version is not None and version[1] is None
            ),
        )

    def _holds_module_twice(self, start: int) -> bool:
        borne = {
            panel: self._m_numbers[panel].at(start) if panel in self._m_numbers else None
            for panel in self._panels
        }
        try:
            refuse_modules_held_twice(borne, Instant(start))
        except ConflictError:
            return True
        return False


def read_m_numbers(connection: sa.Connection, panels: Set[str], revision: int) -> Mapping[str, Timeline[str]]:
    """Return the M-numbers that panels bear, by panel Id."""
    aliases = list_aliases_of_panels(connection, panels, revision)
    ordered = sorted(aliases, key=lambda alias: alias.valid_from)
    return build_timelines((alias.panel, alias.valid_from, alias.alias) for alias in ordered)


def list_answer_segments(
    connection: sa.Connection, source: Source, kinds: Sequence[str] | None, revision: int
) -> list[AnswerSegment]:
    """Return the recorded runs of an experiment by number, in segments that get the same from one of its sources.

    Runs without an answer are there too, by the reason: see `Answer.describe_refusal`. A segment ends where the
    panels, their order or segment numbers, or their constants of one of these kinds differ, or nothing is configured.

    Parameters
    ----------
    kinds
        Whose constants are compared; by default all kinds of the detector type.
    """
    answers = Answers(connection, {source[0]}, kinds, revision)
    return build_segments(answers, source, list_run_starts(connection, source[0], revision))


def build_segments(
    answers: Answers, source: Source, runs: Iterable[tuple[int, int | None]]
) -> list[AnswerSegment]:
    """Return what `list_answer_segments` does, of runs and their start times by number."""
    rows = (
        (run, answers.find_configuration(source, run), answers.find(source, run, start))
        for run, start in runs
    )
    return list(_join_equal(rows))


def _join_equal(
    rows: Iterable[tuple[int, Configuration | None, Answer]],
) -> Iterator[AnswerSegment]:
    """Yield segments of (run, configuration, answer); that two answers are one object is the usual case."""
    runs: list[int] = []
    last: tuple[Configuration | None, Answer] = (None, NO_RUN)
    for run, configuration, answer in rows:
        if runs and (configuration is not last[0] or (answer is not last[1] and answer != last[1])):
            yield AnswerSegment(tuple(runs), last[1], last[0])
            runs = []
        runs.append(run)
        last = configuration, answer
    if runs:
        yield AnswerSegment(tuple(runs), last[1], last[0])
