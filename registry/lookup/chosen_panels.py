"""The panels of a detector that a request wants: by panel Id, M-number or segment number."""

from __future__ import annotations

from collections.abc import Sequence

from registry.errors import NotFoundError, RequestError
from registry.identifiers import quote
from registry.instants import Instant
from registry.lookup.modules import refuse_modules_held_twice
from registry.lookup.panels import find_panels
from registry.lookup.targets import parse_target
from registry.records import Panel
from registry.sql import sa

_MAX_DIGITS = 9  # of a segment number


def refuse_no_panels(wanted: Sequence[str | int] | None) -> None:
    """Raise `RequestError` for a list of panels without any; None is not a list."""
    if wanted is not None and not wanted:
        raise RequestError("a list of panels to read is empty; without one all panels are read")


def choose_panels(
    connection: sa.Connection,
    wanted: Sequence[str | int],
    identifiers: Sequence[str],
    segments: Sequence[int] | None,
    instant: Instant,
    revision: int,
) -> list[int]:
    """Return the positions of the wanted panels in their detector, in its order.

    Parameters
    ----------
    wanted
        Panel Ids, M-numbers as the panels bear them at the instant, and segment numbers.
    identifiers, segments
        The panel Ids of the detector, and their segment numbers, if they are known.

    Raises
    ------
    NotFoundError
        Some are not of the detector; all are listed, and those that are.
    RequestError
        None is wanted, or one twice; a segment number where none is known; a name of no single panel.
    ConflictError
        A wanted panel and another one of the detector are the same module then.
    """
    refuse_no_panels(wanted)
    panels = find_panels(connection, identifiers, revision, instant)
    chosen: dict[int, str | int] = {}
    unknown = []
    for word in wanted:
        place = _find_place(word, panels, segments)
        if place is None:
            unknown.append(word)
        elif place in chosen:
            names = f"{_quote(chosen[place])} and {_quote(word)}"
            panel = panels[place].panel
            raise RequestError(f"{names} are one panel, {panel}: it is asked for twice", panel=panel)
        else:
            chosen[place] = word
    if unknown:
        raise _foreign_panels_error(unknown, panels, segments)
    for place in chosen:
        for other in panels:
            pair = {panel.panel: panel.alias for panel in (panels[place], other)}
            refuse_modules_held_twice(pair, instant)
    return sorted(chosen)


def _find_place(word: str | int, panels: Sequence[Panel], segments: Sequence[int] | None) -> int | None:
    """Return the position of a wanted panel, None if it is not of the detector."""
    number = _parse_segment_number(word)
    if number is not None and segments is None:
        raise RequestError(
            f"the segment numbers of this detector are not known, so segment {number} is not", segment=number
        )
    if number is not None:
        return next((place for place, known in enumerate(segments or ()) if known == number), None)
    name = _parse_name(str(word))
    return next((place for place, panel in enumerate(panels) if name in (panel.panel, panel.alias)), None)


def _parse_segment_number(word: str | int) -> int | None:
    """Return the number, None for a name."""
    if isinstance(word, int):
        return word
    return int(word) if word.isascii() and word.isdecimal() and len(word) <= _MAX_DIGITS else None


def _parse_name(word: str) -> str:
    """Return the panel Id or M-number; refuse a name that is neither."""
    parsed = parse_target(word)
    if parsed.category not in {"panel", "alias"}:
        raise RequestError(
            f"{quote(word)} is not one panel: a panel Id, an M-number or a segment number is expected"
        )
    return parsed.identifiers[0] if parsed.identifiers else parsed.name


def _foreign_panels_error(
    unknown: Sequence[str | int], panels: Sequence[Panel], segments: Sequence[int] | None
) -> NotFoundError:
    known = [
        ("" if segments is None else f"segment {segments[place]} ")
        + (f"{panel.panel} ({panel.alias})" if panel.alias else panel.panel)
        for place, panel in enumerate(panels)
    ]
    sentences = [f"{_quote(word)} is not a panel of the detector then" for word in unknown]
    sentences[-1] += f"; its panels are {', '.join(known)}"
    return NotFoundError.combine(
        "panels are not of the detector",
        sentences,
        unknown=list(unknown),
        panels=[panel.panel for panel in panels],
    )


def _quote(word: str | int) -> str:
    return f"segment {word}" if isinstance(word, int) else quote(word)
