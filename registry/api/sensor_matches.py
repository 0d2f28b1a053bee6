"""Name the sensors that maps in a file look like, by their patterns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from registry.detectors import DetectorType
from registry.importers.gain_map_files import find_characteristic_type, iterate_gain_maps
from registry.lookup.pattern_search import FittedMap, PatternIndex
from registry.patterns import FITTING, Pattern, compute_pattern
from registry.records import SensorMatch


class UnknownMap(NamedTuple):
    """A map whose sensor is asked for; ``pattern`` is None where it has none."""

    position: int
    type: str | None
    pattern: Pattern | None


def read_unknown_maps(path: Path) -> list[UnknownMap]:
    """Return the maps in a file that is not an assembled array; of each only its pattern is kept."""
    return [
        UnknownMap(gain_map.position, None, compute_pattern(gain_map.values, gain_map.detector.asic_shape))
        for gain_map in iterate_gain_maps(path)
    ]


def find_characteristic_array(
    name: str | None, panel_shape: tuple[int, ...]
) -> tuple[DetectorType, frozenset[int]] | None:
    """Return the type of an assembled array, and its gain ranges that show the sensor; None if there are none."""
    detector = find_characteristic_type(panel_shape)
    if detector is None:
        return None
    gain_ranges = frozenset(
        gain_range
        for kind in detector.kinds
        if name is None or kind.calibration_type == name
        for gain_range in kind.characteristic
    )
    return (detector, gain_ranges) if gain_ranges else None


def take_unknown_map(
    position: int, name: str | None, values: NDArray[np.generic], detector: DetectorType
) -> UnknownMap:
    """Return what is kept of a panel's map in an assembled array."""
    return UnknownMap(position, name, compute_pattern(values, detector.asic_shape))


def match_sensors(
    connection: sa.Connection, maps: Sequence[UnknownMap], revision: int
) -> tuple[SensorMatch, ...]:
    """Return the sensor that each map looks like among those of versions that were live as of a revision."""
    if not maps:
        return ()
    index = PatternIndex(connection, revision)
    return tuple(_match(index, unknown) for unknown in maps)


def _match(index: PatternIndex, unknown: UnknownMap) -> SensorMatch:
    shared: dict[str, Any] = {"position": unknown.position, "type": unknown.type}
    if unknown.pattern is None:
        return SensorMatch(**shared, problem="has no pattern: it is flat or filled in, or most pixels are 0")
    ranked = index.rank_maps(unknown.pattern)
    if not ranked:
        return SensorMatch(**shared, problem="no map with a pattern is live to be compared with")
    best = ranked[0]
    shared |= {
        "correlation": round(best.fit.correlation, 4),
        "orientation": str(best.fit.orientation),
    }
    if best.fit.correlation < FITTING:
        figure = f"{best.fit.correlation:.2f} with {best.known.where}"
        return SensorMatch(**shared, problem=f"looks like no sensor that is known: at most {figure}")
    module = best.known.module
    fitting = [fitted for fitted in ranked if fitted.fit.correlation >= FITTING]
    return SensorMatch(
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
