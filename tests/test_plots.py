"""Pictures from records and arrays, without a registry."""

import dataclasses
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from msgspec.structs import replace as replace_struct

from registry.api.comparison import compare_arrays
from registry.array_changes import subtract_uniform
from registry.arrays import compare_pixels
from registry.detectors.epix10ka import EPIX10KA
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import ConflictError, Remedy, RequestError, UnavailableError
from registry.instants import BEGINNING, Instant, parse_instant
from registry.plots import (
    arrangement,
    constants,
    details,
    detector,
    differences,
    files,
    page,
    pixels,
    time_axis,
    trend,
    validity,
)
from registry.plots.maps import CROSS, RING
from registry.provenance.document import InputConstants, InputPanel, RevisionReference
from registry.records import Panel, Version
from testing.panels import make_panel_array
from tests.legibility import assert_legible
from tests.refusals import assert_refused
from tests.selection import examples, keep_first, keep_first_rows

DAY = 86_400 * 1_000_000
START = parse_instant("2017-01-01T00:00:00Z")
GAIN, OFFSET, STATUS = (JUNGFRAU.find_kind(name) for name in ("gain", "offset", "status"))
NAMES = {"jungfrau": "170505-149520170815-3d{:04x}", "epix10ka": "-".join(["1234567890"] * 6 + ["{:010d}"])}


# --- what is counted and drawn


def test_dead_and_odd_pixels_are_counted_on_all_pixels_and_marked_where_they_are() -> None:
    array = make_panel_array("gain", 0)
    array[0, 0] = 0
    array[100, 700] = np.nan
    array[511, 1023] = 60
    array[511, 1022] = 61
    panel_map = pixels.build_panel_map(array, GAIN, 4, 8)
    assert (panel_map.dead.count, panel_map.odd.count) == (2, 2)
    assert (panel_map.dead.rows.tolist(), panel_map.dead.columns.tolist()) == ([0, 100], [0, 700])
    assert (panel_map.odd.rows.tolist(), panel_map.odd.columns.tolist()) == ([511], [1022])
    assert panel_map.values.shape == (128, 256)
    assert np.isfinite(panel_map.values).all()


def test_a_zero_is_dead_in_a_gain_and_a_value_in_an_offset() -> None:
    array = np.zeros((8, 8), np.float32)
    array[0] = 1
    assert pixels.build_panel_map(array, GAIN, 1, 1).dead.count == 56
    assert pixels.build_panel_map(array, OFFSET, 1, 1).dead.count == 0


def test_flags_are_drawn_as_flagged_or_not() -> None:
    array = np.zeros((8, 8), np.uint64)
    array[3, 5] = 1 << 40
    panel_map = pixels.build_panel_map(array, STATUS, 4, 1)
    assert panel_map.values.tolist() == [[0, 1], [0, 0]]
    assert (panel_map.dead.count, panel_map.odd.count) == (0, 1)


def test_an_array_without_a_live_pixel_has_nothing_to_draw() -> None:
    panel_map = pixels.build_panel_map(np.zeros((4, 6), np.float32), GAIN, 2, 1)
    assert np.isnan(panel_map.values).all()
    assert (panel_map.dead.count, panel_map.odd.count) == (24, 0)
    assert pixels.find_colour_limits([panel_map.values]) is None


def test_the_largest_float32_values_overflow_nothing() -> None:
    array = np.array([[3e38, -3e38, 1, 2], [3, 4, 5, 6]], np.float32)
    panel_map = pixels.build_panel_map(array, OFFSET, 2, 1)
    assert np.isfinite(panel_map.values).all()
    change = pixels.build_pixel_change(array, -array, OFFSET, 2, 1, relative=True)
    assert change.counts.sum() + change.outside == 8


@settings(max_examples=examples(30))
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.randoms(use_true_random=False))
def test_medians_of_blocks_are_numpys_without_missing_values(
    rows: int, columns: int, block: int, rng: Any
) -> None:
    values = np.array(
        [[rng.choice([math.nan, 1.0, 2.0, 5.0, -3.0]) for _ in range(columns)] for _ in range(rows)]
    )
    medians = pixels.compute_block_medians(values, block)
    for row in range(medians.shape[0]):
        for column in range(medians.shape[1]):
            square = values[row * block : (row + 1) * block, column * block : (column + 1) * block]
            finite = square[~np.isnan(square)]
            expected = float(np.median(finite)) if finite.size else math.nan
            assert medians[row, column] == pytest.approx(expected, nan_ok=True)


def test_no_outlier_moves_the_limits_of_the_colours() -> None:
    drawn = np.linspace(1, 2, 10_000).reshape(100, 100)
    expected = pixels.find_colour_limits([drawn])
    drawn[:20, :20], drawn[0, 1] = 1e9, np.nan
    assert pixels.find_colour_limits([drawn]) == pytest.approx(expected, rel=0.1)
    low, high = pixels.find_colour_limits([np.full((4, 4), 41.5)]) or (0, 0)
    assert low < 41.5 < high


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([40.8, 41.6, 42.4], ["40.8", "41.6", "42.4"]),
        ([-1.425, -1.4, -1.375], ["-1.425", "-1.4", "-1.375"]),
        ([-0.1, 1e-20, 0.1], ["-0.1", "0", "0.1"]),
        ([100000.1, 100000.2], ["100000.1", "100000.2"]),
        ([], []),
    ],
)
def test_numbers_have_as_many_digits_as_tell_them_apart(values: list[float], expected: list[str]) -> None:
    assert page.format_numbers(values) == expected


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(st.text(alphabet="ab -_", max_size=60), st.floats(0.3, 4))
def test_folded_lines_fit_and_lose_nothing(text: str, width: float) -> None:
    lines = page.wrap_text(text, width, 7.0, " -_")
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    room = max(int(width * 72 / (7.0 * 0.62)), 1)
    assert all(len(line) <= room for line in lines)


# --- the pictures


def subject_of_constants(
    panels: int, kinds: tuple[Any, ...] = (GAIN,), detector: Any = JUNGFRAU
) -> constants.Subject:
    def build_input(kind: str, number: int) -> InputConstants:
        end = "2018-10-25T07:00:00.123456Z" if number % 2 else None
        stamp = RevisionReference(1, "", "", None)
        return InputConstants(kind, 1000 + number, None, end, "a" * 64, stamp, None, None, None, False, ())

    return constants.Subject(
        title="Constants of exp=xcsls3716:run=631, XcsEndstation.0:Jungfrau.0",
        subtitle="valid at 2018-02-10T08:15:00Z (begin of the run), as of revision 3",
        detector=detector,
        kinds=kinds,
        gain_ranges=tuple(range(detector.gain_ranges)),
        panels=tuple(
            InputPanel(
                number,
                NAMES[detector.name].format(number),
                f"M{number:03d}" if number % 2 else None,
                tuple(build_input(kind.name, number) for kind in kinds),
            )
            for number in range(panels)
        ),
    )


def maps_of(
    subject: constants.Subject, scale: detector.Scale | None = None
) -> tuple[constants.PanelMaps, int]:
    block_size, spacing = constants.choose_block_size(subject.detector, len(subject.panels))
    if scale is not None:
        block_size, spacing = scale.block_size, scale.mark_spacing
    array = np.linspace(-42, 42, math.prod(subject.detector.panel_shape), dtype=np.float32)
    array[::2000] = 0
    array[7] = 1e4
    one = pixels.build_panel_map(
        array.reshape(subject.detector.panel_shape), subject.kinds[0], block_size, spacing
    )
    keys = (
        (kind.name, gain_range, panel.position)
        for kind in subject.kinds
        for gain_range in subject.gain_ranges
        for panel in subject.panels
    )
    return dict.fromkeys(keys, one), block_size


@pytest.mark.slow
@pytest.mark.parametrize("panels", keep_first([1, 32, 2, 8], 2))
def test_constants_of_any_detector_are_legible(panels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of_constants(panels)
    if panels > 2:
        subject = dataclasses.replace(subject, gain_ranges=(1,))
    written = assert_legible(constants.draw(subject, *maps_of(subject)), monkeypatch)
    assert f"gain range {subject.gain_ranges[-1]}" in written
    assert "gain, ADU/keV" in written
    assert f"263 dead {CROSS}, 1 odd {RING}" in written
    if panels > 1:
        assert {panel.panel for panel in subject.panels} <= set(written)
        assert "1  M001  version 1001" in written
        assert "until 2018-10-25T07:00:00.123456Z" in written


def draw_detector(
    subject: constants.Subject, places: arrangement.Arrangement | None = None
) -> tuple[Figure, arrangement.Arrangement]:
    """Draw all panels on one map, each with 263 dead pixels and one odd one."""
    places = places or arrangement.arrange_in_grid(len(subject.panels), subject.detector.panel_shape)
    scale = detector.choose_scale(places, subject.detector.panel_shape[1])
    maps, _ = maps_of(subject, scale)
    return detector.draw(subject, maps, places, scale.block_size), places


@pytest.mark.slow
@pytest.mark.parametrize(
    ("panels", "kinds"),
    keep_first_rows([(32, (GAIN, OFFSET, STATUS)), (2, (GAIN, OFFSET)), (7, (GAIN,))], 2),
)
def test_a_whole_detector_is_one_map_of_each_kind_with_a_table(
    panels: int, kinds: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = dataclasses.replace(subject_of_constants(panels, kinds), gain_ranges=(1,))
    figure, _ = draw_detector(subject)
    assert sum(len(axes.images) for axes in figure.axes) == len(kinds)
    written = assert_legible(figure, monkeypatch)
    assert "gain (ADU/keV), gain range 1" in written
    assert {panel.panel for panel in subject.panels} <= set(written)
    assert {f"{number} M{number:03d}" for number in range(1, panels, 2)} <= set(written)
    assert written.count("263") == panels * sum(kind is not STATUS for kind in kinds)
    assert written.count("1001") == len(kinds)


@pytest.mark.slow
def test_a_table_of_the_longest_ids_and_many_gain_ranges_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of_constants(4, EPIX10KA.kinds[:2], EPIX10KA)
    written = assert_legible(draw_detector(subject)[0], monkeypatch)
    assert subject.panels[1].panel in written
    assert f"dead {CROSS} 6" in written
    assert written.count("segment") == 2  # a table for each kind


@pytest.mark.slow
def test_a_detector_in_its_geometry_leaves_the_places_of_absent_segments_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = subject_of_constants(2)
    grid = arrangement.arrange_in_grid(3, JUNGFRAU.panel_shape)
    places = arrangement.Arrangement(
        grid.panels[:2], "Places: x.data", ((2, grid.panels[2]),), axes=("y", "x"), points_down=True
    )
    figure, _ = draw_detector(dataclasses.replace(subject, gain_ranges=(0,)), places)
    written = assert_legible(figure, monkeypatch)
    assert {"2 absent", "y, mm", "x, mm", "Absent, their places left empty: 1 segment, 2."} <= set(written)
    (axes,) = [axes for axes in figure.axes if axes.images]
    assert axes.yaxis_inverted()


def test_the_details_of_a_panel_are_medians_of_asics_and_counts_of_all_values() -> None:
    array = np.ones(JUNGFRAU.panel_shape, np.float32)
    array[256:, 768:] = 3
    array[0, 0], array[0, 1] = 0, 1000
    detail = details.build_detail(array, GAIN, JUNGFRAU.asic_grid)
    assert detail.asics is not None
    assert detail.asics.tolist() == [[1, 1, 1, 1], [1, 1, 1, 3]]
    assert (detail.median, detail.outside, int(detail.counts.sum())) == (1, 1, array.size - 2)
    flags = details.build_detail((array == 3).astype(np.uint64), STATUS, JUNGFRAU.asic_grid)
    assert flags.asics is not None
    assert flags.asics.tolist() == [[0, 0, 0, 0], [0, 0, 0, 65536]]
    dead = details.build_detail(np.zeros((4, 6), np.float32), GAIN, None)
    assert (dead.asics, dead.median, dead.outside) == (None, None, 0)


@pytest.mark.slow
@pytest.mark.parametrize("asic_grid", [(2, 4), None])
def test_details_stand_beside_the_map_of_one_panel(
    asic_grid: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = dataclasses.replace(subject_of_constants(1, (GAIN, STATUS)), gain_ranges=(0, 2))
    array = make_panel_array("gain", 0)
    arrays = {
        ("gain", 0): array, ("gain", 2): np.zeros_like(array),
        ("status", 0): np.eye(*array.shape, dtype=np.uint64), ("status", 2): np.zeros(array.shape, np.uint64),
    }  # fmt: skip
    block_size, spacing = constants.choose_block_size(JUNGFRAU, 1)
    kinds = {"gain": GAIN, "status": STATUS}
    maps = {
        (name, gain_range, 0): pixels.build_panel_map(values, kinds[name], block_size, spacing)
        for (name, gain_range), values in arrays.items()
    }
    built = {key: details.build_detail(values, kinds[key[0]], asic_grid) for key, values in arrays.items()}
    written = assert_legible(constants.draw(subject, maps, block_size, built), monkeypatch)
    assert "no value" in written
    assert "pixels" in written
    assert ("flagged pixels, of the 2 x 4 ASICs as they lie" in written) == (asic_grid is not None)


@pytest.mark.slow
def test_the_longest_panel_ids_and_more_gain_ranges_than_stand_side_by_side_have_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = dataclasses.replace(
        subject_of_constants(2, (EPIX10KA.kinds[0],), EPIX10KA), gain_ranges=(0, 2, 3, 4, 6)
    )
    written = assert_legible(constants.draw(subject, *maps_of(subject)), monkeypatch)
    assert subject.panels[1].panel in "".join(written)


@pytest.mark.slow
def test_flags_and_a_panel_without_any_value_are_legible(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = dataclasses.replace(subject_of_constants(1, (GAIN, STATUS)), gain_ranges=(0,))
    block_size, spacing = constants.choose_block_size(JUNGFRAU, 1)
    nothing, flags = np.zeros((512, 1024), np.float32), np.eye(512, 1024, dtype=np.uint64)
    maps = {
        ("gain", 0, 0): pixels.build_panel_map(nothing, GAIN, block_size, spacing),
        ("status", 0, 0): pixels.build_panel_map(flags, STATUS, block_size, spacing),
    }
    written = assert_legible(constants.draw(subject, maps, block_size), monkeypatch)
    assert {f"524288 dead {CROSS}, 0 odd {RING}", f"512 flagged {RING}"} <= set(written)
    assert "status (flags): version 1000, from beginning, still valid" in written
    assert not {"gain, ADU/keV", "status, 1"} & set(written)


@pytest.mark.slow
def test_every_gain_range_has_its_own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of_constants(1)
    block_size, spacing = constants.choose_block_size(JUNGFRAU, 1)
    maps = {
        ("gain", gain_range, 0): pixels.build_panel_map(
            make_panel_array("gain", gain_range), GAIN, block_size, spacing
        )
        for gain_range in range(3)
    }
    figure = constants.draw(subject, maps, block_size)
    assert_legible(figure, monkeypatch)
    limits = [axes.images[0].get_clim() for axes in figure.axes if axes.images]
    assert [
        low < typical < high for (low, high), typical in zip(limits, (41.5, -1.39, -0.11), strict=True)
    ] == [True] * 3


@pytest.mark.slow
@pytest.mark.parametrize("relative", [False, True])
def test_a_difference_is_centred_on_zero_and_counts_what_changed(
    relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = make_panel_array("gain", 1), make_panel_array("gain", 1)
    after[:200] *= 1.5
    after[300, 300], after[400, 400] = 0, -9
    block_size, spacing = differences.choose_block_size(JUNGFRAU)
    changes = tuple(
        (
            compare_pixels(number, before, new),
            pixels.build_pixel_change(before, new, GAIN, block_size, spacing, relative=relative),
        )
        for number, new in enumerate((after, before))
    )
    unit = "% of version 1" if relative else "ADU/keV"
    subject = differences.Subject(
        "gain: version 3 against version 1", ("as of revision 5",), unit, JUNGFRAU, changes
    )
    figure = differences.draw(subject)
    written = assert_legible(figure, monkeypatch)
    counted = f"204802 pixels differ (39.1 %): 1 oddly {RING}, 1 dead in one only {CROSS}"
    assert counted in written
    assert "no pixel differs" in written
    for axes in figure.axes:
        for image in axes.images:
            low, high = image.get_clim()
            assert low == -high < 0
    (change,) = [item for _, item in changes[:1]]
    assert pixels.find_change_limit(change) == pytest.approx(50 if relative else 0.69, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("kind", [GAIN, OFFSET])
def test_a_difference_without_its_uniform_part_says_so_and_shows_which_asic_has_the_rest(
    relative: bool, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_panel_array("gain", 0)
    is_scale = kind is GAIN
    after = before * np.float32(1.03) if is_scale else before + np.float32(2)
    after[256:, 512:768] *= np.float32(1.02)
    after += np.random.default_rng(1).normal(0, 0.3, after.shape).astype(np.float32)
    after[0, 0], after[1, 1], before[2, 2], after[3, 3] = np.nan, 0, np.inf, 80
    difference = compare_arrays(0, before, after, JUNGFRAU, kind)
    block_size, spacing = differences.choose_block_size(JUNGFRAU)
    without = subtract_uniform(before, after, kind, difference.change)
    change = pixels.build_pixel_change(before, without, kind, block_size, spacing, relative=relative)
    # In a gain a zero is dead too.
    assert (change.map.dead.count, change.map.odd.count) == ((3, 1) if is_scale else (2, 2))
    assert abs(float(np.nanmedian(change.map.values))) < 0.1
    subject = differences.Subject(
        "title",
        (),
        "% of version 1" if relative else kind.unit,
        JUNGFRAU,
        ((difference, change),),
        relative,
        True,
    )
    written = assert_legible(differences.draw(subject), monkeypatch)
    uniform = r"beyond the scale 1\.03\d*" if is_scale else r"beyond the shift \+2\.\d* ADU"
    for start in ("", "change, "):
        assert any(re.fullmatch(f"{start}{re.escape(subject.unit)}, {uniform}", text) for text in written)
    asics = [text for text in written if re.fullmatch(r"[+-]\d\.\d{2,}", text)]
    assert len(asics) == 8
    assert len([text for text in asics if float(text) > 0.5]) == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, -0.00056, None], ["+2.00", "0", "-"]),
        ([123.4, -7.0], ["+123", "-7"]),
        ([2.1e-5, -3e-6, 0.0], ["+2.1e-05", "-3e-06", "0"]),
        ([0.0, 0.0], ["0", "0"]),
        ([3e38], ["+3e+38"]),
        ([None], ["-"]),
        ([], []),
    ],
)
def test_changes_of_asics_are_short(values: list[float | None], expected: list[str]) -> None:
    assert differences.format_changes(values) == expected


def versions(
    panel: str, kind: str, count: int, *, since: int = 0, step: float = 30.0, gap: int | None = None
) -> list[Version]:
    starts = [
        BEGINNING if since < 0 and not index else Instant(START + int((since + index * step) * DAY))
        for index in range(count)
    ]
    return [
        Version(
            100 * count + index, panel, "M068", kind, start, starts[index + 1] if index + 1 < count else None,
            None if index == gap else "a" * 64, 1, None, None, None, None, False,
        )
        for index, start in enumerate(starts)
    ]  # fmt: skip


def panels_of(count: int, detector: str = "jungfrau") -> tuple[Panel, ...]:
    return tuple(
        Panel(NAMES[detector].format(number), f"M{number:03d}" if number % 3 else None, detector, 1)
        for number in range(count)
    )


def subject_of_validity(panels: int, count: int, detector: str = "jungfrau") -> validity.Subject:
    known = panels_of(panels, detector)
    ranges = [
        version
        for kind in ("gain", "offset")
        for index, panel in enumerate(known)
        for version in versions(
            panel.panel, kind, count, since=-(index % 2), gap=3 if index % 2 else count - 1
        )
    ]
    starts = [Instant(START + day * DAY) for day in range(0, 90, 3)]
    return validity.Subject(
        title="What is valid when: exp=xcsls3716:run=631, XcsEndstation.0:Jungfrau.0",
        subtitle="as of revision 12",
        panels=known,
        versions=tuple(ranges),
        runs=(validity.RunStrip("runs of all panels (30)", starts), validity.RunStrip("others", starts[:2])),
        run=("exp=xcsls3716:run=631", Instant(START + 20 * DAY)),
        segments=tuple(range(panels)),
        reference=("revision 12, 2017-01-21", Instant(START + 20 * DAY)),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("panels", "count", "detector"),
    [(1, 1, "jungfrau"), (1, 300, "jungfrau"), (2, 5, "epix10ka"), (8, 3, "jungfrau"), (2, 0, "jungfrau")],
)
def test_validity_of_any_length_is_legible(
    panels: int, count: int, detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = assert_legible(validity.draw(subject_of_validity(panels, count, detector)), monkeypatch)
    assert {"exp=xcsls3716:run=631", "revision 12, 2017-01-21"} <= set(written)
    assert written.count("runs of all panels (30)") == 1
    assert ("no version" in written) == (count == 0)
    assert written.count("gain") == (panels if count else 0)


@pytest.mark.slow
def test_a_detector_of_32_panels_has_a_row_for_each_and_one_strip_of_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = subject_of_validity(32, 3)
    figure = validity.draw(subject)
    written = assert_legible(figure, monkeypatch)
    assert {panel.panel for panel in subject.panels} <= set(written)
    assert {"M001", "M031", "0", "31"} <= set(written)
    assert written.count("runs of all panels (30)") == 1
    assert (written.count("gain"), written.count("offset")) == (1, 1)  # the key, not each row
    assert figure.get_figheight() < 14


def count_drawn(figure: Figure) -> int:
    return sum(len(item.get_paths()) for axes in figure.axes for item in axes.collections) + sum(
        len(axes.texts) + len(axes.lines) for axes in figure.axes
    )


@pytest.mark.slow
def test_very_many_versions_and_runs_are_drawn_as_far_as_they_can_be_told_apart() -> None:
    (panel,) = panels_of(1)
    ranges = versions(panel.panel, "gain", 5000, step=0.01, gap=2000)
    starts = [Instant(START + second * 1000 * 1_000_000) for second in range(10_000)]
    subject = validity.Subject(
        "t", "s", (panel,), tuple(ranges), (validity.RunStrip("runs (10000)", starts),)
    )
    figure = validity.draw(subject)
    assert count_drawn(figure) < 2500
    # The gap is seen, although it is narrower than a dot.
    hatched = [item for item in figure.axes[0].collections if item.get_hatch()]
    (path,) = [path for item in hatched for path in item.get_paths()]
    low, high = figure.axes[0].get_xlim()
    assert np.ptp(np.asarray(path.vertices)[:, 0]) > (high - low) / 1000


@pytest.mark.slow
def test_the_line_of_the_present_stands_behind_a_cut_if_it_is_far_from_what_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (panel,) = panels_of(1)
    ranges = tuple(versions(panel.panel, "gain", 4))
    for days, is_cut in ((100, False), (4000, True), (-200, False)):
        subject = validity.Subject("t", "s", (panel,), ranges, reference=("now", Instant(START + days * DAY)))
        figure = validity.draw(subject)
        assert "now" in assert_legible(figure, monkeypatch)
        axis = time_axis.build_time_axis(
            [version.valid_from for version in ranges], Instant(START + days * DAY)
        )
        assert (axis.cut is not None) == is_cut
        assert axis.first < axis.position(Instant(START + days * DAY)) < axis.last
        ticks = figure.axes[0].get_xticks()
        assert all(tick <= (axis.cut or axis.last) for tick in ticks)


@pytest.mark.slow
def test_open_ends_and_gaps_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    (panel,) = panels_of(1)
    ranges = versions(panel.panel, "gain", 4, since=-1, gap=3)
    subject = validity.Subject("t", "s", (panel,), tuple(ranges))
    figure = validity.draw(subject)
    assert_legible(figure, monkeypatch)
    arrows = {line.get_marker(): line.get_markerfacecolor() for line in figure.axes[0].lines}
    assert (arrows["<"], arrows[">"]) == ("#000000", "white")
    hatched = [item for item in figure.axes[0].collections if item.get_hatch()]
    assert sum(len(item.get_paths()) for item in hatched) == 1


def subject_of_trend(panels: int, count: int, *, in_units: bool = False) -> trend.Subject:
    known = panels_of(panels)
    ranges = [
        version
        for index, panel in enumerate(known)
        for kind in ("gain", "offset")
        for version in versions(panel.panel, kind, count, since=5 * index - 1, gap=2 - index)
    ]
    ranges = [replace_struct(version, version=number) for number, version in enumerate(ranges, 1)]
    levels: dict[int, Sequence[float | None]] = {
        version.version: (40 + version.version % 2, None, -0.11 * (1 + version.version / 1e3))
        for version in ranges
        if version.constants
    }
    bands: dict[int, Sequence[tuple[float, ...] | None]] = {
        number: tuple(item and (item - 1, item, item + 1) for item in values)
        for number, values in levels.items()
    }
    return trend.Subject(
        "History of M068", "as of revision 7", JUNGFRAU, (GAIN, OFFSET), known, tuple(ranges), levels, bands,
        ("No bands of spread: more than 1000 files.",), in_units,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("panels", "count"), [(2, 1), (2, 100), (5, 3)])
def test_a_trend_shows_changes_since_the_first_version_in_percent_and_states_its_median(
    panels: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of_trend(panels, count)
    written = assert_legible(trend.draw(subject), monkeypatch)
    # Usual offsets lie on both sides of zero.
    assert {
        "gain: change since the first version (%)",
        "offset: change since the first version (ADU)",
    } <= set(written)
    assert {"gain range 1", "%", "ADU", f"{subject.panels[1].panel}  M001"} <= set(written)
    first = [text for text in written if text.startswith("gain range 0, first: ")]
    assert len(first) == 2
    assert first[0].endswith(" ADU/keV")
    assert first[0].count(",") == panels


@pytest.mark.slow
def test_a_trend_in_units_shows_the_medians_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = trend.draw(subject_of_trend(2, 3, in_units=True))
    written = assert_legible(figure, monkeypatch)
    assert {"gain (ADU/keV)", "offset (ADU)", "gain range 0"} <= set(written)
    assert "%" not in written
    low, high = figure.axes[1].get_ylim()
    assert low < 40
    assert high > 41


@pytest.mark.slow
@pytest.mark.parametrize("in_units", [False, True])
def test_a_trend_of_many_panels_names_those_furthest_from_the_others(
    in_units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of_trend(32, 3, in_units=in_units)
    odd = next(
        item for item in subject.versions if item.panel == subject.panels[7].panel and item.kind == "gain"
    )
    later = [item for item in subject.versions if item.panel == odd.panel and item.kind == "gain"][-1]
    medians = {**subject.medians, later.version: (60.0, None, -0.3)}
    figure = trend.draw(dataclasses.replace(subject, medians=medians))
    written = assert_legible(figure, monkeypatch)
    assert written.count("M007") == 2  # in two gain ranges of gain
    assert figure.get_figheight() < 12
    assert "M068" not in {panel.alias for panel in subject.panels} & set(written)


def test_a_history_without_any_median_or_with_a_first_of_zero_is_drawn() -> None:
    subject = subject_of_trend(1, 3)
    nothing = dataclasses.replace(subject, medians={}, spreads={})
    zero = dataclasses.replace(subject, medians=dict.fromkeys(subject.medians, (0.0, None, 0.0)), spreads={})
    many = dataclasses.replace(subject_of_trend(7, 1), medians={}, spreads={})
    for drawn in (nothing, zero, many):
        assert trend.draw(drawn).axes


def test_a_history_without_changes_has_round_numbers_beside_its_diagrams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = subject_of_trend(7, 1)
    flat = dataclasses.replace(
        subject, medians=dict.fromkeys(subject.medians, (41.5, -1.39, -0.11)), spreads={}
    )
    figure = trend.draw(flat)
    assert_legible(figure, monkeypatch)
    for axes in figure.axes:
        assert [text.get_text() for text in axes.get_yticklabels()] == ["-0.1", "-0.05", "0", "0.05", "0.1"]


def test_a_history_in_percent_says_where_there_is_no_percentage_and_draws_no_line_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = dataclasses.replace(subject_of_trend(1, 3), in_percent=True, kinds=(OFFSET,), spreads={})
    medians = {number: (40.0 + number, 0.0, -0.11) for number in subject.medians}
    figure = trend.draw(dataclasses.replace(subject, medians=medians))
    written = assert_legible(figure, monkeypatch)
    assert {"offset: change since the first version (%)", "%"} <= set(written)
    assert "gain range 1, first: 0 ADU; of 0 there is no percentage" in written
    assert not any("both sides of zero" in text for text in written)
    *_, first, second, third = figure.axes
    assert [len(axes.get_yticks()) > 0 for axes in (first, second, third)] == [True, False, True]


def test_a_history_of_flags_names_them_as_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = dataclasses.replace(subject_of_trend(1, 1), kinds=(STATUS,), spreads={})
    ranges = tuple(replace_struct(version, kind="status") for version in subject.versions[:1])
    zero = dict.fromkeys([ranges[0].version], (0.0, 0.0, 0.0))
    figure = trend.draw(dataclasses.replace(subject, versions=ranges, medians=zero))
    written = assert_legible(figure, monkeypatch)
    assert {"status: change since the first version (flags)", "gain range 0, first: 0 flags"} <= set(written)


def test_the_longest_panel_id_fits_into_the_title(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = dataclasses.replace(
        subject_of_trend(1, 1), title=f"History of {EPIX10KA.panel_id_format.example}"
    )
    assert_legible(trend.draw(subject), monkeypatch)


@pytest.mark.parametrize(
    ("kind", "gain_range", "expected"), [(GAIN, 2, True), (OFFSET, 1, False), (STATUS, 0, False)]
)
def test_percent_mean_something_where_usual_values_have_one_sign(
    kind: Any, gain_range: int, expected: bool
) -> None:
    assert trend.has_percent(kind, gain_range) is expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("2017-10-25T07:00:00Z", "2017-10-25T07:00:00.000001Z"),
        ("2017-10-25T07:00:00Z", "2017-10-25T07:00:05Z"),
        ("2017-10-25T07:00:00Z", "2017-10-25T19:00:00Z"),
    ],
)
def test_a_span_of_any_length_can_be_drawn(first: str, last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (panel,) = panels_of(1)
    start, end = parse_instant(first), parse_instant(last)
    one, other = versions(panel.panel, "gain", 2)
    ranges = replace_struct(one, valid_from=start, valid_to=end), replace_struct(other, valid_from=end)
    assert_legible(validity.draw(validity.Subject("t", "s", (panel,), ranges)), monkeypatch)


@settings(max_examples=examples(25))
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
    st.sampled_from([1, 10**3, 10**6, DAY, 400 * DAY]),
)
def test_every_start_has_room_on_the_axis_of_time(steps: list[int], unit: int) -> None:
    instants = [Instant(START + step * unit // 10**3) for step in steps]
    axis = time_axis.build_time_axis(instants)
    assert axis.first < axis.position(min(instants)) <= axis.position(max(instants)) < axis.last
    assert axis.clip(BEGINNING, None) == (axis.first, axis.last)


# --- their files


def figure_of() -> Figure:
    subject = dataclasses.replace(subject_of_constants(1), gain_ranges=(0,))
    return constants.draw(subject, *maps_of(subject))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_picture_is_the_same_file_whatever_the_users_settings(suffix: str, tmp_path: Path) -> None:
    files.check_picture_file(tmp_path / f"1.{suffix}", force=False).write(figure_of)
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": None, "axes.grid": True}):
        files.check_picture_file(tmp_path / f"2.{suffix}", force=False).write(figure_of)
        assert mpl.rcParams["font.size"] == 30
    first, second = ((tmp_path / f"{number}.{suffix}").read_bytes() for number in (1, 2))
    assert first == second
    assert not [
        word for word in (mpl.__version__.encode(), b"date>", b"CreationDate", b"Matplotlib") if word in first
    ]
    for word in (b"XcsEndstation.0:Jungfrau.0", b"as of revision 3"):  # in the metadata
        assert word in first
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"1.{suffix}", f"2.{suffix}"]


@pytest.mark.slow
def test_a_pdf_has_its_letters_as_fonts_that_can_be_searched(tmp_path: Path) -> None:
    files.check_picture_file(tmp_path / "1.pdf", force=False).write(figure_of)
    content = (tmp_path / "1.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/CIDFontType2" in content  # Type 42
    assert b"/Type3" not in content
    assert len(content) < 200_000


def test_a_name_in_mathematical_signs_is_written_as_it_is(tmp_path: Path) -> None:
    def draw() -> Figure:
        figure = Figure()
        figure.text(0, 0, "$\\frac{1}")
        return figure

    files.check_picture_file(tmp_path / "a.svg", force=False).write(draw)


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail() -> Figure:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        files.check_picture_file(path, force=True).write(fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_vanished_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    file = files.check_picture_file(folder / "a.svg", force=False)
    folder.rmdir()
    with assert_refused(UnavailableError):
        file.write(Figure)


def test_a_place_for_a_picture_is_refused_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "b.svg").mkdir()
    for name, error_class, remedy in (
        ("x.gif", RequestError, None),
        ("x", RequestError, None),
        ("x.pdf.gz", RequestError, None),
        ("a.png", ConflictError, Remedy.REPLACE_FILES),
        ("b.svg", ConflictError, None),
        ("none/x.png", UnavailableError, None),
    ):
        with assert_refused(error_class, remedy=remedy, path=str(tmp_path / name)):
            files.check_picture_file(tmp_path / name, force=False)
    assert files.check_picture_file(tmp_path / "a.png", force=True).format == "png"
    assert files.check_picture_file(tmp_path / "A.PNG", force=False).format == "png"
    for module in ("matplotlib", "matplotlib.figure"):  # as where it is not installed
        monkeypatch.setitem(sys.modules, module, None)
    with assert_refused(UnavailableError, "calreg[plots]"):
        files.check_picture_file(tmp_path / "x.png", force=False)
