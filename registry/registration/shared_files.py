"""Files that are live under another module, byte for byte: two sensors never have the same map."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import takewhile

import sqlalchemy as sa

from registry.errors import Remedy
from registry.lookup.file_uses import Module, list_live_uses
from registry.records import CheckedFile
from registry.registration.stated_constants import (
    Allowances,
    Comparison,
    MixUp,
    StatedConstants,
    name_files,
)

_Holder = tuple[Module, str]
"""A module that has a file, and a clause that says where."""


def compare_files(
    connection: sa.Connection,
    stated: Sequence[StatedConstants],
    superseded: Collection[int],
    allowances: Allowances,
    comparison: Comparison,
) -> None:
    """Add to a comparison the files that another module has, in a live version or in the same batch."""
    live: dict[str, list[_Holder]] = defaultdict(list)
    for use in list_live_uses(
        connection,
        (file.sha256 for item in stated for file in item.constants.files),
        superseded=superseded,
    ):
        live[use.sha256].append((use.module, str(use)))
    batch: dict[str, list[_Holder]] = defaultdict(list)
    for item in stated:
        for file in item.constants.files:
            batch[file.sha256].append((item.module, item.where))
    for item in stated:
        comparison.sharing |= {
            module
            for file in item.constants.files
            for module, _ in (*live[file.sha256], *batch[file.sha256])
            if not module.is_same(item.module)
        }
        others = [
            _find_others(item.module, live[file.sha256], _select_others(item, batch[file.sha256], allowances))
            for file in item.constants.files
        ]
        _compare(item, others, allowances, comparison)


def _select_others(
    item: StatedConstants, batch: Sequence[_Holder], allowances: Allowances
) -> Sequence[_Holder]:
    """Return those in a batch with whose files these are compared.

    Those of a module whose files are meant are its own, whatever else in the batch has them, but for another such
    module that states them first.
    """
    if not allowances.names(item.module):
        return batch
    before = takewhile(lambda holder: holder[1] != item.where, batch)
    return [holder for holder in before if allowances.names(holder[0])]


def _find_others(module: Module, live: Sequence[_Holder], batch: Sequence[_Holder]) -> list[_Holder]:
    """Return the other modules that have a file, none where a live version says that the module itself has it."""
    if any(holder.is_same(module) for holder, _ in live):
        return []
    return [holder for holder in (*live, *batch) if not holder[0].is_same(module)]


def _compare(
    item: StatedConstants,
    others: Sequence[Sequence[_Holder]],
    allowances: Allowances,
    comparison: Comparison,
) -> None:
    shared: dict[_Holder, list[int]] = defaultdict(list)
    for gain_range, (file, holders) in enumerate(zip(item.constants.files, others, strict=True)):
        if not holders:
            continue
        if _is_flat(file):
            comparison.notes.append(_describe_flat(item, gain_range, holders))
            continue
        meant = [module.name for module, _ in holders if allowances.names(module)]
        if meant:
            comparison.same_as[item.key] = meant[0]
        else:
            shared[holders[0]].append(gain_range)
    for (module, where), gain_ranges in shared.items():
        names = name_files(item.constants, gain_ranges)
        verb = "is" if len(gain_ranges) == 1 else "are"
        reason = (
            f"{names} {verb} byte for byte what {module} has in {where}; two modules never have the same"
            " map, so one of the two is a mix-up"
        )
        values = {
            "kind": item.constants.kind,
            "gain_ranges": gain_ranges,
            "module": item.module.name,
            "same_as": module.name,
            "with": where,
        }
        mix_up = MixUp(item.where, reason, Remedy.STATE_SAME_FILES, values)
        comparison.mix_ups.setdefault(item.key, []).append(mix_up)


def _is_flat(file: CheckedFile) -> bool:
    """Tell whether every pixel has the same value: a nominal map, which says nothing of a sensor."""
    return file.statistics.minimum == file.statistics.maximum


def _describe_flat(item: StatedConstants, gain_range: int, others: Sequence[_Holder]) -> str:
    module, where = others[0]
    return (
        f"{item.where}: {name_files(item.constants, [gain_range])} has one value in every pixel; {module} has the same"
        f" file in {where}"
    )
