"""A detector's array from its panels' files: in order, verified, and never more of it in memory than asked for."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from registry import provenance
from registry.api import Registry
from registry.errors import CorruptionError
from registry.exporters.assembly import Assembly, build_assemblies, read_arrays
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path
from tests.refusals import assert_refused

DETECTOR = f"{PANEL_A}_{PANEL_B}"
T0 = "2020-01-01T00:00:00Z"


@pytest.fixture
def opened(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """Two panels; the header of one file of the second is longer than numpy's."""
    other = write_panel_folder(tmp_path / "b", seed=2)
    with (other / "g1_gain.npy").open("wb") as file:
        np.lib.format.write_array(file, make_panel_array("gain", 1, 2), version=(2, 0))
        header_and_payload = file.tell()
    assert header_and_payload == 128 + (2 << 20)
    content = (other / "g1_gain.npy").read_bytes()
    longer = content[12:127] + b" " * 640 + b"\n"
    (other / "g1_gain.npy").write_bytes(
        content[:8] + len(longer).to_bytes(4, "little") + longer + content[128:]
    )
    with sqlite_location.open() as registry:
        for panel, folder in ((PANEL_A, write_panel_folder(tmp_path / "a", seed=1)), (PANEL_B, other)):
            registry.panels.add(panel)
            registry.versions.add(panel, folder, valid_from="beginning")
        yield registry


@pytest.fixture
def gain(opened: Registry, sqlite_location: RegistryLocation, tmp_path: Path) -> Assembly:
    opened.export(DETECTOR, tmp_path / "out", at=T0)
    resolution = provenance.read(tmp_path / "out" / "provenance.json").resolution
    return build_assemblies(resolution, ContentStore(sqlite_location.store))[0]


def object_of(assembly: Assembly, gain_range: int, panel: int) -> Path:
    constants = next(item for item in assembly.resolution.panels[panel].constants if item.kind == "gain")
    return find_object_path(assembly.store, constants.files[gain_range].sha256)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.mark.slow
def test_parts_are_read_by_gain_range_and_then_by_panel(gain: Assembly) -> None:
    positions = []
    for part in gain.read_parts():
        positions.append((part.gain_range, part.panel))
        expected = make_panel_array("gain", part.gain_range, seed=1 + part.panel)
        assert part.array.tobytes() == part.payload.tobytes() == expected.tobytes()
    assert positions == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


@pytest.mark.slow
def test_a_whole_array_is_its_parts(gain: Assembly) -> None:
    whole = read_arrays([gain])["pixel_gain"]
    assert whole.shape == gain.shape == (3, 2, 512, 1024)
    for gain_range in range(3):
        for panel in range(2):
            expected = make_panel_array("gain", gain_range, seed=1 + panel)
            assert whole[gain_range, panel].tobytes() == expected.tobytes()


@pytest.mark.slow
def test_a_part_is_verified_before_it_is_returned(gain: Assembly) -> None:
    damage(object_of(gain, 1, 1))
    taken = []

    def take() -> None:
        taken.extend((part.gain_range, part.panel) for part in gain.read_parts())

    with assert_refused(CorruptionError, panel=PANEL_B, version=3, gain_range=1):
        take()
    assert taken == [(0, 0), (0, 1), (1, 0)]
    with assert_refused(CorruptionError, panel=PANEL_B, version=3, gain_range=1):
        read_arrays([gain])["pixel_gain"]


@pytest.mark.slow
def test_of_several_damaged_files_each_is_named(gain: Assembly) -> None:
    damaged = set()
    for gain_range, panel in ((2, 1), (2, 0), (0, 1)):
        damage(object_of(gain, gain_range, panel))
        damaged.add(object_of(gain, gain_range, panel).stem)
        with assert_refused(CorruptionError) as refusal:
            read_arrays([gain])["pixel_gain"]
        assert {file.sha256 for file in refusal.value.values["missing"]} == damaged


@pytest.mark.slow
def test_an_export_has_a_few_files_in_memory_and_not_an_array(opened: Registry, tmp_path: Path) -> None:
    """Both arrays of the two panels are 24 MiB, and their 12 files 2 MiB each."""
    tracemalloc.start()
    try:
        opened.export(DETECTOR, tmp_path / "out", at=T0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20


@pytest.mark.parametrize(("simultaneous", "buffers"), [(1, 5), (2, 3), (9, 2)])
def test_arrays_that_are_read_at_the_same_time_share_the_requests_of_a_far_store(
    gain: Assembly, monkeypatch: pytest.MonkeyPatch, simultaneous: int, buffers: int
) -> None:
    monkeypatch.setattr(type(gain.store.storage), "requests", 4)
    parts = replace(gain, simultaneous=simultaneous).read_parts()
    assert len({part.array.ctypes.data for part in parts}) == buffers
