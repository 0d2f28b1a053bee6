"""What a parameter takes, told by its metavar: ``PANEL`` panel Ids and M-numbers, ``npy|hdf5`` these words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.lookup.names import Name, names_beginning

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.detectors import Kind

FILES = {"DIR", "FILE", "TREE"}
"""What the shell itself completes."""

FREE = {"G", "NAME", "ROLE", "RUN", "SCHEMA", "T", "TEXT", "URL"}
"""What only the user can say."""


class Asked(NamedTuple):
    """Where in a command line the cursor stands: the verb as far as it is read, and the word's beginning."""

    context: Any
    beginning: str

    def names(self, sort: str, beginning: str | None = None, experiment: str = "") -> list[Name]:
        """Return names of the registry that the command line or the environment names."""
        return names_beginning(
            sort,
            self.beginning if beginning is None else beginning,
            experiment=experiment,
            database=self.context.find_root().params.get("database"),
        )


def pieces(metavar: str | None) -> list[str]:
    """Return what a metavar names: ``PANEL`` and ``ALIAS`` of ``[PANEL|ALIAS]``."""
    return re.sub(r"[\[\].]", "", metavar or "").split("|")


def taken(metavar: str | None, asked: Asked) -> Iterator[Name]:
    """Return what a parameter takes; what stands in its metavar in lower case, it takes as it is."""
    for piece in pieces(metavar):
        if piece.islower():
            yield Name(piece)
        elif piece in TAKES:
            yield from TAKES[piece](asked)


def _panels(asked: Asked) -> Iterator[Name]:
    yield from asked.names("panels")


def _aliases(asked: Asked) -> Iterator[Name]:
    yield from asked.names("aliases")


def _panels_or_aliases(asked: Asked) -> Iterator[Name]:
    if not asked.beginning[:1].isdecimal():
        yield from _aliases(asked)
    if not asked.beginning.startswith("M"):
        yield from _panels(asked)


def _detectors(asked: Asked) -> Iterator[Name]:
    """Panel Ids, after those that stand there already."""
    before, joint, last = asked.beginning.rpartition("_")
    for name in asked.names("panels", last):
        if name.text not in before.split("_"):
            yield Name(f"{before}{joint}{name.text}", name.about)


def _datasets(asked: Asked) -> Iterator[Name]:
    experiment, joint, run = asked.beginning.removeprefix("exp=").partition(":run=")
    if joint:
        for name in asked.names("runs", run, experiment):
            yield Name(f"exp={experiment}:run={name.text}")
    else:
        for name in asked.names("experiments", experiment.partition(":")[0]):
            yield Name(f"exp={name.text}:run=")


def _sources(asked: Asked) -> Iterator[Name]:
    given = asked.context.params
    dataset = re.match(r"exp=([^:]+):", str(given.get("target") or given.get("dataset") or ""))
    yield from asked.names("sources", None, dataset[1] if dataset else str(given.get("experiment") or ""))


def _known_kinds() -> Iterator[Kind]:
    from registry.detectors import TYPES

    for detector_type in TYPES.values():
        yield from detector_type.kinds


def _kinds(_: Asked) -> Iterator[Name]:
    yield from (Name(kind.name, kind.unit) for kind in _known_kinds())


def _types(_: Asked) -> Iterator[Name]:
    yield from (Name(kind.calibration_type, kind.unit) for kind in _known_kinds())


def _zones(_: Asked) -> Iterator[Name]:
    from zoneinfo import available_timezones

    yield from (Name(zone) for zone in sorted(available_timezones()))


def _of_sort(sort: str) -> Callable[[Asked], Iterator[Name]]:
    return lambda asked: iter(asked.names(sort))


TAKES: dict[str, Callable[[Asked], Iterator[Name]]] = {
    "PANEL": _panels_or_aliases,
    "PANEL_ID": _panels,
    "OLD_ID": _panels,
    "ALIAS": _aliases,
    "M_NUMBER": _aliases,
    "DETECTOR_ID": _detectors,
    "DATASET": _datasets,
    "VERSION": _of_sort("versions"),
    "N": _of_sort("versions"),
    "M": _of_sort("versions"),
    "EXPERIMENT": _of_sort("experiments"),
    "E": _of_sort("experiments"),
    "SOURCE": _sources,
    "X": _of_sort("tags"),
    "A": _of_sort("tags"),
    "B": _of_sort("tags"),
    "KIND": _kinds,
    "TYPE": _types,
    "ZONE": _zones,
}
