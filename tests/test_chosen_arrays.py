"""Arrays of some panels, arrays that are read when they are asked for, and the arrays of one version."""

import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry import LazyArray
from registry.api import Registry
from registry.errors import (
    ConflictError,
    CorruptionError,
    IdentifierError,
    NotFoundError,
    NotValidError,
    RegistryError,
    RequestError,
    UnavailableError,
)
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.slow]

PANELS = tuple(f"190408-181206-{number:x}" for number in range(1, 5))
SEGMENTS = (0, 2, 3, 7)
SOURCE = "XcsEndstation.0:Jungfrau.0"
RUN = "exp=xcs1:run=12"
GAP = "2021-01-01T00:00:00Z"


@pytest.fixture
def filled(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """Four panels at the segments 0, 2, 3 and 7; versions 1 to 8, gain and offset of each in turn; 9 is a gap."""
    with sqlite_location.open() as registry:
        for seed, panel in enumerate(PANELS):
            registry.panels.add(panel, alias=f"M00{seed + 1}")
            folder = write_panel_folder(tmp_path / "arrays" / panel, seed)
            registry.versions.add(panel, folder, valid_from="beginning")
        registry.versions.gap(PANELS[1], valid_from=GAP, kinds=["gain"], comment="broken")
        registry.runs.add(RUN, begin="2020-01-01T00:00:00Z")
        registry.detectors.configure("xcs1", SOURCE, "_".join(PANELS), first_run=1, segments=SEGMENTS)
        yield registry


def find_object(registry: Registry, version: int, gain_range: int = 0) -> Path:
    _, files = registry.versions.show(version)
    return find_object_path(registry._backend.store, files[gain_range].sha256)


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))


# Some panels


def test_chosen_panels_are_in_the_order_of_the_detector_however_they_are_named(filled: Registry) -> None:
    whole = filled.constants(RUN)
    assert whole.provenance.request.panels == ()
    for wanted in ([7, 2], ["M004", "M002"], [PANELS[3], 2], ["7", "m002"], np.array([2, 7])):
        chosen = filled.constants(RUN, panels=wanted)
        assert chosen.segments == (2, 7)
        for name in whole:
            assert np.array_equal(chosen[name], whole[name][:, [1, 3]])
        assert chosen.provenance.request.panels == (PANELS[1], PANELS[3])
        resolution = chosen.provenance.resolution
        assert resolution.detector_id == whole.provenance.resolution.detector_id
        assert [panel.position for panel in resolution.panels] == [1, 3]
    assert "2 of 4 panels" in repr(chosen)
    assert chosen.to_xarray()["panel"].values.tolist() == [PANELS[1], PANELS[3]]


def test_damage_and_gaps_of_other_panels_do_not_matter(filled: Registry) -> None:
    damage(find_object(filled, 3))
    with assert_refused(CorruptionError, PANELS[1]):
        filled.constants(RUN)
    assert filled.constants(RUN, panels=["M001", "M003"])["pixel_gain"].shape == (3, 2, 4, 6)
    with assert_refused(CorruptionError, PANELS[1]):
        filled.constants(RUN, panels=["M002"])
    with assert_refused(NotValidError, PANELS[1]):
        filled.constants(RUN, at=GAP)
    assert filled.constants(RUN, at=GAP, panels=[0, 7])["pixel_gain"].shape == (3, 2, 4, 6)


REFUSALS: list[tuple[Any, type[RegistryError], tuple[str, ...]]] = [
    ([], RequestError, ()),
    (["M002", 2], RequestError, ("M002", "segment 2", PANELS[1])),
    ([0, "0"], RequestError, (PANELS[0],)),
    (["M009", 1, "M001"], NotFoundError, ("M009", "segment 1", f"segment 7 {PANELS[3]} (M004)")),
    ([-1], NotFoundError, ("segment -1",)),
    ([10**30], NotFoundError, ("segment 1000",)),
    (["M00*"], IdentifierError, ("M00*",)),
    ([RUN], RequestError, (RUN,)),
    (["_".join(PANELS[:2])], RequestError, (PANELS[0],)),
    (["190408-181206-9"], NotFoundError, ("190408-181206-9", PANELS[0])),
    ("M001", RequestError, ("panels", "M001")),
    ([True], RequestError, ("panels", "True")),
]


def test_panels_that_cannot_be_chosen_are_refused_with_those_that_can(filled: Registry) -> None:
    for wanted, error_class, names in REFUSALS:
        with assert_refused(error_class, *names):
            filled.constants(RUN, panels=wanted)
        with assert_refused(error_class, *names):
            filled.constants(RUN, panels=wanted, lazy=True)


def test_a_segment_number_is_refused_where_none_is_known(filled: Registry) -> None:
    detector = "_".join(PANELS[:3])
    with assert_refused(RequestError, "segment 0", segment=0):
        filled.constants(detector, at="2020-01-01T00:00:00Z", panels=[0])
    assert filled.constants(detector, at="2020-01-01T00:00:00Z", panels=["M003"]).segments is None


def test_an_m_number_is_that_of_the_instant(filled: Registry) -> None:
    filled.aliases.add("M009", PANELS[0], valid_from="2020-06-01T00:00:00Z")
    assert filled.constants(RUN, panels=["M001"]).segments == (0,)
    later = "2020-07-01T00:00:00Z"
    assert filled.constants(RUN, panels=["M009"], at=later).segments == (0,)
    with assert_refused(NotFoundError, "M001", f"{PANELS[0]} (M009)"):
        filled.constants(RUN, panels=["M001"], at=later)


# Lazy arrays


def test_a_lazy_array_reads_the_files_that_an_index_needs(filled: Registry) -> None:
    whole = filled.constants(RUN)["pixel_gain"]
    damage(find_object(filled, 3, gain_range=1))
    lazy = filled.constants(RUN, lazy=True)
    gain = lazy["pixel_gain"]
    assert isinstance(gain, LazyArray)
    assert (gain.shape, gain.dtype, gain.ndim, gain.size, gain.nbytes, len(gain)) == (
        *(whole.shape, whole.dtype, whole.ndim, whole.size, whole.nbytes, len(whole)),
    )
    assert np.array_equal(gain[:, 3], whole[:, 3])
    assert np.array_equal(gain[0], whole[0])
    assert np.array_equal(lazy["pixel_offset"], filled.constants(RUN, types=["pixel_offset"])["pixel_offset"])
    for read in (lambda: gain[:, 1], lambda: gain[...], lambda: gain + 1, lambda: np.asarray(gain)):
        with assert_refused(CorruptionError, PANELS[1], "gain range 1"):
            read()
    assert "pixel_gain (3, 4, 4, 6) float32 ADU/keV" in repr(gain)
    assert repr(lazy).startswith("<LazyConstants: ")


KEYS: list[Any] = [
    *(0, -1, slice(None), ..., (slice(None), 3), (slice(None, None, -1), slice(3, 0, -2)), (1, 2, 3, 4)),
    *(
        (..., 0),
        (0, ..., 1),
        (slice(2, 2),),
        (slice(None), [3, 0, 3]),
        ([0, 2], [3, 1]),
        ([[0], [2]], [1, 3]),
    ),
    *((0, slice(None), [1, 2]), (slice(None), np.array([True, False, False, True])), ([], 1), (2, [])),
    *((slice(None), np.int64(2)), (None, 0), (0, None, 1), (slice(None), slice(None), slice(1, 3), [5, 0])),
    *((True,), np.ones((3, 4), bool), (slice(None), [-1, -4], slice(None), 2), (np.uint8(1), [2])),
]


def test_an_index_means_what_it_means_to_numpy(filled: Registry) -> None:
    whole, lazy = filled.constants(RUN), filled.constants(RUN, lazy=True)
    for key in KEYS:
        expected, value = whole["pixel_gain"][key], lazy["pixel_gain"][key]
        assert type(value) is type(expected), key
        assert np.array_equal(value, expected), key
        assert (value.dtype, value.shape) == (expected.dtype, expected.shape), key


def test_an_index_that_numpy_refuses_is_an_index_error_and_reads_nothing(filled: Registry) -> None:
    gain = filled.constants(RUN, lazy=True)["pixel_gain"]
    shutil.rmtree(Path(filled._backend.store.place))
    for key in (3, -4, (0, 4), (0, 0, 4), (0, 0, 0, 0, 0), (..., ...), "gain", 1.5, (0, [1.5]), (0, [True])):
        with pytest.raises(IndexError):
            gain[key]


def test_a_lazy_array_works_in_functions_of_numpy_and_cannot_be_written(filled: Registry) -> None:
    whole, gain = filled.constants(RUN)["pixel_gain"], filled.constants(RUN, lazy=True)["pixel_gain"]
    assert (gain == whole).all()
    assert np.mean(gain) == np.mean(whole)
    assert np.array_equal(2 * gain - gain, whole)
    assert np.asarray(gain, np.float64).dtype == np.float64
    assert np.array_equal(list(gain)[1], whole[1])
    with pytest.raises(ValueError, match="shared"):
        np.array(gain, copy=False)
    with pytest.raises(TypeError):
        gain[0] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        np.add(whole, 1, out=gain)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        hash(gain)


def test_what_was_asked_for_stays_when_the_registry_is_closed_and_other_constants_are_recorded(
    filled: Registry, tmp_path: Path
) -> None:
    whole, lazy = filled.constants(RUN), filled.constants(RUN, lazy=True)
    filled.versions.withdraw(1, comment="wrong")
    filled.close()
    assert np.array_equal(lazy["pixel_gain"], whole["pixel_gain"])
    assert lazy.provenance.resolution == whole.provenance.resolution


def test_a_replaced_file_is_refused_and_a_restored_one_is_read(filled: Registry) -> None:
    gain = filled.constants(RUN, lazy=True)["pixel_gain"]
    path, other = find_object(filled, 1), find_object(filled, 3)
    content, first = path.read_bytes(), gain[0, 0]
    path.chmod(0o644)
    path.write_bytes(other.read_bytes())
    with assert_refused(CorruptionError, PANELS[0], path=str(path)):
        gain[0, 0]
    path.write_bytes(content)
    assert np.array_equal(gain[0, 0], first)


def test_a_store_that_is_gone_or_of_another_registry_is_refused(
    filled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gain = filled.constants(RUN, lazy=True)["pixel_gain"]
    root = Path(filled._backend.store.place)
    monkeypatch.chdir(tmp_path)
    marker = (root / "registry.json").read_text()
    (root / "registry.json").write_text(marker.replace(filled.id, filled.id[:-1] + "x"))
    with assert_refused(ConflictError, store=filled.id[:-1] + "x"):
        gain[0, 0]
    shutil.move(root, tmp_path / "elsewhere")
    with assert_refused(UnavailableError, str(root)):
        gain[0, 0]


def read_in_worker(gain: LazyArray) -> Any:
    return gain[1, 2].tolist()


def test_a_lazy_array_is_read_in_a_forked_worker_and_after_pickling(filled: Registry) -> None:
    lazy = filled.constants(RUN, lazy=True)
    expected = filled.constants(RUN)["pixel_gain"][1, 2].tolist()
    copied = pickle.loads(pickle.dumps(lazy))  # noqa: S301
    assert copied["pixel_gain"][1, 2].tolist() == expected
    assert copied.provenance == lazy.provenance
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, pickle.dumps(read_in_worker(lazy["pixel_gain"])))
        os._exit(0)
    os.waitpid(child, 0)
    assert pickle.loads(os.read(reader, 1 << 16)) == expected  # noqa: S301
    os.close(reader)
    os.close(writer)
    shutil.rmtree(Path(filled._backend.store.place))
    with pytest.raises(UnavailableError):
        read_in_worker(copied["pixel_gain"])


# One version


def test_the_arrays_of_a_version_are_by_gain_range(filled: Registry) -> None:
    arrays = filled.versions.arrays(3)
    whole = filled.constants(RUN)["pixel_gain"]
    assert (arrays.shape, arrays.dtype, arrays.unit, len(arrays)) == ((3, 4, 6), np.float32, "ADU/keV", 3)
    assert np.array_equal(arrays, whole[:, 1])
    assert np.array_equal(arrays[2], whole[2, 1])
    assert all(np.array_equal(one, other) for one, other in zip(arrays, whole[:, 1], strict=True))
    assert (arrays.version.version, arrays.version.kind, arrays.warnings) == (3, "gain", ())
    assert repr(arrays).startswith(f"<VersionArrays: version 3: gain of {PANELS[1]} (M002) from beginning")
    assert "<table>" in arrays._repr_html_()


def test_a_withdrawn_version_is_read_with_a_warning_and_without_one_as_of_before(filled: Registry) -> None:
    before = filled.head.number
    filled.versions.withdraw(3, comment="wrong")
    arrays = filled.versions.arrays(3)
    assert arrays.version.withdrawn_in == before + 1
    assert str(before + 1) in arrays.warnings[0]
    assert arrays.warnings[0] in repr(arrays)
    assert filled.versions.arrays(3, as_of=before).warnings == ()


def test_arrays_of_a_gap_an_unknown_or_a_damaged_version_are_refused(filled: Registry) -> None:
    with assert_refused(NotValidError, "version 9", version=9):
        filled.versions.arrays(9)
    for number in (0, -1, 10, 10**30):
        with assert_refused(NotFoundError, "1 to 9", version=number):
            filled.versions.arrays(number)
    with assert_refused(RequestError, parameter="version"):
        filled.versions.arrays("3")  # type: ignore[arg-type]
    damage(find_object(filled, 3, gain_range=2))
    with assert_refused(CorruptionError, "version 3"):
        filled.versions.arrays(3)
