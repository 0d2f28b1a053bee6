"""Starts that an import left open: found among the entries that it leaves out, and closed with gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from registry.detectors import find_panel_type
from registry.detectors.jungfrau import JUNGFRAU
from registry.importers.left_out import LeftOutEntry, get_link_name
from registry.instants import LATEST, Instant
from registry.lookup.starts import Start, ValidVersion, versions_at_starts
from registry.records import OpenStart
from registry.registration.planning import VersionStatement


@dataclass(slots=True)
class OpenStarts:
    """The starts over which older constants stay valid, and sentences on entries that leave no such start."""

    starts: list[OpenStart] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def find_open_starts(connection: sa.Connection, left_out: Sequence[LeftOutEntry]) -> OpenStarts:
    """Return what the entries leave open; asked when everything else of the import is recorded."""
    answer = OpenStarts()
    valid = versions_at_starts(connection, list(dict.fromkeys(_list_starts(left_out))))
    seen: set[Start] = set()
    for entry in left_out:
        if entry.panel is None:
            answer.warnings.append(
                f"{entry.name}: of which panel it is cannot be read; what it would have replaced stays valid"
            )
            continue
        keys = [key for key in _list_starts([entry]) if key not in seen]
        seen.update(keys if entry.valid_from is not None else ())
        answer.starts += [
            _build_open_start(entry, key, valid[key])
            for key in keys
            if key in valid and _is_open(entry, key, valid[key])
        ]
        answer.warnings += _list_empty_starts(entry, keys, valid)
    return answer


def _list_starts(left_out: Sequence[LeftOutEntry]) -> Iterator[Start]:
    """Yield the panels, kinds and starts of which something may be open; for an unknown start the last instant."""
    for entry in left_out:
        if entry.panel is None:
            continue
        kinds = entry.kinds
        if kinds is None:
            kinds = tuple(kind.name for kind in find_panel_type(entry.panel).kinds)
        for kind in kinds:
            yield entry.panel, kind, LATEST if entry.valid_from is None else entry.valid_from


def _is_open(entry: LeftOutEntry, key: Start, valid: ValidVersion) -> bool:
    """Tell whether an entry would have replaced, or may have replaced, the valid version.

    The kinds in a folder that cannot be read are not known: taken for those that every folder has, and others of
    which the valid version came from a link.
    """
    panel, kind, start = key
    if (
        entry.kinds is None
        and kind not in JUNGFRAU.required_kinds
        and not get_link_name(panel, valid.source_path)
    ):
        return False
    return entry.valid_from is None or (valid.constants is not None and valid.valid_from < start)


def _build_open_start(entry: LeftOutEntry, key: Start, valid: ValidVersion) -> OpenStart:
    panel, kind, _ = key
    cause, reason = entry.explain(kind)
    is_known = entry.valid_from is not None
    return OpenStart(
        entry=entry.name,
        cause=cause,
        reason=reason,
        panel=panel,
        kind=kind,
        valid_from=entry.valid_from,
        version=valid.version if is_known else None,
        since=valid.valid_from if is_known else None,
        constants=valid.constants if is_known else None,
    )


def _list_empty_starts(
    entry: LeftOutEntry, keys: Sequence[Start], valid: dict[Start, ValidVersion]
) -> Iterator[str]:
    """Yield a sentence on the kinds of which nothing is valid at the start, so that none has to be ended."""
    if entry.valid_from is None:
        return
    kinds = [kind for _, kind, _ in keys if kind in (entry.kinds or JUNGFRAU.required_kinds)]
    missing = [kind for kind in kinds if (entry.panel, kind, entry.valid_from) not in valid]
    if missing:
        yield (
            f"from {entry.valid_from} on, no {', '.join(missing)} of {entry.panel} is valid: nothing starts before the"
            f" skipped {entry.name}"
        )


def build_gaps(starts: Sequence[OpenStart], root: str, comment: str | None) -> Iterator[VersionStatement]:
    """Yield a gap for every start that accepts one, with a comment: by default the entry, and why it was left out."""
    for start in starts:
        if start.valid_from is not None and start.accepts_gap:
            why = comment or f"{start.entry}: {start.reason}"
            yield VersionStatement(
                start.panel, start.kind, Instant(start.valid_from), None, f"{root}/{start.entry}", why
            )
