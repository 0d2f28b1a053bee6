"""Name the sensors that patterns look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from registry.lookup.pattern_search import FittedMap, PatternIndex
from registry.patterns import FITTING, Pattern
from registry.records import SensorMatch


def match_pattern(index: PatternIndex, pattern: Pattern) -> SensorMatch:
    """Return the sensor that a pattern looks like; the position of its map is for the caller to say."""
    ranked = index.rank_maps(pattern)
    if not ranked:
        return SensorMatch(0, problem="no map with a pattern is live to be compared with")
    best = ranked[0]
    shared: dict[str, Any] = {
        "correlation": round(best.fit.correlation, 4),
        "orientation": str(best.fit.orientation),
    }
    if best.fit.correlation < FITTING:
        figure = f"{best.fit.correlation:.2f} with {best.known.where}"
        return SensorMatch(0, **shared, problem=f"looks like no sensor that is known: at most {figure}")
    module = best.known.module
    fitting = [fitted for fitted in ranked if fitted.fit.correlation >= FITTING]
    return SensorMatch(
        0,
        **shared,
        module=module.name,
        panel=best.known.panel,
        version=best.known.version,
        valid_from=best.known.valid_from,
        versions=tuple(_list_versions(fitted for fitted in fitting if fitted.known.module.is_same(module))),
        other_modules=tuple(
            dict.fromkeys(
                fitted.known.module.name for fitted in fitting if not fitted.known.module.is_same(module)
            )
        ),
    )


def _list_versions(fitted: Iterable[FittedMap]) -> Iterator[int]:
    for item in fitted:
        if item.known.version is not None:
            yield item.known.version
