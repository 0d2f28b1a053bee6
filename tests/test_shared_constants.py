"""Constants that the processes of one machine share: the bytes alone, each verified, and never stale ones."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry import provenance
from registry.api import Registry
from registry.cache import CacheFolder
from registry.cache import array_entries as format_of_entries
from registry.cache.array_entries import ArrayRecord, encode_record, is_sound, read_record
from registry.cache.names import EntryName
from registry.errors import CorruptionError, DeniedError, RequestError
from registry.exporters.assembly import build_assemblies, read_arrays
from registry.exporters.shared_arrays import Verification, describe_content, read_shared_arrays
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import list_object_paths
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

DETECTOR = f"{PANEL_A}_{PANEL_B}"
T0, T1 = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"
TYPES = ["pixel_gain", "pixel_offset"]


@pytest.fixture
def opened(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    with sqlite_location.open() as registry:
        for seed, panel in enumerate((PANEL_A, PANEL_B)):
            folder = write_panel_folder(tmp_path / f"constants-{seed}", seed)
            registry.panels.add(panel)
            registry.versions.add(panel, folder, valid_from="beginning")
        yield registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the cache, by default."""
    return tmp_path / "user-cache" / "calreg"


def list_entries(folder: Path) -> dict[str, int]:
    """Return the inodes of the entries of the cache by their names: an entry that is made anew has another one."""
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def list_mappings(folder: Path) -> list[str]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line.split()[-1] for line in lines if str(folder) in line]


def test_shared_arrays_are_those_of_every_other_call_and_cannot_be_written(opened: Registry) -> None:
    usual, shared = (opened.constants(DETECTOR, at=T0, shared=shared) for shared in (False, True))
    assert list(shared) == list(usual) == TYPES
    for name, array in shared.items():
        assert (array.dtype, array.shape) == (usual[name].dtype, usual[name].shape)
        assert np.array_equal(array, usual[name])
        assert np.asarray(array) is array
        assert not array.flags.writeable
        assert array.ctypes.data % os.sysconf("SC_PAGESIZE") == 0
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0, 0, 0] = 1
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            array.flags.writeable = True
    assert shared.warnings == usual.warnings
    assert shared.provenance.resolution == usual.provenance.resolution
    assert shared.provenance.outputs == usual.provenance.outputs


def test_a_call_for_what_another_one_has_made_maps_the_same_files(opened: Registry, folder: Path) -> None:
    opened.constants(DETECTOR, at=T0, shared=True)
    entries = list_entries(folder)
    assert len(entries) == 2
    opened.detectors.configure("xcs1", "XcsEndstation.0:Jungfrau.0", DETECTOR, first_run=1)
    opened.runs.add("exp=xcs1:run=7", begin=T0)
    for types in (None, ["pixel_gain"], ["pixel_offset"]):
        opened.constants("exp=xcs1:run=7", types=types, shared=True)
    assert list_entries(folder) == entries
    opened.constants(PANEL_B, at=T0, shared=True)
    assert len(list_entries(folder)) == 4


def test_what_is_recorded_later_is_returned_and_what_was_answered_before_too(
    opened: Registry, tmp_path: Path, folder: Path
) -> None:
    before = opened.constants(DETECTOR, at=T1, shared=True)
    opened.versions.add(PANEL_A, write_panel_folder(tmp_path / "new", 5), valid_from=T0)
    after = opened.constants(DETECTOR, at=T1, shared=True)
    assert np.array_equal(after["pixel_gain"], opened.constants(DETECTOR, at=T1)["pixel_gain"])
    assert not np.array_equal(after["pixel_gain"], before["pixel_gain"])
    entries = list_entries(folder)
    revision = before.provenance.registry.revision
    again = opened.constants(DETECTOR, at=T1, as_of=revision, shared=True)
    assert np.array_equal(again["pixel_gain"], before["pixel_gain"])
    assert list_entries(folder) == entries


def test_a_mapping_ends_with_its_array(opened: Registry, folder: Path) -> None:
    constants = opened.constants(DETECTOR, at=T0, shared=True)
    gain = constants["pixel_gain"]
    assert len(list_mappings(folder)) == 2
    del constants
    assert len(list_mappings(folder)) == 1
    del gain
    assert list_mappings(folder) == []


def test_what_is_mapped_stays_when_the_cache_is_removed(opened: Registry, folder: Path) -> None:
    constants = opened.constants(DETECTOR, at=T0, shared=True)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert np.array_equal(constants["pixel_gain"], opened.constants(DETECTOR, at=T0)["pixel_gain"])
    opened.constants(DETECTOR, at=T0, shared=True)
    assert len(list_entries(folder)) == 2


def test_shared_constants_can_be_pickled(opened: Registry) -> None:
    shared = opened.constants(DETECTOR, at=T0, shared=True)
    again = pickle.loads(pickle.dumps(shared))  # noqa: S301 - our own
    assert np.array_equal(again["pixel_gain"], shared["pixel_gain"])


@pytest.mark.slow
def test_in_xarray_the_arrays_are_still_shared(opened: Registry) -> None:
    pytest.importorskip("xarray")
    shared = opened.constants(DETECTOR, at=T0, shared=True)
    variable = shared.to_xarray()["pixel_gain"]
    assert np.shares_memory(variable.values, shared["pixel_gain"])


def change_value(content: bytes, _record: ArrayRecord) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def change_last_value(content: bytes, record: ArrayRecord) -> bytes:
    place = record.content.size - 1
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def cut_footer(content: bytes, _record: ArrayRecord) -> bytes:
    return content[:-1]


def cut_to_page(content: bytes, _record: ArrayRecord) -> bytes:
    return content[:64]


def remove_all(_content: bytes, _record: ArrayRecord) -> bytes:
    return b""


def add_bytes(content: bytes, _record: ArrayRecord) -> bytes:
    return content + b"x"


def add_bytes_before(content: bytes, _record: ArrayRecord) -> bytes:
    return b"x" * 4096 + content


def change_record(content: bytes, record: ArrayRecord) -> bytes:
    place = content.index(b"boot", record.content.size)
    return content[:place] + b"b00t" + content[place + 4 :]


def exchange_parts(content: bytes, record: ArrayRecord) -> bytes:
    """Exchange two panels, and say so in a record that is whole."""
    size, whole = record.content.part_size, record.content.size
    starts = [record.find_start(part) for part in range(len(record.files))]
    return (
        content[size : 2 * size]
        + content[:size]
        + content[2 * size : whole]
        + encode_record(record.content, starts)
    )


def forge_record(content: bytes, record: ArrayRecord) -> bytes:
    """Write other values, and before each the digits that a header of numpy may have."""
    whole = record.content.size
    return bytes(whole) + encode_record(record.content, [b"\x93NUMPY"] * len(record.files))


def claim_zeros(content: bytes, record: ArrayRecord) -> bytes:
    """Write zeros, and say that there are no files."""
    from dataclasses import replace

    empty = replace(record.content, files=(None,) * len(record.files))
    return bytes(record.content.size) + encode_record(empty, [b""] * len(record.files))


STRUCTURAL = [
    cut_footer,
    cut_to_page,
    remove_all,
    add_bytes,
    add_bytes_before,
    change_record,
    claim_zeros,
]
DAMAGE = [*STRUCTURAL, change_value, change_last_value, exchange_parts, forge_record]


def edit_entry(path: Path, edit: Callable[[bytes, ArrayRecord], bytes]) -> None:
    content = path.read_bytes()
    with path.open("rb") as file:
        record = read_record(file.fileno())
    assert record is not None
    path.chmod(0o600)
    path.write_bytes(edit(content, record))
    path.chmod(0o400)


@pytest.mark.parametrize("edit", DAMAGE)
def test_a_damaged_copy_is_made_anew_and_never_returned(
    opened: Registry, folder: Path, edit: Callable[[bytes, ArrayRecord], bytes]
) -> None:
    expected = {name: array.copy() for name, array in opened.constants(DETECTOR, at=T0, shared=True).items()}
    before = list_entries(folder)
    for path in folder.iterdir():
        edit_entry(path, edit)
    constants = opened.constants(DETECTOR, at=T0, shared=True)
    for name, array in constants.items():
        assert np.array_equal(array, expected[name])
    after = list_entries(folder)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)


@pytest.mark.parametrize("edit", STRUCTURAL)
def test_what_is_verified_once_is_still_whole(
    opened: Registry, folder: Path, edit: Callable[[bytes, ArrayRecord], bytes]
) -> None:
    expected = opened.constants(DETECTOR, at=T0)
    opened.constants(DETECTOR, at=T0, shared=True, verify="once")
    for path in folder.iterdir():
        edit_entry(path, edit)
    constants = opened.constants(DETECTOR, at=T0, shared=True, verify="once")
    for name, array in constants.items():
        assert np.array_equal(array, expected[name])


def test_after_a_new_start_of_the_machine_what_is_verified_once_is_verified_again(
    opened: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = opened.constants(DETECTOR, at=T0)
    opened.constants(DETECTOR, at=T0, shared=True, verify="once")
    before = list_entries(folder)
    for path in folder.iterdir():
        edit_entry(path, change_value)
    monkeypatch.setattr("registry.exporters.shared_arrays.find_boot", lambda: "another start")
    constants = opened.constants(DETECTOR, at=T0, shared=True, verify="once")
    for name, array in constants.items():
        assert np.array_equal(array, expected[name])
    assert list_entries(folder) != before


def test_a_damaged_object_is_refused_and_no_entry_is_left(
    opened: Registry, sqlite_location: RegistryLocation, folder: Path
) -> None:
    store = ContentStore(sqlite_location.store)
    path = min(list_object_paths(store))
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with assert_refused(CorruptionError, path.stem):
        opened.constants(DETECTOR, at=T0, shared=True)
    assert len(list_entries(folder)) <= 1  # that of the other type


def test_files_without_a_recorded_blake3_are_verified_by_their_sha256(
    opened: Registry, sqlite_location: RegistryLocation, tmp_path: Path, folder: Path
) -> None:
    opened.export(DETECTOR, tmp_path / "out", at=T0)
    resolution = provenance.read(tmp_path / "out" / "provenance.json").resolution
    assemblies = build_assemblies(resolution, ContentStore(sqlite_location.store))
    expected = read_arrays(assemblies)
    for _ in range(2):
        arrays, problem = read_shared_arrays(assemblies, CacheFolder(folder), Verification.ALWAYS)
        assert problem is None
        assert all(np.array_equal(arrays[name], expected[name]) for name in expected)
        for path in folder.iterdir():
            edit_entry(path, change_last_value)


def test_absent_panels_are_zeros_and_are_verified_too(
    opened: Registry, sqlite_location: RegistryLocation, tmp_path: Path, folder: Path
) -> None:
    opened.export(DETECTOR, tmp_path / "out", at=T0)
    resolution = provenance.read(tmp_path / "out" / "provenance.json").resolution
    slots = (resolution.panels[1], None, resolution.panels[0])
    assemblies = build_assemblies(resolution, ContentStore(sqlite_location.store), slots=slots)
    expected = read_arrays(assemblies)
    for number in range(3):
        arrays, _ = read_shared_arrays(assemblies, CacheFolder(folder), Verification.ALWAYS)
        assert all(np.array_equal(arrays[name], expected[name]) for name in expected)
        path = folder / str(describe_content(assemblies[0]).name)
        with path.open("rb") as file:
            assert is_sound(file.fileno(), EntryName.parse(path.name))
        part = assemblies[0].shape[2] * assemblies[0].shape[3] * 4

        def set_zero(content: bytes, _record: ArrayRecord, place: int = (number + 1) * part) -> bytes:
            return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

        edit_entry(path, set_zero)
        with path.open("rb") as file:
            assert not is_sound(file.fileno(), EntryName.parse(path.name))


@pytest.mark.parametrize("edit", DAMAGE)
def test_an_entry_is_found_to_be_damaged_without_a_registry(
    opened: Registry, folder: Path, edit: Callable[[bytes, ArrayRecord], bytes]
) -> None:
    opened.constants(DETECTOR, at=T0, shared=True)
    for path in folder.iterdir():
        for is_expected in (True, False):
            with path.open("rb") as file:
                assert is_sound(file.fileno(), EntryName.parse(path.name)) is is_expected
            edit_entry(path, edit) if is_expected else None


def test_without_a_cache_the_arrays_are_the_process_s_own_and_a_warning_says_so(
    opened: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALREG_CACHE", "off")
    constants = opened.constants(DETECTOR, at=T0, shared=True)
    assert constants.warnings == (
        "the arrays are not shared with other processes: the cache is switched off",
    )
    assert not constants["pixel_gain"].flags.writeable
    assert not folder.exists()


def test_where_the_disk_of_the_cache_is_full_the_arrays_are_the_process_s_own(
    opened: Registry, tmpfs: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmpfs("size=8k,mode=0700")
    (mounted / "filler").write_bytes(bytes(8192))
    monkeypatch.setenv("CALREG_CACHE", str(mounted))
    constants = opened.constants(DETECTOR, at=T0, shared=True)
    (warning,) = constants.warnings
    assert warning.endswith(f"the cache '{mounted}' cannot be written: No space left on device")
    assert np.array_equal(constants["pixel_gain"], opened.constants(DETECTOR, at=T0)["pixel_gain"])
    assert [path.name for path in mounted.iterdir()] == ["filler"]


def test_a_cache_on_a_disk_that_is_only_read_is_read(
    opened: Registry, tmpfs: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmpfs("size=1m,mode=0700")
    monkeypatch.setenv("CALREG_CACHE", str(mounted))
    opened.constants(DETECTOR, at=T0, types=["pixel_gain"], shared=True)
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    assert opened.constants(DETECTOR, at=T0, types=["pixel_gain"], shared=True).warnings == ()
    (warning,) = opened.constants(DETECTOR, at=T0, shared=True).warnings
    assert "Read-only file system" in warning


def test_a_cache_that_others_may_write_is_refused(opened: Registry, folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with assert_refused(DeniedError, "0777", str(folder)):
        opened.constants(DETECTOR, at=T0, shared=True)
    assert list(folder.iterdir()) == []


def test_lazy_arrays_are_not_shared(opened: Registry, folder: Path) -> None:
    for verify in ("always", "once"):
        with assert_refused(RequestError, "lazy"):
            opened.constants(DETECTOR, at=T0, lazy=True, shared=True, verify=verify)
    assert not folder.exists()


def test_some_panels_have_an_entry_of_their_own(opened: Registry, folder: Path) -> None:
    opened.constants(DETECTOR, at=T0, shared=True)
    some = opened.constants(DETECTOR, at=T0, panels=[PANEL_B], shared=True)
    assert np.array_equal(some["pixel_gain"], opened.constants(DETECTOR, at=T0)["pixel_gain"][:, 1:])
    assert len(list_entries(folder)) == 4
    opened.constants(PANEL_B, at=T0, shared=True)  # the same files
    assert len(list_entries(folder)) == 4


@pytest.mark.parametrize(
    "options", [{"verify": "once"}, {"verify": "never", "shared": True}, {"verify": True}]
)
def test_a_verification_that_is_not_known_is_refused(opened: Registry, options: dict[str, Any]) -> None:
    with assert_refused(RequestError, "verify"):
        opened.constants(DETECTOR, at=T0, **options)


def _identify_mapping(database: str, store: Path, verify: str) -> tuple[list[str], float]:
    """Return which files this process maps, and a sum of their values."""
    with use_small_panels(), RegistryLocation(database, store).open() as registry:
        constants = registry.constants(DETECTOR, at=T0, shared=True, verify=verify)
        assert constants.warnings == ()
        maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if "array-" in line]
        return sorted(fields[4] for fields in maps), float(sum(array.sum() for array in constants.values()))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_several_processes_map_the_same_files(
    opened: Registry, sqlite_location: RegistryLocation, folder: Path, method: str
) -> None:
    expected = float(sum(array.sum() for array in opened.constants(DETECTOR, at=T0).values()))
    tasks = [(sqlite_location.database, sqlite_location.store, verify) for verify in ("always", "once")]
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.starmap(_identify_mapping, tasks, chunksize=1)
    inodes = sorted(map(str, list_entries(folder).values()))
    assert [files for files, _ in results] == [inodes] * 2
    assert [total for _, total in results] == [expected] * 2


_inherited: dict[str, Any] = {}


def _sum_inherited(name: str) -> float:
    return float(_inherited[name].sum())


@pytest.mark.slow
def test_a_forked_worker_reads_the_arrays_that_it_inherits(opened: Registry) -> None:
    constants = opened.constants(DETECTOR, at=T0, shared=True)
    _inherited.update(constants)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        sums = pool.map(_sum_inherited, TYPES)
    _inherited.clear()
    assert sums == [float(constants[name].sum()) for name in TYPES]


def test_an_entry_says_at_which_start_of_the_machine_it_was_made(opened: Registry, folder: Path) -> None:
    opened.constants(DETECTOR, at=T0, shared=True)
    for path in folder.iterdir():
        with path.open("rb") as file:
            record = read_record(file.fileno())
        assert record is not None
        assert record.boot == format_of_entries.find_boot() != ""
