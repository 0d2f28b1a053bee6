"""Which link the legacy directory's own look-up picks: a model of what it does, wrong as it is.

Seen when it was run (lcls-psana, the deployment of Jungfrau constants). Stamps and the requested time are compared as
integers, whatever they mean; a link without a stamp counts as 0. Of the links of a panel Id the last one at or
before the requested time is picked. Where there is none the first is picked all the same: one link that starts later,
or the first of several. The requested time is `DEFAULT_TIME` unless the user types another, and never the run's. One
entry of four fields joined by ``-`` whose last is no integer ends the look-up of every panel with an error. A panel
Id is spelled by a formatter that leaves a field of the value 0 empty. Nothing is checked of what is picked.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

DEFAULT_TIME = 20150101000000

_PANEL_FIELDS = 3


class DirectoryRule:
    """The look-up of one directory.

    Attributes
    ----------
    breaking
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
                stamp = _parse_integer(last)
                if stamp is None:
                    self.fatal_entries.append(name)
                else:
                    self._links["-".join(panel)].append((stamp, name))

    def pick(self, panel: str, requested: int = DEFAULT_TIME) -> str | None:
        """Return the name of the link that is picked for a panel Id, None where there is none or the look-up breaks."""
        links = sorted(self._links.get(_format_as_legacy(panel), ()))
        if self.fatal_entries or not links:
            return None
        begun = [name for stamp, name in links if stamp <= requested]
        return begun[-1] if begun else links[0][1]


def _parse_integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _format_as_legacy(panel: str) -> str:
    return "-".join("" if each == "0" else each for each in panel.split("-"))
