"""The live versions of panels as sorted starts: many instants are asked with a few statements."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa

from registry import schema

_CHUNK_SIZE = 1000


@dataclass(slots=True)
class Timeline:
    """The live versions of one panel and kind, by start."""

    starts: list[int] = field(default_factory=list)
    versions: list[tuple[int, str | None]] = field(default_factory=list)

    def at(self, instant: int) -> tuple[int | None, str | None]:
        """Return the version that holds at the instant and its constants; both may be None."""
        index = bisect_right(self.starts, instant)
        return self.versions[index - 1] if index else (None, None)


Timelines = dict[tuple[str, str], Timeline]
"""By panel Id and kind."""


def read_timelines(connection: sa.Connection, panels: Iterable[str], revision: int) -> Timelines:
    """Return the live versions of these panels as of a revision; what has none gives an empty timeline."""
    version, panel = schema.version, schema.panel
    found: Timelines = defaultdict(Timeline)
    names = sorted(panels)
    for start in range(0, len(names), _CHUNK_SIZE):
        query = (
            sa.select(
                panel.c.identifier,
                version.c.kind,
                version.c.valid_from,
                version.c.id,
                schema.constants.c.sha256,
            )
            .join(version, version.c.panel_id == panel.c.id)
            .outerjoin(schema.constants, schema.constants.c.id == version.c.constants_id)
            .where(
                panel.c.identifier.in_(names[start : start + _CHUNK_SIZE]),
                schema.live_condition(version, revision),
            )
            .order_by(version.c.panel_id, version.c.kind, version.c.valid_from)
        )
        for row in connection.execute(query):
            timeline = found[row.identifier, row.kind]
            timeline.starts.append(row.valid_from)
            timeline.versions.append((row.id, row.sha256))
    return found
