"""The rules of M-numbers in time: which statements contradict each other, and what a panel bears from when on.

A panel bears an M-number from its start time until the start time of its next one. At one time

- a serial number is of one module, so it has one M-number;
- an M-number is of one module, so its panels have one serial number, unless a statement says that it has changed.

At all times an M-number is of one detector type. A statement is only held against the times for which it changes what
a panel bears: conflicts that were recorded before, and that it does not touch, do not block it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from registry import detectors
from registry.errors import Remedy
from registry.instants import format_range
from registry.registration.borne_ranges import (
    AliasStatement,
    BorneRange,
    build_alias_timelines,
    intersect,
    split_ranges,
    subtract,
)


def select_new(
    recorded: Sequence[AliasStatement], statements: Sequence[AliasStatement]
) -> tuple[list[AliasStatement], dict[AliasStatement, AliasConflict]]:
    """Return, in their order, the statements that change what a panel bears, and by statement the conflicts of others.

    A panel has one M-number from a start time on. A statement of what the panel bears then anyway changes nothing.
    """
    starts = {(statement.panel, statement.valid_from): statement for statement in recorded}
    conflicts: dict[AliasStatement, AliasConflict] = {}
    for statement in dict.fromkeys(statements):
        borne = starts.setdefault((statement.panel, statement.valid_from), statement)
        if borne.m_number != statement.m_number:
            sentence = f"{_refusal(statement)}: it bears the M-number {borne.m_number}"
            conflicts[statement] = AliasConflict(sentence)
    known = set(recorded)
    new = set()
    for timeline in build_alias_timelines(starts.values()).values():
        before: AliasStatement | None = None
        for statement in timeline.values:
            is_same = before is not None and before.m_number == statement.m_number
            if statement in known:
                before = statement
            elif not is_same:
                new.add(statement)
                before = statement
    return [statement for statement in dict.fromkeys(statements) if statement in new], conflicts


def find_meeting_conflicts(
    before: Sequence[AliasStatement], after: Sequence[AliasStatement]
) -> dict[AliasStatement, AliasConflict]:
    """Return by statement what contradicts another one at the same time, of what changes.

    Parameters
    ----------
    before, after
        The statements that are live before and after the change, of all panels with one of the serial numbers or
        M-numbers that it is about.
    """
    occupancy = _Occupancy()
    old, new = split_ranges(before, after)
    for borne in old:
        occupancy.add(borne)
    conflicts: dict[AliasStatement, AliasConflict] = {}
    for borne in new:
        conflict = occupancy.find_conflict(borne)
        if conflict is None:
            occupancy.add(borne)
        else:
            sentence = f"{_refusal(borne.statement)}: {conflict.sentence}"
            conflicts.setdefault(borne.statement, conflict._replace(sentence=sentence))
    return conflicts


def _refusal(statement: AliasStatement) -> str:
    start = format_range(statement.valid_from, None)
    return f"panel {statement.panel} cannot bear {statement.m_number}{start}"


class AliasConflict(NamedTuple):
    """The reason why a statement cannot be recorded, and the advice on it."""

    sentence: str
    remedy: Remedy | None = None


class _SerialNumber(NamedTuple):
    """A serial number, given out type by type."""

    detector_type: str
    text: str


def parse_serial_number(panel: str) -> _SerialNumber:
    """Return the detector type and the serial number of a panel."""
    return _SerialNumber(detectors.find_panel_type(panel).name, detectors.parse_panel_id(panel).serial_number)


@dataclass(slots=True)
class _Occupancy:
    """The ranges for which serial numbers bear M-numbers, by both."""

    by_m_number: dict[str, dict[_SerialNumber, list[BorneRange]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    by_serial: dict[_SerialNumber, dict[str, list[BorneRange]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add(self, borne: BorneRange) -> None:
        """Add what is new in a range."""
        serial, m_number = parse_serial_number(borne.statement.panel), borne.statement.m_number
        ranges = self.by_m_number[m_number].setdefault(serial, [])
        self.by_serial[serial][m_number] = ranges
        ranges += subtract(borne, ranges)

    def find_conflict(self, borne: BorneRange) -> AliasConflict | None:
        """Return why the range contradicts those that are there, or None."""
        serial, m_number = parse_serial_number(borne.statement.panel), borne.statement.m_number
        for other, ranges in self.by_serial[serial].items():
            for shared in intersect(borne, ranges) if other != m_number else ():
                panel = shared.statement.panel
                return AliasConflict(
                    f"its serial number is that of {panel}, which bears {other}{shared}",
                    Remedy.STATE_BOARD_TOGETHER,
                )
        for other_serial, ranges in self.by_m_number[m_number].items():
            if other_serial.detector_type != serial.detector_type:
                panel = ranges[0].statement.panel
                return AliasConflict(f"it is of another detector type than {panel}, which bears it")
        return None if borne.statement.same_module else self._find_other_serial_number(borne, serial)

    def _find_other_serial_number(self, borne: BorneRange, serial: _SerialNumber) -> AliasConflict | None:
        """Return why a panel cannot join the others with its M-number: none has its serial number at some time."""
        fellows = self.by_m_number[borne.statement.m_number]
        alone = list(subtract(borne, fellows.get(serial, ())))
        for ranges in (ranges for other, ranges in fellows.items() if other != serial):
            for shared in (shared for part in alone for shared in intersect(part, ranges)):
                panel = shared.statement.panel
                return AliasConflict(
                    f"{panel}, of another serial number, bears it{shared}", Remedy.STATE_SAME_MODULE
                )
        return None
