"""Modules that a detector would hold twice: two of its panels with one serial number, or with one M-number then."""

from __future__ import annotations

from collections.abc import Mapping

from registry import detectors
from registry.errors import ConflictError
from registry.instants import Instant


def refuse_modules_held_twice(aliases: Mapping[str, str | None], instant: Instant) -> None:
    """Refuse panels of which two are one module; `aliases` are the M-numbers of the instant by panel Id."""
    twice = detectors.describe_serial_numbers_held_twice(list(aliases))
    first: dict[str, str] = {}
    for panel, m_number in aliases.items():
        other = panel if m_number is None else first.setdefault(m_number, panel)
        if other != panel:
            twice.append(
                f"{other} and {panel} both bear {m_number} at {instant}: a detector holds a module once"
            )
    if twice:
        raise ConflictError.combine("modules are held twice", twice, panels=list(aliases))
