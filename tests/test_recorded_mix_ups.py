"""Mix-ups of modules that were recorded before maps were compared; a map is not evidence for itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from registry.api import Registry
from registry.errors import ConflictError, CorruptionError
from registry.records import RecordedMixUp, Verification
from testing.panels import PANEL_A, PANEL_B, PANEL_C
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.sensor_maps import add_map, measure, register_as_before, write_gains

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_suffices]

MODULES = {"M068": PANEL_A, "M088": PANEL_B}
Maps = list[tuple[str, int]]
"""The maps of a history, in the order in which they were recorded: module, and sensor."""


def record(registry: Registry, folder: Path, maps: Maps, **options: bool) -> None:
    """Record measurements of sensors, version 1 to n."""
    for m_number, panel in MODULES.items():
        registry.panels.add(panel, alias=m_number)
    with register_as_before():
        for number, (m_number, sensor) in enumerate(maps, 1):
            start = f"20{10 + number}-01-01T00:00:00Z"
            add_map(registry, folder, MODULES[m_number], measure(sensor, number), start, **options)


def list_named(verification: Verification) -> list[tuple[int, str, int, bool]]:
    """Return the mix-ups: the version, whose it looks like, as in which version, and whether that is undecided."""
    assert verification.problems == ()
    assert verification.mix_ups is not None
    return [
        (mix_up.version, mix_up.looks_like, mix_up.with_version, mix_up.undecided)
        for mix_up in verification.mix_ups
    ]


@pytest.mark.parametrize(
    ("maps", "named"),
    [
        pytest.param([("M068", 0), ("M088", 1), ("M068", 0), ("M088", 1)], [], id="an honest history"),
        pytest.param([("M068", 0)], [], id="a single map"),
        pytest.param(
            [("M068", 0), ("M068", 0), ("M088", 1), ("M068", 1)],
            [(4, "M088", 3, False)],
            id="the wrong one of three, of a module with a single map",
        ),
        pytest.param(
            [("M068", 1), ("M068", 0), ("M068", 0), ("M088", 1)],
            [(1, "M088", 4, False)],
            id="the wrong one of three came first",
        ),
        pytest.param(
            [("M068", 1), ("M088", 1), ("M088", 1)],
            [(1, "M088", 2, False)],
            id="a single map, of a module with several",
        ),
        pytest.param(
            [("M068", 1), ("M088", 1)], [(2, "M068", 1, True)], id="two single maps of one sensor: either"
        ),
        pytest.param([("M068", 1), ("M088", 0)], [], id="swapped completely: nothing can tell"),
        pytest.param(
            [("M068", 0), ("M088", 1), ("M068", 1), ("M088", 0)],
            [(3, "M088", 2, True), (4, "M068", 1, True)],
            id="swapped after a good first map: the later ones, or the first ones",
        ),
        pytest.param(
            [("M068", 0), ("M088", 1), ("M068", 0), ("M068", 1), ("M088", 0)],
            [(4, "M088", 2, False), (5, "M068", 3, False)],
            id="swapped after good first maps, of which one is confirmed",
        ),
        pytest.param(
            [("M068", 0), ("M068", 0), ("M088", 0), ("M088", 0)],
            [(3, "M068", 1, True), (4, "M068", 1, True)],
            id="one sensor under two modules, several times",
        ),
    ],
)
def test_the_wrong_map_is_named_and_no_right_one(
    location: RegistryLocation, tmp_path: Path, maps: Maps, named: list[tuple[int, str, int, bool]]
) -> None:
    with location.open() as registry:
        record(registry, tmp_path, maps)
        answer = list_named(registry.verify(patterns=True))
    assert [(version, looks_like, undecided) for version, looks_like, _, undecided in answer] == [
        (version, looks_like, undecided) for version, looks_like, _, undecided in named
    ]


@pytest.mark.on_both_databases
def test_a_mix_up_comes_with_its_figures(registry: Registry, tmp_path: Path) -> None:
    record(registry, tmp_path, [("M068", 0), ("M068", 0), ("M088", 1), ("M068", 1)])
    verification = registry.verify(patterns=True)
    assert verification.mix_ups is not None
    (mix_up,) = verification.mix_ups
    assert mix_up == RecordedMixUp(
        version=4,
        panel=PANEL_A,
        kind="gain",
        gain_range=0,
        module="M068",
        outcome="other",
        looks_like="M088",
        with_version=3,
        correlation=mix_up.correlation,
        orientation="as it is",
        own_correlation=mix_up.own_correlation,
    )
    assert mix_up.correlation is not None
    assert mix_up.own_correlation is not None
    assert mix_up.correlation > 0.3
    assert abs(mix_up.own_correlation) < 0.07


def test_without_the_option_nothing_is_compared(registry: Registry, tmp_path: Path) -> None:
    record(registry, tmp_path, [("M068", 1), ("M088", 1)])
    verification = registry.verify()
    assert (verification.mix_ups, verification.allowed_mix_ups) == (None, None)


def add_turned(registry: Registry, folder: Path, sensor: int, seed: int, start: str) -> None:
    with register_as_before():
        add_map(registry, folder, PANEL_A, measure(sensor, seed)[::-1, ::-1].copy(), start)


def test_a_turned_map_is_named_as_turned(registry: Registry, tmp_path: Path) -> None:
    record(registry, tmp_path, [("M068", 0), ("M068", 0)])
    add_turned(registry, tmp_path, 0, 9, "2020-01-01T00:00:00Z")
    (mix_up,) = registry.verify(patterns=True).mix_ups or ()
    assert (mix_up.version, mix_up.outcome, mix_up.looks_like, mix_up.undecided) == (
        3,
        "turned",
        "M068",
        False,
    )
    assert mix_up.orientation == "turned by 180 degrees"


def test_of_two_maps_of_which_one_is_turned_the_later_is_named_as_undecided(
    registry: Registry, tmp_path: Path
) -> None:
    record(registry, tmp_path, [("M068", 0)])
    add_turned(registry, tmp_path, 0, 9, "2020-01-01T00:00:00Z")
    assert list_named(registry.verify(patterns=True)) == [(2, "M068", 1, True)]


def test_a_map_that_fits_none_is_noted_and_no_mix_up(registry: Registry, tmp_path: Path) -> None:
    record(registry, tmp_path, [("M068", 0), ("M068", 2), ("M068", 0)])
    verification = registry.verify(patterns=True)
    assert verification.mix_ups == ()
    (note,) = [note for note in verification.notes if "fits no other map" in note]
    assert note.startswith("version 2: gain of gain range 0 fits no other map of M068")


def test_patterns_that_were_allowed_are_listed_as_allowed(registry: Registry, tmp_path: Path) -> None:
    record(registry, tmp_path, [("M068", 0), ("M068", 0), ("M088", 1)])
    add_map(
        registry,
        tmp_path,
        PANEL_A,
        measure(1, 9),
        "2020-01-01T00:00:00Z",
        allow_pattern=True,
        comment="the sensor was exchanged",
    )
    verification = registry.verify(patterns=True)
    assert verification.mix_ups == ()
    assert [(mix_up.version, mix_up.allowed) for mix_up in verification.allowed_mix_ups or ()] == [(4, True)]


def test_withdrawn_versions_are_no_evidence_and_no_mix_ups(registry: Registry, tmp_path: Path) -> None:
    record(registry, tmp_path, [("M068", 0), ("M068", 0), ("M088", 1), ("M068", 1)])
    registry.versions.withdraw(4, comment="a map of M088")
    assert list_named(registry.verify(patterns=True)) == []


@pytest.fixture
def same_bytes(registry: Registry, tmp_path: Path) -> Callable[[int | None, str], None]:
    """Record one and the same folder for a panel; with a number, all of its files but gain range 0 are of that."""
    for m_number, panel in MODULES.items():
        registry.panels.add(panel, alias=m_number)

    def add(sensor: int | None, panel: str, start: str = "beginning", **options: object) -> None:
        values = np.full((512, 1024), 41.5, "<f4") if sensor is None else measure(sensor, 1)
        folder = write_gains(tmp_path / f"folder-{sensor}", values, 1000 + (sensor or 0))
        registry.versions.add(panel, folder, valid_from=start, kinds=["gain"], **options)

    return add


@pytest.mark.on_both_databases
def test_the_same_bytes_of_any_gain_range_are_a_mix_up_of_the_later_version(
    registry: Registry, same_bytes: Callable[..., None]
) -> None:
    with register_as_before():
        same_bytes(0, PANEL_A)
        same_bytes(0, PANEL_B)
    mix_ups = registry.verify(patterns=True).mix_ups or ()
    assert [
        (mix_up.version, mix_up.gain_range, mix_up.outcome, mix_up.looks_like, mix_up.undecided)
        for mix_up in mix_ups
    ] == [(2, gain_range, "same bytes", "M068", True) for gain_range in (0, 1, 2)]


def test_the_other_maps_of_the_modules_tell_whose_the_bytes_are(
    registry: Registry, same_bytes: Callable[..., None], tmp_path: Path
) -> None:
    with register_as_before():
        same_bytes(0, PANEL_A)
        same_bytes(0, PANEL_B)
        add_map(registry, tmp_path, PANEL_B, measure(0, 2), "2020-01-01T00:00:00Z")
        add_map(registry, tmp_path, PANEL_A, measure(1, 3), "2020-01-01T00:00:00Z")
    mix_ups = registry.verify(patterns=True).mix_ups or ()
    assert {(mix_up.version, mix_up.looks_like, mix_up.undecided) for mix_up in mix_ups} == {
        (1, "M088", False)
    }
    assert len(mix_ups) == 3


def test_flat_maps_of_two_modules_are_only_noted(
    registry: Registry, same_bytes: Callable[..., None], tmp_path: Path
) -> None:
    flat = np.full((512, 1024), 41.5, "<f4")
    for m_number, panel in MODULES.items():
        add_map(registry, tmp_path, panel, flat)
        assert m_number
    verification = registry.verify(patterns=True)
    assert verification.mix_ups == ()
    (note,) = [note for note in verification.notes if "one value in every pixel" in note]
    assert note.endswith("M068, M088")


def test_bytes_that_were_stated_as_the_same_are_allowed(
    registry: Registry, same_bytes: Callable[..., None]
) -> None:
    same_bytes(0, PANEL_A)
    same_bytes(0, PANEL_B, same_as=["M068"])
    verification = registry.verify(patterns=True)
    assert verification.mix_ups == ()
    assert {mix_up.version for mix_up in verification.allowed_mix_ups or ()} == {2}


def test_a_module_without_an_m_number_is_known_by_its_serial_number(
    registry: Registry, tmp_path: Path
) -> None:
    record(registry, tmp_path, [("M068", 0), ("M068", 0)])
    registry.panels.add(PANEL_C)
    with register_as_before():
        add_map(registry, tmp_path, PANEL_C, measure(0, 9))
    (mix_up,) = registry.verify(patterns=True).mix_ups or ()
    assert (mix_up.version, mix_up.module, mix_up.looks_like) == (3, "3d00fb", "M068")


def test_the_command_lists_mix_ups_in_80_columns_and_exits_5_and_with_corruption_6(
    location: RegistryLocation, calreg: Calreg, tmp_path: Path
) -> None:
    with location.open() as registry:
        record(registry, tmp_path, [("M068", 0), ("M088", 1), ("M068", 1), ("M088", 0)])
        damaged = registry.versions.show(1)[1][2].sha256
    result = calreg("verify", "--patterns")
    assert result.code == ConflictError.code
    lines = result.stdout.splitlines()
    assert "2 mix-ups of modules" in lines
    table = lines[lines.index("2 mix-ups of modules") :]
    assert max(map(len, table)) <= 80
    assert [line.split()[:4] for line in table[2:4]] == [
        ["3", "M068", "gain", "0"],
        ["4", "M088", "gain", "0"],
    ]
    answer = calreg("verify", "--patterns", "--json")
    assert (answer.code, len(answer.json["mix_ups"])) == (ConflictError.code, 2)
    assert calreg.run("verify").code == 0
    path = location.store / "objects" / damaged[:2] / f"{damaged}.npy"
    path.unlink()
    assert calreg("verify", "--patterns").code == CorruptionError.code
