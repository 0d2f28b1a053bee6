"""Differences between two answers for one run, and the reasons for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from registry.identifiers import shorten
from registry.instants import Instant
from registry.lookup.answers import Answer, Refusal
from registry.records import ChangedConstants

LOST, CHANGED, GAINED = "no longer possible", "changed", "now possible"
"""What becomes of an array, the worst first."""

_LOST_BECAUSE = {
    Refusal.NO_RUN: "the run was withdrawn",
    Refusal.NO_DETECTOR: "no detector is configured for it any more",
    Refusal.NO_PANEL_IDS: "its configuration carries no panel Ids any more",
    Refusal.NO_START: "its start time is no longer known",
    Refusal.CONTRADICTION: "its configuration contradicts itself",
    Refusal.MODULE_TWICE: "two of its panels are one module now",
}
_GAINED_BECAUSE = {
    Refusal.NO_RUN: "the run is recorded now",
    Refusal.NO_DETECTOR: "a detector is configured for it now",
    Refusal.NO_PANEL_IDS: "its configuration carries panel Ids now",
    Refusal.NO_START: "its start time is known now",
    Refusal.CONTRADICTION: "its configuration does not contradict itself any more",
    Refusal.MODULE_TWICE: "its panels are different modules now",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for a change: a clause, what it says of one run alone, and the constants that it is about."""

    clause: str
    names: tuple[str, ...] = ()
    detail: str = ""

    def __str__(self) -> str:
        return self.clause + self.detail + (f": {shorten(self.names)}" if self.names else "")

    def generalise(self) -> Reason:
        """Return the reason without what it says of one run alone."""
        return replace(self, detail="")


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """The changes of the arrays of a run.

    Attributes
    ----------
    arrays
        What becomes of the array, by kind; a kind whose array is the same as before is not there.
    constants
        What differs in these kinds, by panel; nothing where there is no answer before or after.
    reasons
        Why, apart from a start time that moved.
    panels
        Those whose constants differ, or all of a detector that has no answer before or after.
    is_whole
        True where there is no answer before or after, whatever the kind.
    relabelled
        The kinds that have the same constants at every place of the array, and yet other labels.
    """

    arrays: Mapping[str, str]
    constants: tuple[ChangedConstants, ...]
    reasons: tuple[Reason, ...]
    panels: tuple[str, ...]
    is_whole: bool
    relabelled: frozenset[str]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds whose arrays are concerned."""
        return tuple(self.arrays)

    @property
    def label(self) -> str:
        """The difference where the constants are the same at every place."""
        return next((words for reason, words in _LABELS.items() if reason in self.reasons), "other panel Ids")

    @property
    def worst(self) -> str:
        """The worst that becomes of an array."""
        return min(self.arrays.values(), key=(LOST, CHANGED, GAINED).index)


def compare_answers(before: Answer, after: Answer, kinds: Collection[str] | None) -> AnswerChange | None:
    """Return what differs between two answers, in these kinds or in all; None where every array is the same."""
    arrays = {
        kind: change
        for kind in dict.fromkeys([*before.constants, *after.constants])
        if (kinds is None or kind in kinds) and (change := _compare_arrays(before, after, kind))
    }
    if not arrays:
        return None
    constants = () if before.refusal or after.refusal else tuple(_list_changes(before, after, arrays))
    panels = tuple(dict.fromkeys(row.panel for row in constants))
    return AnswerChange(
        arrays,
        constants,
        tuple(_list_reasons(before, after, arrays, constants)),
        panels or tuple(dict.fromkeys([*before.panels, *after.panels])),
        bool(before.refusal or after.refusal),
        frozenset(kind for kind in arrays if before.constants.get(kind) == after.constants.get(kind)),
    )


def _compare_arrays(before: Answer, after: Answer, kind: str) -> str | None:
    was, is_now = before.is_possible(kind), after.is_possible(kind)
    if was and is_now:
        same = (before.panels, before.segments, before.constants[kind]) == (
            after.panels,
            after.segments,
            after.constants[kind],
        )
        return None if same else CHANGED
    return (LOST if was else GAINED) if was or is_now else None


def _list_changes(before: Answer, after: Answer, kinds: Collection[str]) -> Iterator[ChangedConstants]:
    old, new = _index_constants(before), _index_constants(after)
    for panel in dict.fromkeys([*before.panels, *after.panels]):
        for kind in kinds:
            if old.get((panel, kind)) != new.get((panel, kind)):
                yield ChangedConstants(panel, kind, old.get((panel, kind)), new.get((panel, kind)))


def _index_constants(answer: Answer) -> dict[tuple[str, str], str | None]:
    return {
        (panel, kind): value
        for kind, values in answer.constants.items()
        for panel, value in zip(answer.panels, values, strict=True)
    }


OTHER_CONSTANTS = Reason("other constants are valid")
VALID_NOW = Reason("constants are valid now")
_OTHER_IDS = Reason("it has other panel Ids with the same constants")
_OTHER_ORDER = Reason("its panels are in another order")
_OTHER_SEGMENTS = Reason("its panels have other segment numbers")
_LABELS = {
    _OTHER_ORDER: "the panels in another order",
    _OTHER_SEGMENTS: "other segment numbers",
}


def _list_reasons(
    before: Answer, after: Answer, arrays: Mapping[str, str], constants: Sequence[ChangedConstants]
) -> Iterator[Reason]:
    if after.refusal:
        yield Reason(_LOST_BECAUSE[after.refusal])
        return
    if before.refusal:
        yield Reason(_GAINED_BECAUSE[before.refusal])
        return
    yield from _compare_detectors(before, after, arrays)
    staying = {*before.panels} & {*after.panels}
    own = [row for row in constants if row.panel in staying]
    if any(row.after is not None and arrays[row.kind] != GAINED for row in own):
        yield OTHER_CONSTANTS
    yield from _list_missing(after, [kind for kind, change in arrays.items() if change == LOST])
    if any(arrays[row.kind] == GAINED for row in own):
        yield VALID_NOW


def _list_missing(answer: Answer, kinds: Sequence[str]) -> Iterator[Reason]:
    missing = [
        (panel, kind)
        for kind in kinds
        for panel, value in zip(answer.panels, answer.constants[kind], strict=True)
        if value is None
    ]
    ended = tuple(f"{kind} of {panel}" for panel, kind in missing if (panel, kind) in answer.gaps)
    early = tuple(f"{kind} of {panel}" for panel, kind in missing if (panel, kind) not in answer.gaps)
    if ended:
        yield Reason("it starts in a gap", ended)
    if early:
        yield Reason("it starts before every validity start", early)


def _compare_detectors(before: Answer, after: Answer, kinds: Collection[str]) -> Iterator[Reason]:
    if {*before.panels} != {*after.panels}:
        same = all(before.constants[kind] == after.constants[kind] for kind in kinds)
        yield _OTHER_IDS if same else Reason("it has other panels")
    elif before.panels != after.panels:
        yield _OTHER_ORDER
    elif before.segments != after.segments:
        yield _OTHER_SEGMENTS


def describe_move(before: int, after: int) -> Reason:
    """Return the reason that the start time of a run is another one."""
    return Reason("its start time moved", detail=f" from {Instant(before)} to {Instant(after)}")
