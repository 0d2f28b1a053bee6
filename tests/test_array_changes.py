"""The uniform part of a change, and what it leaves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec.structs import replace
from numpy.typing import NDArray

from registry.array_changes import measure_change
from registry.arrays import compare_pixels
from registry.cli.pixel_changes import print_pixel_differences
from registry.detectors import DetectorType, Kind
from registry.detectors.epix10ka import EPIX10KA
from registry.detectors.jungfrau import JUNGFRAU
from registry.records import ArrayChange, AsicChange
from testing.panels import make_panel_array
from tests.selection import examples

GAIN, OFFSET, PEDESTALS, RMS, STATUS = JUNGFRAU.kinds[:5]
NAN, INF = np.nan, np.inf


def make_map(rows: int = 20, columns: int = 40, seed: int = 0) -> NDArray[np.float32]:
    return (41.5 + np.random.default_rng(seed).standard_normal((rows, columns))).astype("<f4")


def test_a_gain_that_was_scaled_leaves_nothing() -> None:
    before = make_map()
    change = measure_change(before, (before * np.float32(1.03)), GAIN, (10, 10))
    assert (change.model, change.unit, change.compared) == ("scale", "ADU/keV", 800)
    assert change.scale == pytest.approx(1.03, rel=1e-6)
    assert change.percent == pytest.approx(3, rel=0.01)
    assert change.spread == pytest.approx(0, abs=1e-5)
    assert change.beyond == 0
    assert [(asic.row, asic.column) for asic in change.asics] == [(r, c) for r in range(2) for c in range(4)]
    assert all(asic.left_percent == pytest.approx(0, abs=1e-4) for asic in change.asics)


def test_a_negative_gain_that_grew_has_a_positive_percent() -> None:
    before = -make_map()
    change = measure_change(before, before * np.float32(1.1), GAIN, (10, 10))
    assert change.shift == pytest.approx(-4.15, rel=0.01)
    assert change.percent == pytest.approx(10, rel=0.01)
    assert change.scale == pytest.approx(1.1)
    assert change.spread_percent is not None
    assert change.spread_percent >= 0


@pytest.mark.parametrize("kind", [OFFSET, PEDESTALS])
def test_a_dark_level_that_was_shifted_leaves_nothing(kind: Kind) -> None:
    before = np.zeros((20, 40), "<f4")
    before[:, ::2] = 8
    change = measure_change(before, before + np.float32(3), kind, (10, 10))
    assert (change.model, change.scale, change.shift, change.spread) == ("shift", None, 3, 0)
    assert {asic.left for asic in change.asics} == {0}


def test_an_asic_that_changed_more_than_the_panel_is_seen_by_what_is_left() -> None:
    before = make_map()
    after = before * np.float32(1.03)
    after[10:, 20:30] *= np.float32(1.02)
    change = measure_change(before, after, GAIN, (10, 10))
    assert change.scale == pytest.approx(1.03, rel=1e-5)
    left = {(asic.row, asic.column): asic.left_percent for asic in change.asics}
    assert left.pop((1, 2)) == pytest.approx(2.06, rel=0.01)
    assert all(value == pytest.approx(0, abs=1e-3) for value in left.values())


def test_dead_pixels_do_not_move_the_medians_and_are_counted_apart() -> None:
    before, after = make_map(), make_map() * np.float32(1.5)
    before[0, :3], after[1, :2], after[2, 0], after[3, 0] = 0, 0, NAN, 700
    before[4, 4] = after[4, 4] = INF
    change = measure_change(before, after, GAIN, (10, 10))
    assert (change.only_before, change.only_after, change.compared) == (3, 3, 793)
    assert change.beyond == 1
    assert change.scale == pytest.approx(1.5, rel=1e-6)
    assert sum(asic.beyond or 0 for asic in change.asics) == 1
    # In an offset zero is a value like any other.
    assert measure_change(before, after, OFFSET, (10, 10)).only_after == 0


@pytest.mark.parametrize("kind", [GAIN, OFFSET, RMS])
def test_identical_arrays_have_no_change(kind: Kind) -> None:
    change = measure_change(make_map(), make_map(), kind, (10, 10))
    assert (change.shift, change.percent, change.spread, change.beyond) == (0, 0, 0, 0)
    assert change.scale in (None, 1)


def test_a_map_of_zeros_has_no_percent_and_a_dead_one_nothing() -> None:
    nothing, something = np.zeros((20, 40), "<f4"), make_map()
    shifted = measure_change(nothing, something, OFFSET, (10, 10))
    assert (shifted.median, shifted.percent, shifted.spread_percent) == (0, None, None)
    assert shifted.shift == pytest.approx(41.5, rel=0.01)
    noise = measure_change(nothing, something, RMS, (10, 10))
    assert (noise.scale, noise.compared) == (None, 800)
    dead = measure_change(nothing, something, GAIN, (10, 10))
    assert dead == ArrayChange(
        "scale",
        "ADU/keV",
        0,
        0,
        800,
        beyond=0,
        asics=tuple(AsicChange(r, c, 0, beyond=0) for r in range(2) for c in range(4)),
    )


def test_flags_are_counted_by_asic() -> None:
    before, after = np.zeros((20, 40), "<u8"), np.zeros((20, 40), "<u8")
    before[0, 0], before[15, 39], after[15, 39], after[0, 1:3] = 1, 2, 1 << 63, 4
    change = measure_change(before, after, STATUS, (10, 10))
    assert (change.model, change.flagged, change.cleared, change.altered) == ("flags", 2, 1, 1)
    assert (change.shift, change.percent, change.beyond) == (None, None, None)
    first, last = change.asics[0], change.asics[-1]
    assert (first.flagged, first.cleared, first.altered) == (2, 1, 0)
    assert (last.flagged, last.cleared, last.altered) == (0, 0, 1)


def test_flags_are_printed_as_counts(capsys: pytest.CaptureFixture[str]) -> None:
    before, after = np.zeros((4, 4), "<u8"), np.zeros((4, 4), "<u8")
    before[0, 0], after[3, 2:] = 1, 5
    change = measure_change(before, after, STATUS, (2, 2))
    print_pixel_differences([replace(compare_pixels(0, before, after), change=change)], asics=True)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[3] == ["0", "2", "1", "0"]
    assert lines[6:] == [["0", "0", "+0", "-1", "+0", "-0"], ["0", "1", "+0", "-0", "+2", "-0"]]


def test_a_percent_of_zero_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    before, after = np.zeros((4, 4), "<f4"), np.full((4, 4), 2, "<f4")
    changes = (measure_change(before, after, kind, (2, 2)) for kind in (RMS, OFFSET, GAIN))
    difference = compare_pixels(1, before, after)
    for change in changes:
        print_pixel_differences([replace(difference, change=change)], asics=True)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  1")]
    assert rows[1] == ["1", "+2", "-", "-", "0", "-", "0", "0"]
    assert rows[5] == ["1", "+2", "-", "0", "-", "0", "0"]
    assert rows[9] == ["1", "-", "-", "-", "-", "-", "0", "16"]
    assert rows[10] == ["1", "0", "-", "-", "-", "-"]


@pytest.mark.parametrize(("detector", "expected"), [(JUNGFRAU, (2, 4)), (EPIX10KA, (2, 2))])
def test_panels_are_made_of_whole_asics(detector: DetectorType, expected: tuple[int, int]) -> None:
    array = np.ones(detector.panel_shape, "<f4")
    asics = measure_change(array, array, detector.kinds[0], detector.asic_shape).asics
    assert (asics[-1].row + 1, asics[-1].column + 1) == expected
    assert sum(asic.compared for asic in asics) == array.size


values = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 41.5, 1e-45, float(np.float32(3.4e38)), -3.0e38, NAN, INF, -INF]
)
maps = arrays.arrays(np.float32, (4, 6), elements=values.map(np.float32))


@pytest.mark.slow
@given(before=maps, after=maps, kind=st.sampled_from([GAIN, OFFSET, RMS]))
@settings(max_examples=examples(80), deadline=None)
def test_every_number_of_a_change_can_be_written_as_json(
    before: NDArray[np.float32], after: NDArray[np.float32], kind: Kind
) -> None:
    change = measure_change(before, after, kind, (2, 3))
    numbers = [getattr(item, name) for item in (change, *change.asics) for name in item.__struct_fields__]
    assert all(math.isfinite(number) for number in numbers if isinstance(number, float))
    assert change.compared == sum(asic.compared for asic in change.asics)
    assert change.beyond == sum(asic.beyond or 0 for asic in change.asics)


def test_the_change_of_a_ramp_is_that_of_numpy() -> None:
    before, after = make_panel_array("gain", 0), make_panel_array("gain", 0, 9)
    after[:100] *= np.float32(1.25)
    change = measure_change(before, after, GAIN, JUNGFRAU.asic_shape)
    one, other = before.astype(float), after.astype(float)
    assert change.median == np.median(one)
    assert change.shift == np.median(other - one)
    assert change.scale == np.median(other / one)
