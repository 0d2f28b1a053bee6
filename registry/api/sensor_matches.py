"""Name the sensors that maps in a file look like, by their patterns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from registry.api.backend import Backend
from registry.api.file_questions import PATTERNS_OF_ONE_QUESTION, format_pattern, match_patterns
from registry.detectors import DetectorType
from registry.importers.gain_map_files import find_characteristic_type, iterate_gain_maps
from registry.instants import BEGINNING
from registry.patterns import ALGORITHM, Pattern, compute_pattern
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
    backend: Backend, maps: Sequence[UnknownMap], revision: int
) -> tuple[tuple[SensorMatch, ...], int]:
    """Return the sensor that each map looks like among those of versions that were live as of a revision.

    And how many maps of the registry have no pattern to be compared with.
    """
    answers: list[SensorMatch] = []
    without_patterns = 0
    patterns = [format_pattern(unknown.pattern) for unknown in maps if unknown.pattern is not None]
    batches = backend.split(patterns, PATTERNS_OF_ONE_QUESTION) or [[]]
    for answer in backend.answer_batches(match_patterns, batches, algorithm=ALGORITHM, as_of=revision):
        answers += answer.matches
        without_patterns = answer.without_patterns
    matches = iter(answers)
    return tuple(
        SensorMatch(
            unknown.position,
            unknown.type,
            problem="has no pattern: it is flat or filled in, or most pixels are 0",
        )
        if unknown.pattern is None
        else _place(next(matches), unknown)
        for unknown in maps
    ), without_patterns


def _place(match: SensorMatch, unknown: UnknownMap) -> SensorMatch:
    """Return a match as that of a map; the start of its version is stated again, null in JSON for the beginning."""
    begins = match.version is not None and match.valid_from is None
    return replace(
        match,
        position=unknown.position,
        type=unknown.type,
        valid_from=BEGINNING if begins else match.valid_from,
    )
