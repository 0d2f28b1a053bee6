"""The look-up that came with the legacy directory, as a model: which link it picks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

DEFAULT_TIME = 20150101000000
"""The time that the directory's own look-up takes where its user types none."""

_PANEL_FIELDS = 3


class DirectoryRule:
    """The look-up that came with a legacy directory, modelled with its faults: which link it picks.

    As seen when it was run (lcls-psana, the deployment of Jungfrau constants): stamps and the requested time are
    compared as integers, whatever they mean; a link without a stamp counts as 0. Of the links of a panel Id the
    last one at or before the requested time is picked. Where there is none the first is picked all the same: one
    link that starts later, or the first of several. The requested time is `DEFAULT_TIME` unless the user types
    another, and never the run's. One entry of four fields joined by ``-`` whose last is not an integer ends the
    look-up of every panel with an error. A panel Id is spelled by a formatter that leaves a field of the value 0
    empty. Nothing is checked of what is picked.

    Attributes
    ----------
    fatal_entries
        The entries that end every look-up with an error; with one of them nothing is picked.
    """

    def __init__(self, root: Path) -> None:
        self.fatal_entries: list[str] = []
        self._links: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for name in sorted(path.name for path in root.iterdir()):
            *panel, last = name.split("-")
            if len(panel) == _PANEL_FIELDS - 1:
                self._links[name].append((0, name))
            elif len(panel) == _PANEL_FIELDS:
                try:
                    self._links["-".join(panel)].append((int(last), name))
                except ValueError:
                    self.fatal_entries.append(name)

    def has_link(self, panel: str) -> bool:
        """Tell whether there are links of a panel Id, whether or not one would be picked."""
        return _spell(panel) in self._links

    def pick(self, panel: str, requested: int = DEFAULT_TIME) -> str | None:
        """Return the name of the link that is picked for a panel Id; None without a link or with a fatal entry."""
        links = sorted(self._links.get(_spell(panel), ()))
        if self.fatal_entries or not links:
            return None
        started = [name for stamp, name in links if stamp <= requested]
        return started[-1] if started else links[0][1]


def _spell(panel: str) -> str:
    """Return the spelling of the legacy formatter, which leaves a field of the value 0 empty."""
    return "-".join("" if field == "0" else field for field in panel.split("-"))
