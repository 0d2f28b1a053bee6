"""Patterns of sensors: computed from simulated maps, compared, judged."""

from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from registry.detectors import DETECTOR_TYPES
from registry.detectors.epix10ka import EPIX10KA
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import CorruptionError
from registry.patterns import (
    ALGORITHM,
    PATTERN_SIZE,
    SIGNS_SIZE,
    Fit,
    Orientation,
    Outcome,
    Pattern,
    choose_places,
    compute_pattern,
    correlate,
    find_best_fit,
    find_candidates,
    judge,
    orient_samples,
    parse_pattern,
)
from testing.panels import make_panel_array, use_panel_shape
from testing.sensors import Conditions, Sensor, Sensors

ASIC = JUNGFRAU.asic_shape
NOISY = Conditions(noise=2.0, drift=2.0, rows=0.5, columns=0.5, dead=1.0)


@cache
def _make_sensors() -> Sensors:
    return Sensors(5)


@cache
def _make_sensor(number: int) -> Sensor:
    return _make_sensors().make(number)


def _compute(values: NDArray[np.generic], asic_shape: tuple[int, int] = ASIC) -> Pattern:
    pattern = compute_pattern(values, asic_shape)
    assert pattern is not None
    return pattern


@cache
def _measure(number: int, seed: int = 0, conditions: Conditions = NOISY) -> Pattern:
    return _compute(_make_sensor(number).measure(conditions, seed))


def _stack(*patterns: Pattern) -> NDArray[np.int8]:
    return np.array([pattern.samples for pattern in patterns], np.int8).reshape(-1, PATTERN_SIZE)


def _stack_signs(*patterns: Pattern) -> NDArray[np.uint8]:
    return np.array([np.frombuffer(pattern.signs, np.uint8) for pattern in patterns])


def test_a_sensor_is_known_again_and_another_one_with_the_same_systematics_is_not() -> None:
    correlations = correlate(_measure(0), _stack(_measure(0, seed=1), _measure(1), _measure(2)))
    assert correlations.shape == (3, len(Orientation))
    assert correlations[0, 0] > 0.10
    correlations[0, 0] = 0.0
    assert np.abs(correlations).max() < 0.07


def test_the_maps_themselves_correlate_so_that_systematics_would_be_taken_for_a_sensor() -> None:
    """The simulation can fail the test above: without removal, two sensors look like one."""
    first, second = (_make_sensor(number).measure()[3:-3, 3:-3].reshape(-1) for number in (0, 1))
    assert np.corrcoef(first, second)[0, 1] > 0.3


def test_a_pattern_has_the_size_that_is_stored_and_is_read_back() -> None:
    pattern = _measure(0)
    assert pattern.samples.shape == (PATTERN_SIZE,)
    assert pattern.samples.dtype == np.int8
    assert pattern.algorithm == ALGORITHM
    assert len(pattern.signs) == SIGNS_SIZE
    signs = np.unpackbits(np.frombuffer(pattern.signs, np.uint8)).astype(bool)
    assert np.array_equal(signs, pattern.samples > 0)
    parsed = parse_pattern(pattern.samples.tobytes(), ALGORITHM)
    assert np.array_equal(parsed.samples, pattern.samples)


@pytest.mark.parametrize("size", [0, PATTERN_SIZE - 1, PATTERN_SIZE + 1])
def test_stored_samples_of_another_size_are_damage(size: int) -> None:
    with pytest.raises(CorruptionError, match=f"4096 samples, not {size}"):
        parse_pattern(bytes(size), ALGORITHM)


@pytest.mark.parametrize("detector_type", DETECTOR_TYPES)
@pytest.mark.parametrize("orientation", Orientation)
def test_the_samples_of_a_mirrored_map_are_those_of_the_map_in_another_order(
    detector_type: str, orientation: Orientation
) -> None:
    detector = DETECTOR_TYPES[detector_type]
    rng = np.random.default_rng(3)
    values = rng.normal(40.0, 1.0, detector.panel_shape).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = 0.0
    pattern = _compute(values, detector.asic_shape)
    mirrored = _compute(orientation.apply(values), detector.asic_shape)
    assert np.array_equal(mirrored.samples, orient_samples(pattern.samples, orientation))
    fit = find_best_fit(mirrored, _stack(pattern))
    assert fit is not None
    assert (fit.correlation, fit.orientation) == (1.0, orientation)


@pytest.mark.parametrize(
    ("shape", "asic"), [((512, 1024), (256, 256)), ((352, 384), (176, 192)), ((256, 256), (256, 256))]
)
def test_places_are_distinct_away_from_borders_and_closed_under_mirroring(
    shape: tuple[int, int], asic: tuple[int, int]
) -> None:
    places = choose_places(shape, asic)
    assert places is not None
    pixels = set(zip(places.rows.tolist(), places.columns.tolist(), strict=True))
    assert len(pixels) == PATTERN_SIZE
    assert {(shape[0] - 1 - row, column) for row, column in pixels} == pixels
    assert {(row, shape[1] - 1 - column) for row, column in pixels} == pixels
    for index, side in ((places.rows, asic[0]), (places.columns, asic[1])):
        assert (index % side).min() >= 8
        assert (index % side).max() < side - 8
    counts = np.bincount(places.asics)
    assert counts.size == shape[0] // asic[0] * (shape[1] // asic[1])
    assert counts.min() > 0.9 * PATTERN_SIZE / counts.size


def test_the_places_are_those_that_patterns_of_this_algorithm_have_always_had() -> None:
    places = choose_places((512, 1024), (256, 256))
    assert places is not None
    assert list(zip(places.rows[:9].tolist(), places.columns[:9].tolist(), strict=True)) == [
        (8, 64), (9, 67), (10, 70), (11, 65), (12, 68), (13, 71), (14, 66), (15, 69), (8, 177),
    ]  # fmt: skip
    weights = np.arange(1, PATTERN_SIZE + 1)
    assert (int(places.rows @ weights), int(places.columns @ weights)) == (2680683520, 4828691456)


def test_the_pattern_of_a_map_is_the_same_on_every_machine() -> None:
    """Made of the raw integers of PCG64, whose sequence numpy keeps."""
    numbers = np.random.PCG64(1).random_raw(512 * 1024) >> np.uint64(44)
    values = 40 + numbers.astype(np.float32).reshape(512, 1024) / np.float32(2**20)
    values[values < 40.01] = 0
    values[:, 300] += 2
    pattern = _compute(values)
    weights = np.arange(1, PATTERN_SIZE + 1)
    assert int(pattern.samples.astype(np.int64) @ weights) == -298045


def _find_median(values: NDArray[np.float32]) -> np.float32:
    live = np.sort(values[~np.isnan(values)])
    return (live[(len(live) - 1) // 2] + live[len(live) // 2]) / 2 if live.size else np.float32(np.nan)


def _drop_silent_pixels(values: NDArray[np.float32], places: list[tuple[int, int]]) -> NDArray[np.float32]:
    measured = np.isfinite(values) & (values != 0)
    frequent = [value for value, n in Counter(values[place] for place in places).items() if n >= 64]
    measured &= ~np.isin(values, frequent)
    distinct, counts = np.unique(values, return_counts=True)
    for row, column in np.argwhere(np.isin(values, distinct[counts > 1])):
        near = [*values[max(row - 4, 0) : row + 5, column], *values[row, max(column - 4, 0) : column + 5]]
        measured[row, column] &= near.count(values[row, column]) == 2  # itself, twice
    return np.where(measured, values, np.float32(np.nan))


def _compute_as_the_page_says(values: NDArray[np.float32], asic_shape: tuple[int, int]) -> list[int]:
    """Compute a pattern in the order of docs/patterns.md, one pixel after the other."""
    (rows, columns), (height, width) = values.shape, asic_shape
    blocks = [
        (row, column)
        for row in range(0, rows // 2 - 7, 8)
        for column in range(0, columns // 2 - 7, 8)
        if 0 < row % height < height - 8 and 0 < column % width < width - 8
    ]
    chosen = [blocks[(2 * k + 1) * len(blocks) // 256] for k in range(128)]
    quarter = [
        (row + r, column + (3 * r + k) % 8) for k, (row, column) in enumerate(chosen) for r in range(8)
    ]
    places = [
        (rows - 1 - row if down else row, columns - 1 - column if right else column)
        for down in (False, True)
        for right in (False, True)
        for row, column in quarter
    ]
    values = _drop_silent_pixels(values, places)
    left = values.copy()
    for top in range(0, rows, height):
        for start in range(0, columns, width):
            asic = values[top : top + height, start : start + width]
            of_columns = np.zeros(width, np.float32)
            for _ in range(2):
                middle = [c for c in range(width) if c % 8 in {3, 4}]
                of_rows = np.array([_find_median(row[middle] - of_columns[middle]) for row in asic])
                middle = [r for r in range(height) if r % 8 in {3, 4}]
                of_columns = np.array([_find_median(column[middle] - of_rows[middle]) for column in asic.T])
            left[top : top + height, start : start + width] = asic - of_rows[:, None] - of_columns
    residuals = {}
    for row, column in places:
        block = left[row // 8 * 8 : row // 8 * 8 + 8, column // 8 * 8 : column // 8 * 8 + 8]
        residuals[row, column] = np.float64(left[row, column] - _find_median(block))
    by_asic: dict[tuple[int, int], list[np.float64]] = {}
    for (row, column), residual in residuals.items():
        if not np.isnan(residual):
            by_asic.setdefault((row // height, column // width), []).append(abs(residual))
    deviations = {asic: 1.4826 * np.median(live) for asic, live in by_asic.items()}
    scaled = [residuals[row, column] / deviations[row // height, column // width] for row, column in places]
    return [0 if np.isnan(value) else int(np.rint(min(max(value, -4), 4) * (127 / 4))) for value in scaled]


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "asic_shape"), [((256, 512), (256, 256)), ((352, 384), (176, 192))])
def test_a_pattern_can_be_computed_by_what_the_page_says(
    shape: tuple[int, int], asic_shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(41.0, 0.4, shape).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = 0.0
    values[rng.random(values.shape) < 0.05] = 41.5
    values[60:90, 50:90] = np.linspace(40, 41, 40)
    values[100] = np.nan
    assert _compute(values, asic_shape).samples.tolist() == _compute_as_the_page_says(values, asic_shape)


def test_a_map_in_float64_or_of_the_other_byte_order_has_the_same_pattern() -> None:
    values = _make_sensor(0).measure(NOISY)
    for dtype in (np.float64, ">f4"):
        assert np.array_equal(_compute(values.astype(dtype)).samples, _measure(0).samples)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 3e38, 1e300, -1e300])
def test_pixels_that_are_dead_or_not_numbers_are_silent(value: float) -> None:
    values = _make_sensor(0).measure(NOISY).astype(np.float64)
    values[np.random.default_rng(1).random(values.shape) < 0.2] = value
    values[256:, 256:512] = value
    pattern = _compute(values)
    assert 0.10 < correlate(pattern, _stack(_measure(0, seed=1)))[0, 0] < 0.5


def test_a_dead_asic_is_silent_and_the_others_are_enough() -> None:
    values = _make_sensor(0).measure(Conditions(noise=0.3))
    values[:256, :256] = 0.0
    values[:256, 256:512] = 41.5
    values[256:, 256:512] = np.linspace(40, 43, 256)  # a ramp is flat without its columns
    pattern = _compute(values)
    assert np.count_nonzero(pattern.samples) < PATTERN_SIZE * 5 / 8
    assert correlate(pattern, _stack(_measure(0, 1, Conditions(noise=0.3))))[0, 0] > 0.6


WITHOUT_PATTERN: dict[str, Callable[[], NDArray[np.generic]]] = {
    "constant": lambda: np.full((512, 1024), 41.5, np.float32),
    "zeros": lambda: np.zeros((512, 1024), np.float32),
    "not numbers": lambda: np.full((512, 1024), np.nan, np.float32),
    "infinite": lambda: np.full((512, 1024), np.inf),
    "a ramp": lambda: make_panel_array("gain", 0, 7),
    "a steep ramp": lambda: np.linspace(30, 50, 512 * 1024).reshape(512, 1024),
    "rounded to whole numbers": lambda: np.round(_make_sensor(0).gain),
    "mostly filled in": lambda: _fill_in(0.7),
    "of one row": lambda: _make_sensor(0).gain[:1],
    "without rows": lambda: _make_sensor(0).gain[:0],
    "of 4 x 6 pixels": lambda: _make_sensor(0).gain[:4, :6],
    "of one and a half ASICs": lambda: _make_sensor(0).gain[:384],
    "of three dimensions": lambda: _make_sensor(0).gain.reshape(2, 256, 1024),
}


def _fill_in(share: float) -> NDArray[np.float32]:
    values = _make_sensor(0).gain.copy()
    values[np.random.default_rng(1).random(values.shape) < share] = np.median(values)
    return values


@pytest.mark.parametrize("name", WITHOUT_PATTERN)
def test_a_map_that_shows_no_sensor_has_no_pattern(name: str) -> None:
    assert compute_pattern(WITHOUT_PATTERN[name](), ASIC) is None


@pytest.mark.parametrize("fill", ["of the panel", "of the ASIC", "of the row"])
def test_filled_in_pixels_do_not_make_sensors_alike(fill: str) -> None:
    """Two maps, filled in at the same pixels with the same values."""
    usual = _make_sensors().make(9).gain
    values = {
        "of the panel": np.full_like(usual, np.median(usual)),
        "of the ASIC": np.kron(np.arange(40, 44, 0.5).reshape(2, 4), np.ones(ASIC)),
        "of the row": np.repeat(np.median(usual.reshape(512, 4, 256), axis=2), 256, axis=1),
    }[fill]
    bad = np.random.default_rng(1).random(usual.shape) < 0.3
    first, second = (
        _compute(np.where(bad, values, _make_sensor(number).measure()).astype(np.float32))
        for number in (0, 1)
    )
    assert correlate(first, _stack(second))[0, 0] < 0.07
    assert correlate(first, _stack(_measure(0)))[0, 0] > 0.10


def test_a_map_of_parts_of_two_sensors_fits_both() -> None:
    values, other = (_make_sensor(number).measure(seed=1) for number in (0, 1))
    values[:, 512:] = other[:, 512:]
    pattern = _compute(values)
    first, second = (find_best_fit(pattern, _stack(_measure(number, 9))) for number in (0, 1))
    assert judge(first, second).outcome is Outcome.OWN
    assert judge(first, second).has_fitting_rival
    assert judge(None, second).outcome is Outcome.OTHER
    assert not judge(_measure_fit(0, 0), _measure_fit(0, 1)).has_fitting_rival


def _measure_fit(number: int, other: int) -> Fit | None:
    return find_best_fit(_measure(number, 1), _stack(_measure(other, 9)))


def test_a_panel_of_one_asic_has_a_pattern() -> None:
    with use_panel_shape((256, 256)):
        sensor = Sensors(0).make(0)
        first, second = (_compute(sensor.measure(NOISY, seed)) for seed in (0, 1))
    assert correlate(first, _stack(second))[0, 0] > 0.10


def test_candidates_are_the_patterns_whose_signs_agree_in_any_orientation() -> None:
    rng = np.random.default_rng(0)
    samples = rng.integers(-127, 128, (1500, PATTERN_SIZE)).astype(np.int8)
    samples[700] = _measure(0, seed=1).samples
    samples[1200] = orient_samples(_measure(0, seed=2).samples, Orientation.TURNED)
    samples[1300] = _measure(0).samples
    candidates = find_candidates(_measure(0), np.packbits(samples > 0, axis=1), limit=5)
    assert candidates.tolist()[0] == 1300
    assert set(candidates.tolist()[1:3]) == {700, 1200}
    assert len(candidates) == 5


def test_candidates_of_fewer_patterns_than_asked_for_are_all_of_them() -> None:
    assert find_candidates(_measure(0), _stack_signs(_measure(1), _measure(0))).tolist() == [1, 0]
    assert find_candidates(_measure(0), np.empty((0, SIGNS_SIZE), np.uint8)).tolist() == []


def test_the_best_fit_of_none_is_none_and_of_constant_samples_is_zero() -> None:
    assert find_best_fit(_measure(0), np.empty((0, PATTERN_SIZE), np.int8)) is None
    for value in (0, 127, -128):
        fit = find_best_fit(_measure(0), np.full((2, PATTERN_SIZE), value, np.int8))
        assert fit == Fit(0, 0.0, Orientation.AS_IT_IS, 0.0)


def test_correlations_are_exact_for_the_largest_samples_and_any_number_of_patterns() -> None:
    rng = np.random.default_rng(0)
    samples = rng.choice(np.array([-128, 127], np.int8), (1300, PATTERN_SIZE))
    correlations = correlate(Pattern(samples[0]), samples)
    expected = np.corrcoef(samples[[0, 1, 600, 1299]].astype(float))[0]
    assert np.allclose(correlations[[0, 1, 600, 1299], 0], expected, rtol=0, atol=1e-12)
    assert correlations[0, 0] == 1.0


def _fit(
    correlation: float, orientation: Orientation = Orientation.AS_IT_IS, as_it_is: float | None = None
) -> Fit:
    return Fit(0, correlation, orientation, correlation if as_it_is is None else as_it_is)


VERDICTS = {
    "nothing known": (None, None, Outcome.NEW),
    "no other fits": (None, _fit(0.05), Outcome.NEW),
    "first map of it, of another": (None, _fit(0.12), Outcome.OTHER),
    "fits its own": (_fit(0.37), _fit(0.04), Outcome.OWN),
    "fits its own, noisy": (_fit(0.08), _fit(0.06), Outcome.OWN),
    "fits its own, nothing else known": (_fit(0.37), None, Outcome.OWN),
    "fits both alike": (_fit(1.0), _fit(1.0), Outcome.OWN),
    "fits another clearly better": (_fit(0.03), _fit(0.37), Outcome.OTHER),
    "fits another clearly better than its own": (_fit(0.3), _fit(0.45), Outcome.OTHER),
    "fits another a little better": (_fit(0.3), _fit(0.35), Outcome.OWN),
    "fits another turned": (_fit(0.03), _fit(0.37, Orientation.TURNED, 0.0), Outcome.OTHER),
    "its own is opposite": (_fit(-0.9), _fit(0.09), Outcome.UNLIKE),
    "turned": (_fit(0.37, Orientation.TURNED, 0.01), _fit(0.05), Outcome.TURNED),
    "turned and fits another as well": (_fit(0.37, Orientation.MIRRORED, 0.01), _fit(0.37), Outcome.TURNED),
    "turned and as it is": (_fit(0.37, Orientation.TURNED, 0.36), None, Outcome.OWN),
    "by chance a little better turned": (_fit(0.04, Orientation.TURNED, 0.01), None, Outcome.UNLIKE),
    "unlike": (_fit(0.04), _fit(0.04), Outcome.UNLIKE),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_map_is_judged_by_its_best_fits(name: str) -> None:
    own, other, outcome = VERDICTS[name]
    verdict = judge(own, other)
    assert (verdict.outcome, verdict.own, verdict.rival) == (outcome, own, other)
    assert verdict.is_refused == (outcome in {Outcome.OTHER, Outcome.TURNED})


def test_a_mix_up_among_sensors_is_refused_and_honest_maps_are_not() -> None:
    stored = [_measure(number, seed=9) for number in range(4)]
    for number in range(4):
        pattern = _measure(number, seed=1)
        others = [other for index, other in enumerate(stored) if index != number]
        honest = judge(
            find_best_fit(pattern, _stack(stored[number])), find_best_fit(pattern, _stack(*others))
        )
        assert honest.outcome is Outcome.OWN
        victim = (number + 1) % 4
        others = [other for index, other in enumerate(stored) if index != victim]
        mix_up = judge(
            find_best_fit(pattern, _stack(stored[victim])), find_best_fit(pattern, _stack(*others))
        )
        assert mix_up.outcome is Outcome.OTHER


@pytest.mark.parametrize("orientation", list(Orientation)[1:])
def test_an_earlier_map_of_its_own_that_is_turned_or_mirrored_is_found(orientation: Orientation) -> None:
    pattern = _compute(orientation.apply(_make_sensor(0).measure(NOISY, 4)))
    verdict = judge(find_best_fit(pattern, _stack(_measure(0))), find_best_fit(pattern, _stack(_measure(1))))
    assert verdict.outcome is Outcome.TURNED
    assert verdict.own is not None
    assert verdict.own.orientation is orientation


def test_only_gain_range_0_of_jungfrau_is_characteristic() -> None:
    characteristic = {
        (detector.name, kind.name, gain_range)
        for detector in (JUNGFRAU, EPIX10KA)
        for kind in detector.kinds
        for gain_range in kind.characteristic
    }
    assert characteristic == {("jungfrau", "gain", 0)}


def test_panels_are_made_of_whole_asics() -> None:
    for detector in DETECTOR_TYPES.values():
        assert choose_places(detector.panel_shape, detector.asic_shape) is not None


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<u8", "|i1"])
def test_any_bytes_have_a_pattern_or_none_without_a_warning(dtype: str) -> None:
    content = np.random.default_rng(4).bytes(512 * 1024 * np.dtype(dtype).itemsize)
    values = np.frombuffer(content, dtype).reshape(512, 1024)
    pattern = compute_pattern(values, ASIC)
    assert pattern is None or np.abs(pattern.samples.astype(int)).max() <= 127
