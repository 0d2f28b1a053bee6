"""Modules in two places at once: under two sources in one run, or in runs that go on at the same time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.api import Registry
from registry.lookup.overlaps import Interval, find_overlap, intersect_ranges
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from tests.cli import Calreg

pytestmark = pytest.mark.small_panels

XCS, OTHER, MFX = "XcsEndstation.0:Jungfrau.0", "XcsEndstation.0:Jungfrau.1", "MfxEndstation.0:Jungfrau.0"
DAY = "2018-02-01T"


def add_run(registry: Registry, dataset: str, begin: str, end: str | None = None) -> tuple[str, ...]:
    return registry.runs.add(
        dataset, begin=f"{DAY}{begin}:00Z", end=None if end is None else f"{DAY}{end}:00Z"
    ).warnings


@pytest.mark.slow
def test_a_panel_under_two_sources_in_one_run_is_warned_about(registry: Registry) -> None:
    configure = registry.detectors.configure
    assert configure("xcs1", XCS, f"{PANEL_A}_{PANEL_B}", first_run=1, last_run=20).warnings == ()
    assert configure("xcs1", OTHER, PANEL_C, first_run=1, last_run=20).warnings == ()
    assert configure("xcs1", OTHER, PANEL_A, first_run=21).warnings == ()
    for number, begin in ((7, "10:00"), (9, "11:00"), (20, "12:00")):
        add_run(registry, f"exp=xcs1:run={number}", begin)
    dry = configure("xcs1", MFX, f"{PANEL_C}_{PANEL_A}", first_run=8, last_run=12, dry_run=True)
    done = configure("xcs1", MFX, f"{PANEL_C}_{PANEL_A}", first_run=8, last_run=12)
    assert dry.warnings == done.warnings
    assert sorted(done.warnings) == [
        (
            f"panel {PANEL_A} is read out twice in one run, at {DAY}11:00:00Z:"
            f" by {MFX} in runs 8-12 of xcs1 and by {XCS} in runs 8-12 of xcs1"
        ),
        (
            f"panel {PANEL_C} is read out twice in one run, at {DAY}11:00:00Z:"
            f" by {MFX} in runs 8-12 of xcs1 and by {OTHER} in runs 8-12 of xcs1"
        ),
    ]
    # Whatever is recorded later in these runs says so again, for its runs alone.
    (one, two) = add_run(registry, "exp=xcs1:run=10", "11:30", "11:50")
    assert all(
        f"from {DAY}11:30:00Z to {DAY}11:50:00Z" in text and "run 10 of xcs1" in text for text in (one, two)
    )
    assert add_run(registry, "exp=xcs1:run=13", "13:00") == ()
    assert registry.runs.add("exp=xcs1:run=11").warnings == (), (
        "it has no time, and its configurations are known"
    )
    # Nothing is left of it once the configuration is withdrawn.
    registry.detectors.withdraw("xcs1", MFX, first_run=8, comment="not ours")
    assert add_run(registry, "exp=xcs1:run=12", "11:55") == ()


@pytest.mark.slow
def test_a_panel_in_runs_of_two_experiments_at_the_same_time_is_warned_about(registry: Registry) -> None:
    for experiment, source in (("xcs1", XCS), ("mfx2", MFX), ("cxi3", OTHER)):
        panels = f"{PANEL_B}_{PANEL_A}" if experiment != "cxi3" else PANEL_C
        assert registry.detectors.configure(experiment, source, panels, first_run=1).warnings == ()
    for number, (begin, end) in enumerate((("10:00", "10:30"), ("10:30", "11:00"), ("13:00", None)), 1):
        assert add_run(registry, f"exp=xcs1:run={number}", begin, end) == ()
        assert add_run(registry, f"exp=cxi3:run={number}", begin, end) == ()
    assert add_run(registry, "exp=mfx2:run=5", "11:00", "12:00") == (), "it begins when the other ends"
    assert add_run(registry, "exp=mfx2:run=6", "09:00", "10:00") == (), "it ends when the other begins"
    assert add_run(registry, "exp=mfx2:run=8", "10:10", "10:40") == (
        (
            f"2 panels ({PANEL_B}, {PANEL_A}) are read out twice at the same time, from {DAY}10:10:00Z to"
            f" {DAY}10:40:00Z: by {MFX} in run 8 of mfx2 and by {XCS} in runs 1-2 of xcs1"
        ),
    )
    (point,) = add_run(registry, "exp=mfx2:run=9", "13:00")
    assert f"at {DAY}13:00:00Z: " in point
    (point,) = add_run(registry, "exp=mfx2:run=10", "12:50", "13:10")
    assert f"at {DAY}13:00:00Z: " in point, "no end is known of the other"
    assert add_run(registry, "exp=mfx2:run=11", "13:10", "13:20") == ()
    (moved,) = registry.runs.add(
        "exp=xcs1:run=3", begin=f"{DAY}11:30:00Z", supersede=True, comment="the clock"
    ).warnings
    assert "in run 5 of mfx2" in moved
    configured = registry.detectors.configure("cxi3", MFX, PANEL_A, first_run=1).warnings
    assert [re.findall(r"(\S+) of (\w+)", text) for text in sorted(configured)] == [
        [("1-2", "cxi3"), ("1-2", "xcs1")],
        [("1-3", "cxi3"), ("8-10", "mfx2")],
    ]


@pytest.mark.slow
def test_the_panel_ids_of_one_module_are_one_module(registry: Registry) -> None:
    assert NEW_A.rpartition("-")[2] == PANEL_A.rpartition("-")[2]
    registry.detectors.configure("xcs1", XCS, PANEL_A, first_run=1)
    registry.detectors.configure("mfx2", MFX, NEW_A, first_run=1)
    registry.detectors.configure("cxi3", MFX, "1-1-0", first_run=1)
    registry.detectors.configure("cxi4", MFX, "2-1-0", first_run=1)
    add_run(registry, "exp=xcs1:run=1", "10:00", "11:00")
    (warning,) = add_run(registry, "exp=mfx2:run=1", "10:30", "12:00")
    assert warning == (
        f"1 module is read out twice at the same time, from {DAY}10:30:00Z to {DAY}11:00:00Z:"
        f" by {MFX} in run 1 of mfx2 as {NEW_A} and by {XCS} in run 1 of xcs1 as {PANEL_A}"
    )
    add_run(registry, "exp=cxi3:run=1", "10:00", "11:00")
    assert add_run(registry, "exp=cxi4:run=1", "10:00", "11:00") == (), "a serial number of 0 is not known"


@pytest.mark.slow
def test_a_run_that_shares_a_panel_is_exported_with_a_warning(
    registry: Registry, calreg: Calreg, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "maps", 1), valid_from="beginning")
    registry.detectors.configure("xcs1", XCS, PANEL_A, first_run=1)
    registry.detectors.configure("mfx2", MFX, PANEL_A, first_run=1)
    add_run(registry, "exp=xcs1:run=1", "10:00", "11:00")
    add_run(registry, "exp=xcs1:run=2", "11:00", "12:00")
    before = len(registry.log())
    add_run(registry, "exp=mfx2:run=1", "10:30", "10:50")
    exported = registry.export("exp=xcs1:run=1", tmp_path / "out")
    (warning,) = exported.warnings
    assert f"from {DAY}10:30:00Z to {DAY}10:50:00Z" in warning
    assert registry.export("exp=xcs1:run=2", tmp_path / "2").warnings == ()
    assert registry.export("exp=xcs1:run=1", tmp_path / "then", as_of=before).warnings == ()
    document = registry.constants("exp=xcs1:run=1").provenance
    assert document.warnings == (warning,)
    assert registry.detectors.show("exp=xcs1:run=1").warnings == (warning,)
    assert registry.detectors.show("exp=xcs1:run=2").warnings == ()
    assert f"warning: {warning}\n" in calreg.run("detector", "show", "exp=xcs1:run=1").stderr
    calreg.run("provenance", "verify", str(tmp_path / "out" / "provenance.json"))


def test_a_table_that_states_a_panel_twice_is_warned_about(registry: Registry, tmp_path: Path) -> None:
    table = tmp_path / "datasets.txt"
    table.write_text(
        f"exp=xcs1:run=5  1-9  {XCS}  {PANEL_A}_{PANEL_B}\n"
        f"exp=xcs1:run=8  8-end  {OTHER}  {PANEL_C}_{PANEL_A}\n"
        f"exp=xcs1:run=8  8-end  {MFX}  psana.Jungfrau.ConfigV1\n"
    )
    (warning,) = registry.runs.import_table(table).warnings
    assert warning == (
        f"panel {PANEL_A} is read out twice in one run: by {XCS} in runs 8-9 of xcs1 and by {OTHER} in runs 8-9 of xcs1"
    )


intervals = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=6,
).map(lambda pairs: [(begin, end, number) for number, (begin, end) in enumerate(pairs)])


@pytest.mark.slow
@given(intervals, intervals)
def test_runs_at_the_same_time_are_those_that_a_comparison_of_all_pairs_finds(
    runs: list[Interval], others: list[Interval]
) -> None:
    pairs = [
        (one, other, max(one[0], other[0]), min(one[1], other[1]))
        for one in runs
        for other in others
        if all(max(one[0], other[0]) in (begin, *range(begin, end)) for begin, end, _ in (one, other))
    ]
    overlap = find_overlap(runs, others)
    if not pairs:
        assert overlap is None
    else:
        assert overlap is not None
        assert set(overlap.runs) == {one[2] for one, _, _, _ in pairs}
        assert set(overlap.other_runs) == {other[2] for _, other, _, _ in pairs}
        assert overlap.begin == min(begin for _, _, begin, _ in pairs)
        assert overlap.end == max(max(begin, end) for _, _, begin, end in pairs)


ranges = st.lists(st.integers(1, 30), max_size=8, unique=True).map(
    lambda ends: [(a, b) for a, b in zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False)]
)


@pytest.mark.slow
@given(ranges, ranges)
def test_ranges_in_common_have_the_runs_in_common(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    def expand(listed: list[tuple[int, int]]) -> set[int]:
        return {run for first, last in listed for run in range(first, last + 1)}

    assert expand(intersect_ranges(one, other)) == expand(one) & expand(other)
