"""Trials: maps of simulated sensors measured again, and held against registered ones as the registry does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from registry.detectors.jungfrau import JUNGFRAU
from registry.patterns import (
    Orientation,
    Outcome,
    Pattern,
    compute_pattern,
    correlate,
    find_best_fit,
    find_candidates,
    judge,
    orient_samples,
)
from testing.sensors import Conditions, Sensor, Sensors

REGISTERED = Conditions(noise=0.5)
"""The conditions under which the registered maps were measured."""

MAIN_CASE = "2 % noise"
"""The case with all trials; the others have a quarter of them."""

_NOISY = Conditions(noise=2.0)
CASES: Mapping[str, Conditions] = {
    "0.3 % noise": Conditions(noise=0.3),
    "1 % noise": Conditions(noise=1.0),
    MAIN_CASE: _NOISY,
    "3 % noise": Conditions(noise=3.0),
    "5 % noise": Conditions(noise=5.0),
    "7 % noise": Conditions(noise=7.0),
    "2 %, drift of 5 % by ASIC": replace(_NOISY, drift=5.0),
    "2 %, rows and columns 1 %": replace(_NOISY, rows=1.0, columns=1.0),
    "2 %, 1 % dead": replace(_NOISY, dead=1.0),
    "2 %, bias of 5 % gain": replace(_NOISY, bias=5.0),
    "2 %, all of these": replace(_NOISY, drift=5.0, rows=1.0, columns=1.0, dead=1.0, bias=5.0),
}
"""The conditions under which sensors are measured again; 2 % and the like is the noise of a pixel."""

SCENARIOS: Mapping[str, Outcome] = {
    "its own module": Outcome.OWN,
    "another module, which has earlier maps": Outcome.OTHER,
    "another module, which has none": Outcome.OTHER,
    "its own module, turned or mirrored": Outcome.TURNED,
    "a sensor that is not registered, for a new module": Outcome.NEW,
    "a sensor that is not registered, for another module": Outcome.UNLIKE,
}
"""The ways in which a map can be registered, and the verdict that is right."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The results of the trials of one case.

    Attributes
    ----------
    same
        Correlations with the registered map of the same sensor.
    others
        Correlations with the maps of all other sensors, in all orientations.
    outcomes
        How often each verdict was given, by scenario.
    """

    same: NDArray[np.float64]
    others: NDArray[np.float64]
    outcomes: Mapping[str, Counter[Outcome]] = field(default_factory=dict)

    @property
    def trials(self) -> int:
        """The number of measured maps."""
        return len(self.same)


def make_sensors(modules: int) -> list[Sensor]:
    """Return so many sensors of one production."""
    production = Sensors(2018)
    return [production.make(number) for number in range(modules)]


def run_trials(sensors: Sequence[Sensor], trials: int) -> dict[str, CaseResult]:
    """Return the results of every case: so many trials of the main one, a quarter of them of the others."""
    registered = np.array([measure_pattern(sensor, REGISTERED, 0).samples for sensor in sensors])
    return {
        name: _run_case(sensors, registered, conditions, trials if name == MAIN_CASE else max(trials // 4, 1))
        for name, conditions in CASES.items()
    }


def measure_differences(sensors: Sequence[Sensor]) -> NDArray[np.float64]:
    """Return by how much the correlations of a map with two earlier ones of the same sensor differ."""
    differences = []
    for sensor in sensors:
        new, *earlier = (measure_pattern(sensor, CASES[MAIN_CASE], seed) for seed in range(3))
        first, second = correlate(new, np.array([pattern.samples for pattern in earlier]))[:, 0]
        differences.append(first - second)
    return np.array(differences)


def measure_pattern(sensor: Sensor, conditions: Conditions, seed: int) -> Pattern:
    """Return the pattern of a new measurement of the sensor."""
    pattern = compute_pattern(sensor.measure(conditions, seed), JUNGFRAU.asic_shape)
    if pattern is None:
        raise ValueError("a simulated map has no pattern")
    return pattern


def _run_case(
    sensors: Sequence[Sensor], registered: NDArray[np.int8], conditions: Conditions, trials: int
) -> CaseResult:
    same, others = [], []
    outcomes: dict[str, Counter[Outcome]] = {scenario: Counter() for scenario in SCENARIOS}
    for trial in range(trials):
        sensor = trial % len(sensors)
        pattern = measure_pattern(sensors[sensor], conditions, seed=trial + 1)
        correlations = correlate(pattern, registered)
        same.append(correlations[sensor, 0])
        others.append(np.delete(correlations, sensor, axis=0).reshape(-1))
        for scenario, outcome in _judge_scenarios(pattern, sensor, trial, registered):
            outcomes[scenario][outcome] += 1
    return CaseResult(np.array(same), np.concatenate(others), outcomes)


def _judge_scenarios(
    pattern: Pattern, sensor: int, trial: int, registered: NDArray[np.int8]
) -> Iterator[tuple[str, Outcome]]:
    """Yield the verdict in each scenario; the other module and the orientation change with the trial."""
    modules = len(registered)
    other = (sensor + 1 + trial // modules % (modules - 1)) % modules
    orientation = tuple(Orientation)[1 + trial % 3]
    turned = Pattern(orient_samples(pattern.samples, orientation))
    without_sensor = np.delete(np.arange(modules), sensor)
    verdicts = (
        _judge_map(pattern, registered, own=sensor),
        _judge_map(pattern, registered, own=other),
        _judge_map(pattern, registered, own=None),
        _judge_map(turned, registered, own=sensor),
        _judge_map(pattern, registered[without_sensor], own=None),
        _judge_map(pattern, registered[without_sensor], own=int(np.flatnonzero(without_sensor == other)[0])),
    )
    yield from zip(SCENARIOS, verdicts, strict=True)


def _judge_map(pattern: Pattern, registered: NDArray[np.int8], own: int | None) -> Outcome:
    """Return the verdict as the registry finds it: signs first, then the samples of the best twenty."""
    rivals = registered if own is None else np.delete(registered, own, axis=0)
    candidates = find_candidates(pattern, np.packbits(rivals > 0, axis=1))
    earlier = registered[:0] if own is None else registered[own : own + 1]
    return judge(find_best_fit(pattern, earlier), find_best_fit(pattern, rivals[candidates])).outcome
