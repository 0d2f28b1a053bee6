"""Differences between two versions, and of a detector between two revisions, compared with numpy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec.structs import replace
from numpy.typing import NDArray

from registry.api import Registry
from registry.arrays import compare_pixels
from registry.errors import CorruptionError, InstantError, RequestError
from registry.records import PanelDifference, PixelDifference
from testing.panels import PANEL_A, PANEL_B, PANEL_C, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.selection import examples

pytestmark = pytest.mark.sqlite_suffices

PIXELS = 512 * 1024
SOURCE = "XcsEndstation.0:Jungfrau.0"
RUN = "exp=xcs1:run=5"
BEGIN = "2020-01-01T00:00:00Z"
FIRST, LATER = "2019-01-01T00:00:00Z", "2019-07-01T00:00:00Z"
NAN, INF = np.nan, np.inf

# (row, column) -> value in the map before, and in the map after; all else is the same in both.
EDITS: tuple[dict[tuple[int, int], tuple[float, float]], ...] = (
    {
        (0, 0): (41.0, 42.0),
        (7, 3): (41.0, 38.5),
        (511, 1023): (41.0, 41.25),
        (1, 1): (NAN, NAN),
        (2, 2): (INF, INF),
        (3, 3): (-INF, -INF),
        (4, 4): (0.0, -0.0),
    },
    {(5, 5): (NAN, 1.0), (6, 6): (1.0, INF), (7, 7): (-INF, INF), (8, 8): (NAN, INF), (9, 9): (-1.0, -3.0)},
    {},
)
# By hand: how many differ; and of those that are finite in both the differences.
DIFFERING = (3, 5, 0)
STEPS = ((1.0, -2.5, 0.25), (-2.0,), ())


@dataclass(frozen=True)
class Compared:
    """A registry with a history, which the tests of this module only read."""

    location: RegistryLocation
    registry: Registry
    at: dict[str, int]  # revisions by what they did
    versions: dict[str, int]


def edit_array(side: int, gain_range: int) -> NDArray[np.float32]:
    array = make_panel_array("gain", gain_range, 77)
    for pixel, values in EDITS[gain_range].items():
        array[pixel] = values[side]
    return array


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("arrays")
    paths = {str(seed): write_panel_folder(base / str(seed), seed) for seed in (1, 2, 3)}
    for side, name in enumerate(("before", "after")):
        paths[name] = base / name
        paths[name].mkdir()
        for gain_range in range(3):
            np.save(paths[name] / f"g{gain_range}_gain.npy", edit_array(side, gain_range))
    return paths


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def compared(
    request: pytest.FixtureRequest, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Compared]:
    for location in make_location(request, tmp_path_factory.mktemp("compared"), request.param):
        with location.open() as registry:
            at: dict[str, int] = {}
            numbers: dict[str, int] = {}
            registry.panels.add(PANEL_A)
            registry.panels.add(PANEL_B)
            registry.panels.add(PANEL_C)
            for name, panel, folder, start in (
                ("A", PANEL_A, "1", FIRST),
                ("B", PANEL_B, "2", FIRST),
                ("C", PANEL_C, "3", FIRST),
            ):
                done = registry.versions.add(panel, folders[folder], valid_from=start)
                numbers[name], numbers[f"{name} offset"] = (version.version for version in done.versions)
            done = registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)
            at["configured"] = done_in(done.revision)
            at["run"] = done_in(registry.runs.add(RUN, begin=BEGIN).revision)
            for name in ("before", "after"):
                done = registry.versions.add(
                    PANEL_A,
                    folders[name],
                    valid_from=LATER,
                    kinds=["gain"],
                    allow_nonfinite=True,
                    supersede=name == "after",
                    comment=name,
                )
                (numbers[name],) = (version.version for version in done.versions)
                at[name] = done_in(done.revision)
            registry.tags.add("measured-again")
            done = registry.detectors.configure(
                "xcs1", SOURCE, f"{PANEL_C}_{PANEL_A}", first_run=1, supersede=True, comment="C replaced B"
            )
            at["replaced"] = done_in(done.revision)
            done = registry.versions.gap(PANEL_C, valid_from=LATER, kinds=["offset"], comment="broken cable")
            numbers["gap"], at["gap"] = done.versions[0].version, done_in(done.revision)
            at["later"] = done_in(registry.versions.gap(PANEL_B, valid_from=LATER, comment="gone").revision)
            yield Compared(location, registry, at, numbers)


def done_in(revision: int | None) -> int:
    assert revision is not None
    return revision


def same_figures(difference: tuple[PixelDifference, ...]) -> None:
    """Hold the differences against what was edited by hand."""
    assert [pixels.gain_range for pixels in difference] == [0, 1, 2]
    finite = [PIXELS - sum(not np.isfinite(values).all() for values in edits.values()) for edits in EDITS]
    for pixels, count, steps, size in zip(difference, DIFFERING, STEPS, finite, strict=True):
        assert pixels.count == count
        assert pixels.fraction == count / PIXELS
        assert pixels.maximum == max(map(abs, steps), default=0.0)
        assert pixels.rms == pytest.approx(math.sqrt(sum(step**2 for step in steps) / size), rel=1e-12)


@pytest.mark.slow
def test_two_versions_differ_by_the_pixels_that_were_changed(compared: Compared) -> None:
    before, after = compared.versions["before"], compared.versions["after"]
    difference = compared.registry.versions.diff(before, after)
    assert (difference.kind, difference.before, difference.after) == ("gain", before, after)
    same_figures(difference.gain_ranges)
    # Nothing but the order of the names changes when they are asked the other way round.
    other = compared.registry.versions.diff(after, before)
    assert (other.before, other.after) == (after, before)
    same_figures(other.gain_ranges)


@pytest.mark.slow
def test_maps_that_differ_everywhere_are_as_far_apart_as_numpy_says(
    compared: Compared, folders: dict[str, Path]
) -> None:
    difference = compared.registry.versions.diff(compared.versions["A"], compared.versions["B"]).gain_ranges
    for gain_range, pixels in enumerate(difference):
        one, other = (np.load(folders[name] / f"g{gain_range}_gain.npy").astype(float) for name in "12")
        assert pixels.count == np.count_nonzero(one != other) == 2
        assert pixels.maximum == np.max(np.abs(one - other))
        assert pixels.rms == pytest.approx(np.linalg.norm(one - other) / math.sqrt(PIXELS), rel=1e-12)


@pytest.mark.slow
def test_a_version_does_not_differ_from_itself_nor_do_its_nans(compared: Compared) -> None:
    for name in ("A offset", "before"):
        difference = compared.registry.versions.diff(compared.versions[name], compared.versions[name])
        same = tuple(replace(pixels, nonfinite=0, change=None) for pixels in difference.gain_ranges)
        assert same == tuple(PixelDifference(number, 0, 0.0, 0.0, 0.0) for number in range(3))


def test_a_withdrawn_version_can_be_compared(compared: Compared) -> None:
    withdrawn = compared.registry.versions.show(compared.versions["before"])[0]
    assert withdrawn.withdrawn_in == compared.at["after"]
    assert compared.registry.versions.diff(compared.versions["A"], withdrawn.version).gain_ranges[0].count > 0


@pytest.mark.slow
def test_versions_that_cannot_be_compared_are_refused(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg, numbers, registry = Calreg(compared.location, monkeypatch), compared.versions, compared.registry
    gain, offset, gap = (str(numbers[name]) for name in ("A", "A offset", "gap"))
    error = calreg.assert_refused(2, "version", "diff", gain, offset)
    assert (error["before"], error["after"]) == (int(gain), int(offset))
    for pair in ((gap, offset), (offset, gap), (gap, gap), (gap, gain)):
        error = calreg.assert_refused(4, "version", "diff", *pair)
        assert error["version"] == int(gap)
    last = len(registry.versions.list(withdrawn=True))
    for unknown in ("0", "9999", str(2**70)):
        error = calreg.assert_refused(3, "version", "diff", gain, unknown)
        assert (error["version"], error["largest"]) == (int(unknown), last)
    # As of a revision before it was recorded a version is not known.
    early = str(compared.at["run"])
    error = calreg.assert_refused(3, "version", "diff", gain, str(numbers["before"]), "--as-of", early)
    assert (error["version"], error["largest"]) == (numbers["before"], numbers["before"] - 1)
    with pytest.raises(InstantError):
        registry.versions.diff(1, 1, as_of="2999-01-01T00:00:00Z")


@pytest.mark.slow
def test_damaged_objects_are_not_compared(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, files), numbers = compared.registry.versions.show(compared.versions["C"]), compared.versions
    sha256 = files[1].sha256
    path = compared.location.store / "objects" / sha256[:2] / f"{sha256}.npy"
    content = path.read_bytes()
    calreg = Calreg(compared.location, monkeypatch)
    path.unlink()
    try:
        error = calreg.assert_refused(6, "version", "diff", str(numbers["A"]), str(numbers["C"]))
        assert error["sha256"] == sha256
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        error = calreg.assert_refused(6, "version", "diff", str(numbers["C"]), str(numbers["A"]))
        assert error["sha256"] == sha256
        with assert_refused(CorruptionError, sha256=sha256):
            compared.registry.versions.diff(numbers["C"], numbers["C"])
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def test_the_difference_of_two_versions_is_printed_for_people_and_for_scripts(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(compared.location, monkeypatch)
    before, after = str(compared.versions["before"]), str(compared.versions["after"])
    output = calreg.run("version", "diff", before, after).stdout
    assert output.splitlines()[0] == f"gain, version {after} against version {before}"
    assert [line.split()[:4] for line in output.splitlines()[2:5]] == [
        ["0", "3", "0.000006", "2.5"],
        ["1", "5", "0.000010", "2"],
        ["2", "0", "0.000000", "0"],
    ]
    assert max(map(len, output.splitlines())) <= 80
    answer = calreg.run("version", "diff", before, after, "--json").json
    assert (answer["kind"], answer["before"], answer["after"]) == ("gain", int(before), int(after))
    pixels = answer["gain_ranges"][0]
    assert set(pixels) == {"gain_range", "count", "fraction", "maximum", "rms", "nonfinite", "change"}
    assert (pixels["change"]["model"], pixels["change"]["scale"], pixels["change"]["beyond"]) == (
        "scale",
        1,
        3,
    )
    assert [asic["beyond"] for asic in pixels["change"]["asics"]] == [2, 0, 0, 0, 0, 0, 0, 1]
    # For people: the scale of the panel, and a line for each row of ASICs.
    assert "medians in ADU/keV; scale" in output
    assert [line.split() for line in output.splitlines()[7:10]] == [
        ["0", "0", "0", "1", "0", "0", "3", "0"],
        ["1", "0", "0", "1", "0", "0", "1", "2"],
        ["2", "0", "0", "1", "0", "0", "0", "0"],
    ]
    assert [line.split()[:2] for line in output.splitlines()[12:]] == [[a, b] for a in "012" for b in "01"]
    assert [pixels["count"] for pixels in answer["gain_ranges"]] == list(DIFFERING)


values = st.sampled_from([0.0, -0.0, 1.0, -1.0, 41.5, float(np.float32(3.4e38)), -3.0e38, NAN, INF, -INF])
maps = arrays.arrays(np.float32, (2, 3), elements=values.map(np.float32))


@pytest.mark.slow
@given(before=maps, after=maps)
@settings(max_examples=examples(60))
def test_a_difference_agrees_with_a_loop_over_the_pixels(
    before: NDArray[np.float32], after: NDArray[np.float32]
) -> None:
    pairs = [(float(one), float(other)) for one, other in zip(before.flat, after.flat, strict=True)]
    differing = [
        (one, other) for one, other in pairs if not (one == other or (math.isnan(one) and math.isnan(other)))
    ]
    steps = [other - one for one, other in pairs if math.isfinite(one) and math.isfinite(other)]
    difference = compare_pixels(2, before, after)
    assert (difference.gain_range, difference.count) == (2, len(differing))
    assert difference.fraction == len(differing) / 6
    assert difference.maximum == max(map(abs, steps), default=0.0)
    mean = sum(step**2 for step in steps) / len(steps) if steps else 0.0
    assert difference.rms == pytest.approx(math.sqrt(mean), rel=1e-9)


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_a_difference_of_a_detector_names_the_changed_constants_and_their_size(compared: Compared) -> None:
    registry, at = compared.registry, compared.at
    target = f"{PANEL_A}_{PANEL_B}"
    for difference in (
        registry.diff(RUN, before=at["before"], after=at["after"]),
        registry.diff(target, before=at["before"], after="measured-again", at=BEGIN),
    ):
        assert (difference.before, difference.after) == (at["before"], at["after"])
        assert difference.detector_before == difference.detector_after == target
        assert (difference.refused_before, difference.refused_after) == (None, None)
        (panel,) = difference.panels
        assert (panel.panel, panel.kind) == (PANEL_A, "gain")
        assert (panel.before, panel.after) == (compared.versions["before"], compared.versions["after"])
        same_figures(panel.gain_ranges)
    # Before the new start, nothing changed.
    assert registry.diff(target, before=at["before"], after=at["after"], at=FIRST).panels == ()


def test_a_detector_that_did_not_change_has_the_same_constants(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = compared.at
    difference = compared.registry.diff(RUN, before=at["gap"] - 1, after="measured-again", at=FIRST)
    assert difference.panels != ()  # C answers where B did
    difference = compared.registry.diff(RUN, before=at["after"], after=at["after"])
    assert (difference.panels, difference.detector_before) == ((), f"{PANEL_A}_{PANEL_B}")
    output = Calreg(compared.location, monkeypatch).run(
        "diff", RUN, "--as-of", "measured-again", "--against", str(at["after"])
    )
    assert output.stdout == f"revision {at['after']} -> {at['after']}\nthe same constants\n"


@pytest.mark.slow
def test_other_segment_numbers_of_the_same_panels_are_shown(
    registry: Registry, location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(tmp_path / panel, seed), valid_from=FIRST)
    registry.runs.add(RUN, begin=BEGIN)
    target = f"{PANEL_A}_{PANEL_B}"
    before = registry.detectors.configure("xcs1", SOURCE, target, first_run=1).revision
    after = registry.detectors.configure(
        "xcs1", SOURCE, target, first_run=1, segments=[1, 3], supersede=True, comment="two were taken out"
    ).revision
    difference = registry.diff(RUN, before=before, after=after)
    assert (difference.segments_before, difference.segments_after) == ((0, 1), (1, 3))
    output = Calreg(location, monkeypatch).run("diff", RUN, "--as-of", str(before))
    assert output.stdout == f"revision {before} -> {after}\nsegments 0-1 -> 1,3\nthe same constants\n"


def test_panels_that_left_or_came_are_named_without_pixels(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, numbers = compared.at, compared.versions
    difference = compared.registry.diff(RUN, before="measured-again", after=at["replaced"])
    assert difference.detector_before == f"{PANEL_A}_{PANEL_B}"
    assert difference.detector_after == f"{PANEL_C}_{PANEL_A}"
    assert difference.panels == (
        PanelDifference(PANEL_B, "gain", numbers["B"], None, ()),
        PanelDifference(PANEL_B, "offset", numbers["B offset"], None, ()),
        PanelDifference(PANEL_C, "gain", None, numbers["C"], ()),
        PanelDifference(PANEL_C, "offset", None, numbers["C offset"], ()),
    )
    output = Calreg(compared.location, monkeypatch).run(
        "diff", RUN, "--as-of", "measured-again", "--against", str(at["replaced"])
    )
    assert output.stdout.splitlines() == [
        f"revision {at['after']} -> {at['replaced']}",
        f"detector {PANEL_A}_{PANEL_B}",
        f"      -> {PANEL_C}_{PANEL_A}",
        f"gain of {PANEL_B}: version {numbers['B']} -> none",
        f"offset of {PANEL_B}: version {numbers['B offset']} -> none",
        f"gain of {PANEL_C}: none -> version {numbers['C']}",
        f"offset of {PANEL_C}: none -> version {numbers['C offset']}",
    ]


def test_a_revision_without_an_answer_is_part_of_the_difference(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, at = compared.registry, compared.at
    difference = registry.diff(RUN, before=at["replaced"], after=at["gap"])
    assert (difference.detector_before, difference.detector_after) == (f"{PANEL_C}_{PANEL_A}", None)
    assert difference.refused_before is None
    assert difference.refused_after is not None
    assert {PANEL_C, BEGIN, LATER} <= set(re.findall(r"[-:\w]+\w", difference.refused_after))
    assert difference.panels == ()
    found_after = difference.refused_after
    difference = registry.diff(RUN, before=at["configured"], after=at["run"])
    assert difference.refused_before is not None
    assert RUN in difference.refused_before
    assert (difference.refused_after, difference.panels) == (None, ())
    ended = Calreg(compared.location, monkeypatch).run("diff", RUN, "--as-of", str(at["replaced"]))
    assert ended.stdout.splitlines() == [
        f"revision {at['replaced']} -> {at['later']}",
        f"refused as of revision {at['later']}: {found_after}",
    ]


def test_a_request_refused_as_of_both_revisions_is_refused(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg, at = Calreg(compared.location, monkeypatch), compared.at
    early = "2018-01-01T00:00:00Z"
    error = calreg.assert_refused(4, "diff", PANEL_A, "--as-of", "measured-again", "--at", early)
    (reason,) = error["reasons"]  # the same reason is given once
    assert (reason.count(early), reason.count(FIRST)) == (2, 2)  # of gain and of offset
    assert (error["before"], error["after"]) == (at["after"], at["later"])
    # Two reasons, both given: the exit code of "not known" precedes that of "not valid".
    error = calreg.assert_refused(3, "diff", f"{PANEL_C}_{PANEL_A}", "--as-of", "1", "--at", BEGIN)
    assert [PANEL_C in reason for reason in error["reasons"]] == [True, True]
    error = calreg.assert_refused(3, "diff", "exp=xcs9:run=1", "--as-of", "measured-again")
    assert ["xcs9" in reason and "xcs1" in reason for reason in error["reasons"]] == [True]


def test_a_difference_refuses_an_invalid_request(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    calreg = Calreg(compared.location, monkeypatch)
    calreg.assert_refused(2, "diff", PANEL_A, "--as-of", "1")
    error = calreg.assert_refused(3, "diff", RUN, "--as-of", "1", "--against", "measured-agian")
    assert "measured-again" in error["message"]
    error = calreg.assert_refused(3, "diff", RUN, "--as-of", "999")
    assert f"1 to {compared.at['later']}" in error["message"]
    calreg.assert_refused(2, "diff", RUN, "--as-of", "29990101000000")
    with assert_refused(RequestError):
        compared.registry.diff(PANEL_A, before=1, at=BEGIN, source=SOURCE)


@pytest.mark.slow
def test_a_difference_is_printed_for_scripts(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    calreg, at = Calreg(compared.location, monkeypatch), compared.at
    arguments = (
        "diff",
        RUN,
        "--as-of",
        str(at["before"]),
        "--against",
        "measured-again",
        "--source",
        "Jungfrau.0",
    )
    answer = calreg.run(*arguments, "--json").json
    (panel,) = answer.pop("panels")
    assert answer == {
        "before": at["before"],
        "after": at["after"],
        "detector_before": f"{PANEL_A}_{PANEL_B}",
        "detector_after": f"{PANEL_A}_{PANEL_B}",
        "refused_before": None,
        "refused_after": None,
        "segments_before": [0, 1],
        "segments_after": [0, 1],
    }
    ranges = panel.pop("gain_ranges")
    assert panel == {
        "panel": PANEL_A,
        "kind": "gain",
        "before": compared.versions["before"],
        "after": compared.versions["after"],
    }
    assert [pixels["count"] for pixels in ranges] == list(DIFFERING)
    output = calreg.run(*arguments).stdout.splitlines()
    assert output[1] == f"gain of {PANEL_A}: version {panel['before']} -> version {panel['after']}"
    assert [line.split()[1] for line in output[3:6]] == ["3", "5", "0"]
