"""A gain map that is not known by its bytes is known by its sensor, alone or in an assembled array."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from registry.api import Registry, open_registry
from registry.errors import NotFoundError
from registry.records import SensorMatch
from testing.panels import PANEL_A, PANEL_B, PANEL_C
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.cli import Calreg
from tests.conftest import make_location
from tests.selection import keep_first
from tests.sensor_maps import add_map, measure, register_as_before

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_suffices]

MODULES = (("M068", PANEL_A), ("M088", PANEL_B), ("M044", PANEL_C))
LATER = "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryLocation]:
    """A registry of three modules: versions 1 to 3, one a module, and 4 of M068; 5, of M088, is withdrawn."""
    folder = tmp_path_factory.mktemp("sensors")
    for location in make_location(request, folder, request.param):
        with location.open() as registry:
            for sensor, (m_number, panel) in enumerate(MODULES):
                registry.panels.add(panel, alias=m_number)
                add_map(registry, folder, panel, measure(sensor, 1))
            add_map(registry, folder, PANEL_A, measure(0, 2, 2.0), LATER)
            add_map(registry, folder, PANEL_B, measure(1, 2), LATER)
            registry.versions.withdraw(5, comment="measured warm")
        yield location


@pytest.fixture
def known(place: RegistryLocation) -> Iterator[Registry]:
    with place.open() as registry:
        yield registry


def write(path: Path, values: NDArray[Any]) -> Path:
    np.save(path, values)
    return path


def assemble(*gains: NDArray[Any]) -> NDArray[np.float32]:
    """Return an array (gain range, panel, row, column) with these maps in gain range 0."""
    array = np.full((3, len(gains), *gains[0].shape), -1.39, "<f4")
    array[0] = gains
    return array


def list_sensors(matches: tuple[SensorMatch, ...]) -> list[tuple[int, str | None, str | None]]:
    return [(match.position, match.module, match.orientation) for match in matches]


def test_a_measured_map_looks_like_its_sensor(known: Registry, tmp_path: Path) -> None:
    identity = known.identify(write(tmp_path / "unknown.npy", measure(0, 7)))
    assert (identity.inputs, identity.exports, identity.parts) == ((), (), ())
    (match,) = identity.looks_like
    assert (match.module, match.panel, match.version, match.orientation) == ("M068", PANEL_A, 1, "as it is")
    assert match.versions == (1, 4)
    assert match.correlation is not None
    assert match.correlation > 0.5
    assert (match.other_modules, match.problem, match.position) == ((), None, 0)


@pytest.mark.parametrize(
    ("steps", "orientation"),
    [((-1, -1), "turned by 180 degrees"), ((1, -1), "mirrored"), ((-1, 1), "upside down")],
)
def test_a_turned_map_is_known_too(
    known: Registry, tmp_path: Path, steps: tuple[int, int], orientation: str
) -> None:
    values = measure(2, 7)[:: steps[0], :: steps[1]].copy()
    (match,) = known.identify(write(tmp_path / "turned.npy", values)).looks_like
    assert (match.module, match.orientation) == ("M044", orientation)


@pytest.mark.parametrize("layout", ["float64", "big-endian", "fortran", "four digits"])
def test_another_layout_or_less_digits_do_not_hinder_it(known: Registry, tmp_path: Path, layout: str) -> None:
    values: NDArray[Any] = measure(1, 7)
    if layout == "four digits":
        values = np.array([float(f"{value:.4g}") for value in values.flat], "<f4").reshape(values.shape)
    elif layout == "fortran":
        values = np.asfortranarray(values)
    else:
        values = values.astype("<f8" if layout == "float64" else ">f4")
    (match,) = known.identify(write(tmp_path / "map.npy", values)).looks_like
    assert (match.module, match.version) == ("M088", 2)


def test_what_is_known_by_its_bytes_is_answered_without_patterns(known: Registry, tmp_path: Path) -> None:
    identity = known.identify(write(tmp_path / "registered.npy", measure(0, 1)))
    assert [version.version for row in identity.inputs for version in row.versions] == [1]
    assert identity.looks_like == ()


def test_the_map_of_no_known_sensor_is_refused_with_the_best_figure(known: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="looks like no sensor that is known") as refusal:
        known.identify(write(tmp_path / "foreign.npy", measure(9, 1)))
    (match,) = refusal.value.values["looks_like"]
    assert match.module is None
    assert abs(match.correlation) < 0.1


def test_a_flat_map_has_no_pattern(known: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="has no pattern"):
        known.identify(write(tmp_path / "flat.npy", np.full((512, 1024), 41.5, "<f4")))


def test_as_of_counts_what_was_live_then(known: Registry, tmp_path: Path) -> None:
    path = write(tmp_path / "unknown.npy", measure(1, 7))
    before = next(revision.revision - 1 for revision in known.log() if revision.comment == "measured warm")
    (now,) = known.identify(path).looks_like
    (then,) = known.identify(path, as_of=before).looks_like
    assert now.versions == (2,)
    assert sorted(then.versions) == [2, 5]
    with pytest.raises(NotFoundError, match="no map with a pattern is live"):
        known.identify(path, as_of=1)


@pytest.mark.parametrize("form", keep_first(["npy", "hdf5", "lcls2", "psana"], 3))
def test_the_panels_of_an_array_are_known_in_any_order(known: Registry, tmp_path: Path, form: str) -> None:
    array = assemble(measure(1, 7), measure(9, 1), measure(0, 7)[::-1, ::-1])
    path = write_array(tmp_path, array, form)
    identity = known.identify(path)
    assert list_sensors(identity.looks_like) == [
        (0, "M088", "as it is"),
        (1, None, identity.looks_like[1].orientation),
        (2, "M068", "turned by 180 degrees"),
    ]
    assert [match.type for match in identity.looks_like] == ["pixel_gain" if form == "hdf5" else None] * 3
    assert len(identity.parts) == (18 if form == "hdf5" else 9)


def write_array(folder: Path, array: NDArray[np.float32], form: str) -> Path:
    """Write an array in a format of exports, texts with four digits."""
    if form == "npy":
        return write(folder / "pixel_gain.npy", array)
    if form == "hdf5":
        path = folder / "constants.h5"
        with h5py.File(path, "w") as file:
            file["pixel_gain"] = array
            file["pixel_offset"] = array + np.float32(1)
        return path
    path = folder / "0-end.data"
    start = 0 if form == "psana" else 1
    with path.open("w") as text:
        text.write("# DTYPE       float32\n# NDIM        4\n")
        text.writelines(f"# DIM:{start + axis}       {size}\n" for axis, size in enumerate(array.shape))
        np.savetxt(text, array.reshape(-1, array.shape[-1]), fmt="%.4g")
    return path


def test_of_an_array_only_unknown_panels_are_compared(known: Registry, tmp_path: Path) -> None:
    identity = known.identify(write(tmp_path / "array.npy", assemble(measure(0, 1), measure(1, 7))))
    assert list_sensors(identity.looks_like) == [(1, "M088", "as it is")]
    assert [bool(part.inputs) for part in identity.parts][:2] == [True, False]


def test_an_array_of_unknown_sensors_is_refused(known: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no panel of the array") as refusal:
        known.identify(write(tmp_path / "array.npy", assemble(measure(8, 1), measure(9, 1))))
    assert len(refusal.value.values["looks_like"]) == 2


def test_a_stack_of_maps_is_known_map_by_map(known: Registry, tmp_path: Path) -> None:
    stack = np.stack([measure(2, 7), measure(0, 7)])
    assert list_sensors(known.identify(write(tmp_path / "stack.npy", stack)).looks_like) == [
        (0, "M044", "as it is"),
        (1, "M068", "as it is"),
    ]


def test_the_maker_s_file_is_known_by_its_highest_gain(known: Registry, tmp_path: Path) -> None:
    path = tmp_path / "gainMaps_M000.bin"
    stages = np.stack([measure(1, 7), np.full((512, 1024), -1.39), np.full((512, 1024), -0.11)])
    path.write_bytes(stages.astype("<f8").tobytes())
    (match,) = known.identify(path).looks_like
    assert (match.module, match.version) == ("M088", 2)
    path.write_bytes(bytes(1000))
    with pytest.raises(NotFoundError):
        known.identify(path)


def test_a_map_that_is_cut_is_not_known(known: Registry, tmp_path: Path) -> None:
    path = write(tmp_path / "cut.npy", measure(0, 7))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NotFoundError):
        known.identify(path)


def test_sensors_of_two_modules_are_both_named(
    location: RegistryLocation, calreg: Calreg, tmp_path: Path
) -> None:
    with location.open() as registry, register_as_before():
        for panel, m_number in ((PANEL_A, "M068"), (PANEL_B, "M088")):
            registry.panels.add(panel, alias=m_number)
            add_map(registry, tmp_path, panel, measure(0, len(m_number + panel)))
        add_map(registry, tmp_path, PANEL_B, measure(0, 2), LATER)
    path = write(tmp_path / "unknown.npy", measure(0, 7))
    result = calreg.run("identify", str(path))
    assert "maps of the same sensor are live for M068 and M088" in result.stderr
    (match,) = calreg.run("identify", str(path), "--json").json["looks_like"]
    assert {match["module"], *match["other_modules"]} == {"M068", "M088"}


def test_maps_without_patterns_are_pointed_out(
    location: RegistryLocation, calreg: Calreg, tmp_path: Path
) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068")
        with register_as_before(with_patterns=False):
            add_map(registry, tmp_path, PANEL_A, measure(0, 1))
    path = write(tmp_path / "unknown.npy", measure(0, 7))
    error = calreg.assert_refused(3, "identify", str(path))
    assert "calreg database upgrade --patterns" in error["message"]
    calreg.run("database", "upgrade", "--patterns")
    result = calreg.run("identify", str(path))
    assert result.stdout.splitlines()[2].split()[:2] == ["position", "looks"]
    assert "M068" in result.stdout.splitlines()[3]


def test_many_withdrawn_maps_of_a_sensor_do_not_hide_the_live_one(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    with register_as_before():
        for number in range(21):
            add_map(
                registry,
                tmp_path,
                PANEL_A,
                measure(0, number),
                f"20{10 + number}-01-01T00:00:00Z",
                any_time=True,
            )
        add_map(registry, tmp_path, PANEL_A, measure(0, 99, 3.0))
    registry.versions.withdraw(*range(1, 22), comment="measured warm")
    (match,) = registry.identify(write(tmp_path / "unknown.npy", measure(0, 77, 1.0))).looks_like
    assert match.versions == (22,)


def test_a_service_names_the_sensors_of_maps_that_stay_with_its_client(
    place: RegistryLocation, known: Registry, tmp_path: Path
) -> None:
    files = [
        write(tmp_path / "map.npy", measure(0, 7)),
        write(tmp_path / "array.npy", assemble(measure(2, 7), np.zeros_like(measure(0, 7)), measure(1, 7))),
    ]
    with serve_in_thread(place) as url, open_registry(url) as remote:
        for path in files:
            assert remote.identify(path) == known.identify(path)
        unknown = write(tmp_path / "unknown.npy", measure(9, 7))
        with pytest.raises(NotFoundError) as local_refusal:
            known.identify(unknown)
        with pytest.raises(NotFoundError) as refusal:
            remote.identify(unknown)
        assert str(refusal.value) == str(local_refusal.value)
