"""What a parameter takes, told by its metavar: ``PANEL`` panel Ids and M-numbers, ``npy|hdf5`` these words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.database.completion_names import CompletionName, list_completion_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.detectors import Kind

FILE_METAVARS = {"DIR", "FILE", "TREE"}
"""What the shell itself completes."""

FREE_METAVARS = {"G", "NAME", "ROLE", "RUN", "SCHEMA", "T", "TEXT", "URL"}
"""What only the user can say."""


class CompletionRequest(NamedTuple):
    """Where in a command line the cursor stands: the verb as far as it is read, and the word's beginning."""

    context: Any
    prefix: str

    def find_names(
        self, sort: str, beginning: str | None = None, experiment: str = ""
    ) -> list[CompletionName]:
        """Return names of the registry that the command line or the environment names."""
        return list_completion_names(
            sort,
            self.prefix if beginning is None else beginning,
            experiment=experiment,
            database=self.context.find_root().params.get("database"),
        )


def split_metavar(metavar: str | None) -> list[str]:
    """Return what a metavar names: ``PANEL`` and ``ALIAS`` of ``[PANEL|ALIAS]``."""
    return re.sub(r"[\[\].]", "", metavar or "").split("|")


def completions_for(metavar: str | None, asked: CompletionRequest) -> Iterator[CompletionName]:
    """Return what a parameter takes; what stands in its metavar in lower case, it takes as it is."""
    for piece in split_metavar(metavar):
        if piece.islower():
            yield CompletionName(piece)
        elif piece in COMPLETERS:
            yield from COMPLETERS[piece](asked)


def _complete_panels(asked: CompletionRequest) -> Iterator[CompletionName]:
    yield from asked.find_names("panels")


def _complete_aliases(asked: CompletionRequest) -> Iterator[CompletionName]:
    yield from asked.find_names("aliases")


def _complete_panels_or_aliases(asked: CompletionRequest) -> Iterator[CompletionName]:
    if not asked.prefix[:1].isdecimal():
        yield from _complete_aliases(asked)
    if not asked.prefix.startswith("M"):
        yield from _complete_panels(asked)


def _complete_detectors(asked: CompletionRequest) -> Iterator[CompletionName]:
    """Panel Ids, after those that stand there already."""
    before, joint, last = asked.prefix.rpartition("_")
    for name in asked.find_names("panels", last):
        if name.text not in before.split("_"):
            yield CompletionName(f"{before}{joint}{name.text}", name.description)


def _complete_datasets(asked: CompletionRequest) -> Iterator[CompletionName]:
    experiment, joint, run = asked.prefix.removeprefix("exp=").partition(":run=")
    if joint:
        for name in asked.find_names("runs", run, experiment):
            yield CompletionName(f"exp={experiment}:run={name.text}")
    else:
        for name in asked.find_names("experiments", experiment.partition(":")[0]):
            yield CompletionName(f"exp={name.text}:run=")


def _complete_sources(asked: CompletionRequest) -> Iterator[CompletionName]:
    given = asked.context.params
    dataset = re.match(r"exp=([^:]+):", str(given.get("target") or given.get("dataset") or ""))
    yield from asked.find_names(
        "sources", None, dataset[1] if dataset else str(given.get("experiment") or "")
    )


def _list_kinds() -> Iterator[Kind]:
    from registry.detectors import DETECTOR_TYPES

    for detector_type in DETECTOR_TYPES.values():
        yield from detector_type.kinds


def _complete_kinds(_: CompletionRequest) -> Iterator[CompletionName]:
    yield from (CompletionName(kind.name, kind.unit) for kind in _list_kinds())


def _complete_types(_: CompletionRequest) -> Iterator[CompletionName]:
    yield from (CompletionName(kind.calibration_type, kind.unit) for kind in _list_kinds())


def _complete_zones(_: CompletionRequest) -> Iterator[CompletionName]:
    from zoneinfo import available_timezones

    yield from (CompletionName(zone) for zone in sorted(available_timezones()))


def _make_completer(sort: str) -> Callable[[CompletionRequest], Iterator[CompletionName]]:
    return lambda asked: iter(asked.find_names(sort))


COMPLETERS: dict[str, Callable[[CompletionRequest], Iterator[CompletionName]]] = {
    "PANEL": _complete_panels_or_aliases,
    "PANEL_ID": _complete_panels,
    "OLD_ID": _complete_panels,
    "ALIAS": _complete_aliases,
    "M_NUMBER": _complete_aliases,
    "DETECTOR_ID": _complete_detectors,
    "DATASET": _complete_datasets,
    "VERSION": _make_completer("versions"),
    "N": _make_completer("versions"),
    "M": _make_completer("versions"),
    "EXPERIMENT": _make_completer("experiments"),
    "E": _make_completer("experiments"),
    "SOURCE": _complete_sources,
    "X": _make_completer("tags"),
    "A": _make_completer("tags"),
    "B": _make_completer("tags"),
    "KIND": _complete_kinds,
    "TYPE": _complete_types,
    "ZONE": _complete_zones,
}
