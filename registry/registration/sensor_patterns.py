"""Maps whose pattern is another sensor's than their module's, that are turned, or that fit nothing that is known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.errors import Remedy
from registry.lookup.pattern_search import Finding, FittedMap, KnownMap, PatternIndex
from registry.patterns import Outcome, Pattern, parse_pattern
from registry.registration.stated_constants import (
    Allowances,
    Comparison,
    MixUp,
    StatedConstants,
    name_files,
)


class _StatedMap(NamedTuple):
    """A map with a pattern among stated constants."""

    item: StatedConstants
    gain_range: int
    file: str
    pattern: Pattern

    @property
    def name(self) -> str:
        """The name of its file."""
        return name_files(self.item.constants, [self.gain_range])


def compare_patterns(
    connection: sa.Connection,
    stated: Sequence[StatedConstants],
    superseded: Collection[int],
    allowances: Allowances,
    comparison: Comparison,
) -> None:
    """Add to a comparison the maps that are not of the sensor of their module, as far as their patterns tell.

    Constants of which a file was found under another module, or is meant to be another's, are not compared again.
    """
    maps = list(_list_maps(stated))
    if not maps:
        return
    batch = [KnownMap(row.file, row.pattern.samples, row.item.module, row.item.where) for row in maps]
    index = PatternIndex(connection, batch=batch, superseded=superseded)
    for row in maps:
        key = row.item.key
        if key in comparison.mix_ups or key in comparison.same_as:
            continue
        finding = index.judge_map(row.file, row.pattern, row.item.module, row.item.constants.kind)
        if finding.is_refused and allowances.pattern:
            comparison.patterns_allowed.add(key)
        elif finding.is_refused:
            comparison.mix_ups.setdefault(key, []).append(_build_mix_up(row, finding))
        elif finding.fits_two_modules:
            comparison.warnings.append(
                f"{row.item.where}: {row.name} fits {row.item.module} ({finding.own}), and another module"
                f" ({finding.rival}): one of these maps is a mix-up, or made of two"
            )
        elif finding.outcome is Outcome.UNLIKE and finding.own is not None:
            medians = _list_medians(connection, finding.own.known, maps)
            comparison.warnings.append(_describe_unlike(row, finding.own, finding.rival, medians))


def _list_maps(stated: Sequence[StatedConstants]) -> Iterator[_StatedMap]:
    for item in stated:
        for gain_range, file in enumerate(item.constants.files):
            if file.pattern is not None and file.pattern.samples is not None:
                pattern = parse_pattern(file.pattern.samples, file.pattern.algorithm)
                yield _StatedMap(item, gain_range, file.sha256, pattern)


def _build_mix_up(row: _StatedMap, finding: Finding) -> MixUp:
    values = {
        "kind": row.item.constants.kind,
        "gain_range": row.gain_range,
        "module": row.item.module.name,
        "outcome": finding.outcome.name.lower(),
        "own": _list_values(finding.own),
        "other": _list_values(finding.rival),
    }
    describe = _describe_other if finding.outcome is Outcome.OTHER else _describe_turned
    return MixUp(row.item.where, f"{row.name} {describe(row, finding)}", Remedy.ALLOW_PATTERN, values)


def _list_values(fitted: FittedMap | None) -> dict[str, object] | None:
    if fitted is None:
        return None
    return {
        "correlation": round(fitted.fit.correlation, 4),
        "orientation": str(fitted.fit.orientation),
        "module": fitted.known.module.name,
        "version": fitted.known.version,
        "with": fitted.known.where,
    }


def _describe_other(row: _StatedMap, finding: Finding) -> str:
    module, own = row.item.module, finding.own
    theirs = finding.rival and finding.rival.known.module
    compared = f", and {module} has no other map"
    if own is not None:
        compared = f", and at most {own.fit.correlation:.2f} with {module}'s own ({own.known.where})"
    return (
        f"looks like the sensor of {theirs}, not like that of {module}: its pattern correlates {finding.rival}"
        f"{compared}; one of these maps is a mix-up"
    )


def _describe_turned(row: _StatedMap, finding: Finding) -> str:
    as_it_is = finding.own.fit.as_it_is if finding.own else 0.0
    return (
        f"looks like the sensor of {row.item.module} in another orientation: its pattern correlates {finding.own}, and"
        f" as it is {as_it_is:.2f}"
    )


def _describe_unlike(
    row: _StatedMap, own: FittedMap, rival: FittedMap | None, medians: Sequence[float | None]
) -> str:
    changes = ", ".join(
        f"{100 * (file.statistics.median / median - 1):+.1f} %"
        for file, median in zip(row.item.constants.files, medians, strict=False)
        if median and file.statistics.median is not None
    )
    others = f", and at most {rival.fit.correlation:.2f} with any other module's" if rival else ""
    return (
        f"{row.item.where}: {row.name} has another pattern than the maps of {row.item.module} so far: it correlates"
        f" {own.fit.as_it_is:.2f} with {own.known.where}{others}; its medians (by gain range) differ from those by"
        f" {changes}: a repaired sensor?"
    )


def _list_medians(
    connection: sa.Connection, known: KnownMap, stated: Sequence[_StatedMap]
) -> list[float | None]:
    """Return the medians of the gain ranges of the constants that a known map belongs to."""
    for row in stated:
        if known.version is None and row.file == known.file:
            return [file.statistics.median for file in row.item.constants.files]
    version, part, blob = schema.version, schema.constants_file, schema.blob
    query = (
        sa.select(blob.c.median)
        .join(part, part.c.sha256 == blob.c.sha256)
        .join(version, version.c.constants_id == part.c.constants_id)
        .where(version.c.id == known.version)
        .order_by(part.c.gain_range)
    )
    return list(connection.execute(query).scalars())
