"""Long made-up histories of versions, to be loaded in bulk, with a naive look-up to compare with.

The versions are recorded in the order of their starts, each start of each panel in its own revision: gain and
offset together, as ``calreg version add`` does. The constants of one start are the same for all panels. The
files of the constants do not exist: a look-up reads none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.detector import module_name, panel_id
from registry.instants import BEGINNING, Instant, parse_instant

KINDS = ("gain", "offset")
_FIRST = parse_instant("2010-01-01T00:00:00Z")
_STEP = 600_000_000
_RECORDED = parse_instant("2020-01-01T00:00:00Z")

VersionRow = tuple[int, int, int | None, int, str, int, int, str]
"""id, recorded_in, withdrawn_in, panel_id, kind, valid_from, constants_id, comment."""

Answer = dict[tuple[str, str], tuple[int, int, int | None, str]]
"""By panel Id and kind: version, valid_from, valid_to, constants."""


@dataclass(frozen=True, slots=True)
class History:
    """The contents of a registry: `panels` panels with `starts` versions of each kind.

    Attributes
    ----------
    withdrawn
        Whether the last revision withdraws all but the first tenth of each panel's versions.
    quiet
        How many of the panels, the first ones, have the first start only; nothing changes in the revisions in which
        the others would have been recorded.
    """

    panels: int
    starts: int
    withdrawn: bool = False
    quiet: int = 0

    @property
    def versions(self) -> int:
        """The number of versions."""
        return ((self.panels - self.quiet) * self.starts + self.quiet) * len(KINDS)

    @property
    def revisions(self) -> int:
        """The number of the newest revision."""
        return 1 + self.panels * self.starts + int(self.withdrawn)

    @property
    def panel_ids(self) -> list[str]:
        """The panels, in order."""
        return [panel_id(number) for number in range(self.panels)]

    @property
    def detector_id(self) -> str:
        """All panels as one detector."""
        return "_".join(self.panel_ids)

    def instant_at(self, part: float) -> Instant:
        """Return an instant a second after a start: after the last for 1, after the middle one for 0.5."""
        return Instant(_FIRST + int((self.starts - 1) * part) * _STEP + 1_000_000)

    def revision_after(self, part: float) -> int:
        """Return the revision that completed a start for all panels: the last for 1, the middle one for 0.5."""
        return 1 + (int((self.starts - 1) * part) + 1) * self.panels

    def version_rows(self) -> Iterator[VersionRow]:
        """Make the rows of the table `version`."""
        number, live = 0, max(1, self.starts // 10)
        for start in range(self.starts):
            withdrawn_in = self.revisions if self.withdrawn and start >= live else None
            for panel in range(1 if start == 0 else self.quiet + 1, self.panels + 1):
                recorded_in = 1 + start * self.panels + panel
                for order, kind in enumerate(KINDS, start=1):
                    number += 1
                    constants = start * len(KINDS) + order
                    yield (
                        number,
                        recorded_in,
                        withdrawn_in,
                        panel,
                        kind,
                        _FIRST + start * _STEP,
                        constants,
                        f"calibration {start}",
                    )

    def tables(self) -> dict[str, tuple[tuple[str, ...], Iterable[tuple[object, ...]]]]:
        """Return by table, parents first, the columns that are filled and their rows."""
        panels = range(1, self.panels + 1)
        fields = [panel_id(number).split("-") for number in range(self.panels)]
        return {
            "revision": (
                ("number", "recorded_at", "author", "host", "command", "comment", "software"),
                (
                    (number, _RECORDED + number, "ana", "beamline", "calreg version add", None, "calreg")
                    for number in range(1, self.revisions + 1)
                ),
            ),
            "panel": (
                (
                    *("id", "identifier", "detector_type", "module_version", "firmware_version"),
                    *("serial_number", "recorded_in"),
                ),
                (
                    (key, "-".join(three), "jungfrau", *three, 1)
                    for key, three in zip(panels, fields, strict=True)
                ),
            ),
            "alias": (
                ("id", "recorded_in", "m_number", "panel_id", "valid_from"),
                ((key, 1, module_name(key - 1), key, BEGINNING) for key in panels),
            ),
            "constants": (
                ("id", "sha256", "detector_type", "kind", "recorded_in"),
                (
                    (start * len(KINDS) + order, _constants_digest(kind, start), "jungfrau", kind, 2)
                    for start in range(self.starts)
                    for order, kind in enumerate(KINDS, start=1)
                ),
            ),
            "version": (
                (
                    *("id", "recorded_in", "withdrawn_in", "panel_id", "kind", "valid_from", "constants_id"),
                    *("comment", "nonfinite_allowed", "latest_start"),
                ),
                # In the order of their starts: each is the latest so far.
                ((*row, False, row[5]) for row in self.version_rows()),
            ),
        }

    def find_naive_answer(self, instant: int, revision: int) -> Answer:
        """Return what is valid, found by looking at every row."""
        best: dict[tuple[int, str], VersionRow] = {}
        after: dict[tuple[int, str], int] = {}
        for row in self.version_rows():
            _, recorded_in, withdrawn_in, panel, kind, start, _, _ = row
            key = (panel, kind)
            if recorded_in > revision or (withdrawn_in is not None and withdrawn_in <= revision):
                continue
            if start > instant:
                after[key] = min(start, after.get(key, start))
            elif key not in best or start > best[key][5]:
                best[key] = row
        return {
            (panel_id(panel - 1), kind): (
                row[0],
                row[5],
                after.get((panel, kind)),
                _constants_digest(kind, (row[6] - 1) // len(KINDS)),
            )
            for (panel, kind), row in best.items()
        }


def _constants_digest(kind: str, start: int) -> str:
    return hashlib.sha256(f"{kind} {start}".encode()).hexdigest()
