"""Consequences of a change for the runs, exports and versions that were recorded before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import detectors, schema
from registry.database.change import Change
from registry.identifiers import format_count, shorten
from registry.lookup.affected_exports import AffectedExports, build_no_exports, find_affected_exports
from registry.lookup.answer_changes import CHANGED, GAINED, LOST, AnswerChange
from registry.lookup.candidate_runs import list_changed_spans
from registry.lookup.changed_ranges import list_changed_ranges
from registry.lookup.outcomes import RunGroup, Scope, group_changes, list_run_changes
from registry.lookup.same_constants import describe_same_constants, list_same_constants
from registry.lookup.wrong_files import describe_wrong_files
from registry.records import AffectedExport, AffectedGroup, SameConstants
from registry.run_ranges import find_ranges, format_runs

_OF_RUNS = {
    GAINED: "can be exported from now on",
    CHANGED: "would get other constants from now on",
    LOST: "would be refused from now on",
}
_OF_EXPORTS = {
    "remade": "would be made from other constants now",
    "relabelled": "would be made from the same constants with other panel Ids or segment numbers now",
    "refused": "would be refused now",
    "restored": "would be made from the same constants again",
    "withdrawn": "made from a version that is withdrawn now",
}


@dataclass(frozen=True, slots=True)
class Consequences:
    """The effects of a change on what was recorded before: sentences of bounded length, and complete lists."""

    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    runs: tuple[AffectedGroup, ...] = ()
    exports: tuple[AffectedExport, ...] = ()
    same_constants: tuple[SameConstants, ...] = ()


def find_consequences(change: Change, revision: int) -> Consequences:
    """Return what a change, as that revision, does to earlier runs, exports and versions."""
    connection, tables = change.connection, {*change.recorded, *change.withdrawn}
    if tables.isdisjoint({"version", "run", "configuration", "alias"}):
        return Consequences()
    withdrew_versions, new_runs = "version" in change.withdrawn, "run" in change.recorded
    ranges = list_changed_ranges(connection, revision - 1, revision) if "version" in tables else []
    # New runs are not named: they had nothing before.
    others = bool(tables & {"configuration", "alias"}) or "run" in change.withdrawn
    groups: list[RunGroup] = []
    if ranges or others:
        scope = Scope(new_runs=False, tables=tables)
        groups = group_changes(list_run_changes(connection, ranges, revision - 1, revision, scope))
    exports = build_no_exports()
    if ranges or others or withdrew_versions or new_runs:
        # Of versions only the runs that had no constants: other exports are found by what they were made from.
        gained = (group for group in groups if GAINED in group.change.arrays.values())
        spans = _find_spans(connection, groups, revision) if others else list(_list_spans(gained))
        exports = find_affected_exports(
            connection, ranges, spans, revision, new_runs=new_runs, withdrew=withdrew_versions
        )
    same = list_same_constants(connection, revision) if withdrew_versions else []
    carried = _list_carried_versions(connection, revision) if withdrew_versions else []
    sentences = _describe_runs(groups)
    concerned = ((group.source, run) for group in groups for run in group.runs)
    return Consequences(
        notes=(*sentences[GAINED], *_describe_exports(exports, {"restored"})),
        warnings=(
            *sentences[CHANGED],
            *sentences[LOST],
            *describe_wrong_files(connection, concerned, revision, new_runs=new_runs),
            *_describe_exports(exports, _OF_EXPORTS.keys() - {"restored"}),
            *_describe_versions(carried, same),
        ),
        runs=tuple(group.build_record() for group in groups),
        exports=tuple(
            AffectedExport(number, _OF_EXPORTS[name])
            for name, numbers in exports._asdict().items()
            for number in sorted(numbers)
        ),
        same_constants=tuple(same),
    )


def _find_spans(
    connection: sa.Connection, groups: Iterable[RunGroup], revision: int
) -> list[tuple[str, str, int, int | None]]:
    """Return the ranges of runs whose detectors or times the revision changed; they need not be recorded."""
    return [*list_changed_spans(connection, revision - 1, revision), *_list_spans(groups)]


def _describe_exports(exports: AffectedExports, which: Set[str]) -> Iterator[str]:
    for name, numbers in exports._asdict().items():
        if numbers and name in which:
            names = [f"export {number}" for number in sorted(numbers)]
            yield _summarise(names, "recorded export", _OF_EXPORTS[name])


def _describe_versions(carried: Sequence[int], same: Sequence[SameConstants]) -> Iterator[str]:
    """Yield sentences on the live versions that were carried from a withdrawn one, and on others like it."""
    if carried:
        names = [f"version {number}" for number in carried]
        yield _summarise(names, "version", "carried from a withdrawn one and still live")
    others = [row for row in same if not set(row.versions) <= set(carried)]
    if others:
        yield describe_same_constants(others)


def _list_spans(groups: Iterable[RunGroup]) -> Iterator[tuple[str, str, int, int]]:
    """Yield the ranges of runs that get something else."""
    for group in groups:
        for first, last in find_ranges(group.runs):
            yield *group.source, first, last


def _describe_runs(groups: Iterable[RunGroup]) -> Mapping[str, list[str]]:
    """Return by what becomes of their arrays a sentence on the runs, for each selection of kinds."""
    runs: dict[str, defaultdict[tuple[str, tuple[str, ...]], defaultdict[str, set[int]]]]
    runs = {becomes: defaultdict(lambda: defaultdict(set)) for becomes in _OF_RUNS}
    for group in groups:
        change = group.change
        for becomes, words, kinds in _list_sorts(change):
            shown = () if change.is_whole or _are_required(kinds, change.panels) else tuple(kinds)
            runs[becomes][words, shown][group.source[0]].update(group.runs)
    return {
        becomes: [_summarise_runs(kinds, numbers, words) for (words, kinds), numbers in sorted(rows.items())]
        for becomes, rows in runs.items()
    }


def _list_sorts(change: AnswerChange) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what becomes of arrays, the words for it and the kinds."""
    for becomes in dict.fromkeys(change.arrays.values()):
        kinds = [kind for kind, value in change.arrays.items() if value == becomes]
        same = [kind for kind in kinds if kind in change.relabelled]
        if same:
            yield becomes, f"would get the same constants with {change.label} from now on", same
        if others := [kind for kind in kinds if kind not in change.relabelled]:
            yield becomes, _OF_RUNS[becomes], others


def _are_required(kinds: Sequence[str], panels: Sequence[str]) -> bool:
    return bool(panels) and tuple(kinds) == detectors.find_panel_type(panels[0]).required_kinds


def _summarise_runs(kinds: Sequence[str], runs: Mapping[str, set[int]], consequence: str) -> str:
    """Return one sentence on all these runs, by ranges; with the kinds unless they are those of every export."""
    names = shorten([f"exp={experiment}:run={format_runs(runs[experiment])}" for experiment in sorted(runs)])
    of_kinds = f" ({', '.join(kinds)})" if kinds else ""
    total = sum(map(len, runs.values()))
    return f"{format_count(total, 'recorded run')} {consequence}{of_kinds}: {names}"


def _summarise(names: Sequence[str], noun: str, consequence: str) -> str:
    """Return one sentence on all these names."""
    return f"{format_count(len(names), noun)} {consequence}: {shorten(names)}"


def _list_carried_versions(connection: sa.Connection, revision: int) -> list[int]:
    """Return the live versions that were carried from one that the revision withdrew."""
    return sorted(connection.execute(_select_carried(), {"revision": revision}).scalars())


@cache
def _select_carried() -> sa.Select[Any]:
    version, origin = schema.version, schema.version.alias("origin")
    return (
        sa.select(version.c.id)
        .join(origin, origin.c.id == version.c.carried_from)
        .where(origin.c.withdrawn_in == sa.bindparam("revision", type_=sa.Integer))
        .where(schema.live_condition(version, None))
    )
