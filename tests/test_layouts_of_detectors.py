"""Arrays of whole detectors from other systems, split by panel: deployed files, documents, calibration stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.api import Registry
from registry.errors import ImportHazardError, RequestError
from registry.exporters.text import build_header
from registry.records import Version
from testing.layouts import make_dark
from testing.panels import PANEL_A, PANEL_B, PANEL_C, SOURCE, make_panel_array, write_panel_folder
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

DETECTOR = f"{PANEL_A}_{PANEL_B}"
KINDS = ("gain", "offset", "pedestals", "status")
TIMES = {run: f"2020-01-{run:02}T00:00:00Z" for run in range(1, 30)}
HOME = f"Jungfrau::CalibV1/{SOURCE}"


def add_runs(registry: Registry, *numbers: int) -> None:
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1)
    for number in numbers:
        registry.runs.add(f"exp=xcs1:run={number}", begin=TIMES[number])


@pytest.fixture
def registered(registry: Registry, tmp_path: Path) -> dict[tuple[str, str], str | None]:
    """The constants of two panels by panel and kind, in the registry from the beginning."""
    constants: dict[tuple[str, str], str | None] = {}
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        folder = write_panel_folder(tmp_path / panel, seed, KINDS)
        registry.panels.add(panel)
        outcome = registry.versions.add(panel, folder, valid_from="2019-01-01T00:00:00Z")
        constants |= {(row.panel, row.kind): row.constants for row in outcome.versions}
    add_runs(registry, 5)
    return constants


def array_of(kind: str, *seeds: int) -> np.ndarray[Any, Any]:
    return np.stack(
        [np.stack([make_panel_array(kind, gain_range, seed) for seed in seeds]) for gain_range in range(3)]
    )


def write_array(path: Path, array: np.ndarray[Any, Any], fmt: str = "%.4f") -> Path:
    """Write the text of an array as the facility's tools do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(build_header(array.shape, array.dtype.name))
        np.savetxt(file, array.reshape(-1, array.shape[-1]), "%d" if array.dtype.kind == "u" else fmt)
    return path


def import_deployed(registry: Registry, root: Path, **options: Any) -> list[Version]:
    return list(registry.import_tree(root, layout="psana", experiment="xcs1", **options).versions)


def hazards_of(registry: Registry, root: Path, layout: str) -> str:
    before = len(registry.log())
    with pytest.raises(ImportHazardError) as caught:
        registry.import_tree(root, layout=layout, experiment="xcs1" if layout == "psana" else None)
    assert len(registry.log()) == before
    return "\n".join(caught.value.values["hazards"])


def states_of(versions: list[Version], panel: str = PANEL_A) -> list[tuple[str, bool]]:
    return [(str(row.valid_from), row.is_gap) for row in versions if row.panel == panel]


def test_what_is_exported_for_psana_is_read_back_with_the_same_constants(
    registry: Registry, registered: dict[tuple[str, str], str | None], tmp_path: Path
) -> None:
    types = ["pixel_gain", "pixel_offset", "pedestals", "pixel_status"]
    registry.export("exp=xcs1:run=5", tmp_path / "calib", format="psana", types=types)
    versions = import_deployed(registry, tmp_path / "calib")
    assert {(row.panel, row.kind): row.constants for row in versions} == registered
    assert {str(row.valid_from) for row in versions} == {TIMES[5]}
    assert {row.conversion.dtype for row in versions if row.conversion} == {"text"}
    assert import_deployed(registry, tmp_path / "calib") == []


def test_what_is_exported_for_the_newer_system_is_read_back_with_the_same_constants(
    registry: Registry, registered: dict[tuple[str, str], str | None], tmp_path: Path
) -> None:
    types = ["pixel_gain", "pixel_offset", "pedestals", "pixel_status"]
    registry.export(
        "exp=xcs1:run=5",
        tmp_path / "out",
        format="lcls2",
        types=types,
        short_name="jungfrau_000003",
        first_run=5,
    )
    versions = registry.import_tree(tmp_path / "out", layout="lcls2-arrays").versions
    assert {(row.panel, row.kind): row.constants for row in versions} == registered
    assert {str(row.valid_from) for row in versions} == {TIMES[5]}
    assert {row.conversion.dtype for row in versions if row.conversion} == {"text"}


def test_a_deployed_text_that_was_rounded_says_so(registry: Registry, tmp_path: Path) -> None:
    add_runs(registry, 5)
    file = write_array(tmp_path / HOME / "pixel_gain" / "5-end.data", array_of("gain", 0, 1))
    versions = import_deployed(registry, tmp_path)
    assert [row.panel for row in versions] == [PANEL_A, PANEL_B]
    for version in versions:
        assert version.conversion is not None
        assert version.conversion.dtype == "text, rounded to 4 digits"
        assert version.conversion.file == "5-end.data"
    identity = registry.identify(file)
    assert [row.version for row in identity.converted] == [row.version for row in versions]


def test_a_panel_has_the_constants_that_the_framework_takes_from_the_start_of_a_run_on(
    registry: Registry, tmp_path: Path
) -> None:
    add_runs(registry, 5, 8, 9, 11, 20)
    for name, seed in (("5-end", 0), ("8-10", 2), ("1-2", 4), ("5-9999", 6), ("4-end", 8)):
        if name not in ("5-9999", "1-2"):
            write_array(tmp_path / HOME / "pedestals" / f"{name}.data", array_of("pedestals", seed, seed + 1))
    outcome = registry.import_tree(tmp_path, layout="psana", experiment="xcs1")
    starts = [TIMES[5], TIMES[8], TIMES[11]]
    assert states_of(list(outcome.versions)) == [(start, False) for start in starts]
    first, _, third = [row.constants for row in outcome.versions if row.panel == PANEL_A]
    assert first == third
    assert any("4-end.data is hidden by other files in all recorded runs" in note for note in outcome.notes)


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("begins", "sentence"),
    [
        ({5: TIMES[10], 8: TIMES[5], 9: TIMES[12]}, "run 9 of xcs1 starts at 2020-01-12T00:00:00Z, where"),
        ({5: TIMES[10], 8: TIMES[10]}, "would have pedestals of 8-end.data in it, not of 5-7.data"),
    ],
)
def test_runs_that_do_not_start_in_the_order_of_their_numbers_are_refused(
    registry: Registry, tmp_path: Path, begins: dict[int, str], sentence: str
) -> None:
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1)
    for number, begin in begins.items():
        registry.runs.add(f"exp=xcs1:run={number}", begin=begin)
    for name, seed in (("5-7", 0), ("8-end", 2)):
        write_array(tmp_path / HOME / "pedestals" / f"{name}.data", array_of("pedestals", seed, seed + 1))
    assert sentence in hazards_of(registry, tmp_path, "psana")


def test_where_the_framework_finds_nothing_any_more_there_is_a_gap(
    registry: Registry, tmp_path: Path
) -> None:
    add_runs(registry, 5, 11)
    write_array(tmp_path / HOME / "pedestals" / "5-10.data", array_of("pedestals", 0, 1))
    assert states_of(import_deployed(registry, tmp_path)) == [(TIMES[5], False), (TIMES[11], True)]


DEPLOYED: dict[str, tuple[Callable[[Path], object], str]] = {
    "an end that is not known": (
        lambda types: write_array(types / "pedestals/5-10.data", array_of("pedestals", 0, 1)),
        "no later run than 8 of xcs1 is recorded: when its constants end is not known",
    ),
    "runs that are not recorded": (
        lambda types: write_array(types / "pedestals/20-end.data", array_of("pedestals", 0, 1)),
        "no run of xcs1 in its range is recorded: its start is not known",
    ),
    "a run without a start": (
        lambda types: write_array(types / "pedestals/7-end.data", array_of("pedestals", 0, 1)),
        "the start of run 7 of xcs1 is not recorded",
    ),
    "another number of panels": (
        lambda types: write_array(types / "pedestals/5-end.data", array_of("pedestals", 0)),
        "it has 1 panel, and the source 2 panels in run 5",
    ),
    "a name on which the framework stops": (
        lambda types: write_array(types / "pedestals/10-foo.data", array_of("pedestals", 0, 1)),
        "the analysis framework stops on this name",
    ),
    "another shape": (
        lambda types: write_array(types / "pedestals/5-end.data", array_of("pedestals", 0, 1)[:2]),
        "it has the shape (2, 2, 4, 6), which is not that of jungfrau",
    ),
    "a text that is cut": (
        lambda types: cut(write_array(types / "pedestals/5-end.data", array_of("pedestals", 0, 1))),
        "5-end.data",
    ),
    "another source": (
        lambda types: types.rename(types.with_name("XcsEndstation.0:Jungfrau.1")),
        "no run of xcs1",
    ),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(("make", "sentence"), DEPLOYED.values(), ids=DEPLOYED)
def test_a_deployed_file_that_cannot_be_taken_is_named(
    registry: Registry, tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    add_runs(registry, 5, 8)
    registry.runs.add("exp=xcs1:run=7")
    (tmp_path / "tree" / HOME / "pedestals").mkdir(parents=True)
    make(tmp_path / "tree" / HOME)
    assert sentence in hazards_of(registry, tmp_path / "tree", "psana")


@pytest.mark.sqlite_suffices
def test_a_layout_says_whether_it_needs_an_experiment(registry: Registry, tmp_path: Path) -> None:
    for layout, experiment in (("psana", None), ("lcls2", "xcs1"), (None, "xcs1")):
        with assert_refused(RequestError):
            registry.import_tree(tmp_path, layout=layout, experiment=experiment)


@pytest.mark.sqlite_suffices
def test_a_comparison_is_about_a_directory_of_links(
    calreg: Calreg, registry: Registry, tmp_path: Path
) -> None:
    assert calreg("import", str(tmp_path), "--layout", "lcls2", "--compare").code == 2


def write_document(folder: Path, suffix: str = ".npy", stem: str = "one", **fields: Any) -> Path:
    """Write the pedestals of eight segments, of which 0 and 3 are there, and their document."""
    folder.mkdir(parents=True, exist_ok=True)
    array = np.zeros((3, 8, 4, 6), np.float32)
    for segment, seed in ((0, 0), (3, 1)):
        array[:, segment] = [make_dark("pedestals", gain_range, seed) for gain_range in range(3)]
    if suffix == ".npy":
        np.save(folder / f"{stem}.npy", array)
    else:
        write_array(folder / f"{stem}{suffix}", array, "%.3f")
    document = {
        "experiment": "mfx101332224",
        "run": 66,
        "run_end": "end",
        "run_orig": 66,
        "detector": "jungfrau_000003",
        "longname": f"jungfrau_{DETECTOR}",
        "dettype": "jungfrau",
        "ctype": "pedestals",
        "dtype": "ndarray",
        "time_sec": 1773680523,
        "time_stamp": "2026-03-16T10:02:03-0700",
        "segment_ids": [PANEL_A, PANEL_B],
        "segment_inds": [0, 3],
    } | fields
    document = {key: value for key, value in document.items() if value is not ...}
    (folder / f"{stem}.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("layout", ["lcls2-arrays", "cdb"])
@pytest.mark.parametrize("suffix", [".npy", ".txt", ".data"])
def test_an_array_is_split_by_the_segments_of_its_document(
    registry: Registry, tmp_path: Path, suffix: str, layout: str
) -> None:
    write_document(tmp_path / "tree" / "merge_tmp", suffix, run={"$numberInt": "66"})
    versions = registry.import_tree(tmp_path / "tree", layout=layout).versions
    assert [(row.panel, row.kind, str(row.valid_from)) for row in versions] == [
        (panel, "pedestals", "2026-03-16T17:02:03Z") for panel in (PANEL_A, PANEL_B)
    ]
    (array,) = registry.constants(PANEL_B, at="2026-04-01T00:00:00Z", types=["pedestals"]).values()
    np.testing.assert_array_equal(array[:, 0], [make_dark("pedestals", number, 1) for number in range(3)])
    dtype = "<f4" if suffix == ".npy" else "text, rounded to 3 digits"
    assert versions[0].conversion is not None
    assert versions[0].conversion.dtype == dtype


def test_a_document_that_serves_earlier_runs_starts_with_the_first_of_them(
    registry: Registry, tmp_path: Path
) -> None:
    write_document(tmp_path / "tree", run=60)
    assert "the start of run 60 is not recorded" in hazards_of(registry, tmp_path / "tree", "cdb")
    registry.runs.add("exp=mfx101332224:run=60", begin="2026-03-15T00:00:00Z")
    versions = registry.import_tree(tmp_path / "tree", layout="cdb").versions
    assert {str(row.valid_from) for row in versions} == {"2026-03-15T00:00:00Z"}


DOCUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "an end": ({"run_end": 70}, "it ends with run '70'"),
    "no segments": ({"segment_inds": ...}, "it does not say which of 8 segments of the array"),
    "a segment beyond the array": ({"segment_inds": [0, 8]}, "it does not say which of 8 segments"),
    "a segment twice": ({"segment_inds": [3, 3]}, "it does not say which of 8 segments"),
    "a panel twice": (
        {"segment_ids": [PANEL_A, PANEL_A]},
        "its panels are not those of a jungfrau, each once",
    ),
    "no time": ({"time_sec": ..., "time_stamp": ...}, "it has neither time_stamp nor time_sec"),
    "two times": ({"time_sec": 1773680524}, "its time_stamp is 2026-03-16T17:02:03Z, and its time_sec"),
    "a time without an offset": ({"time_stamp": "2026-03-16T10:02:03"}, "has no UTC offset"),
    "a run that is not a number": ({"run": 70.0}, "its run is '70.0', which is not an integer"),
    "a run as a text": ({"run": "60"}, "the start of run 60 is not recorded"),
    "seconds as a text": (
        {"time_sec": "1773680524"},
        "its time_stamp is 2026-03-16T17:02:03Z, and its time_sec",
    ),
    "seconds that are not": ({"time_sec": {"$numberDouble": "1.5"}}, "which is not an integer"),
    "panels that are not a list": ({"segment_ids": PANEL_A}, "its segment_ids are not a list"),
    "other panels in its long name": (
        {"longname": f"jungfrau_{PANEL_A}_{PANEL_C}"},
        "its longname and its segment_ids are of different panels",
    ),
    "another shape": ({"data_shape": "(3, 4, 4, 6)"}, "has (3, 8, 4, 6)"),
}


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(("fields", "sentence"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_that_does_not_say_what_is_needed_is_named(
    registry: Registry, tmp_path: Path, fields: dict[str, Any], sentence: str
) -> None:
    write_document(tmp_path / "tree", **fields)
    assert sentence in hazards_of(registry, tmp_path / "tree", "cdb")


@pytest.mark.sqlite_suffices
def test_of_two_documents_of_one_start_the_arrays_must_be_the_same(
    registry: Registry, tmp_path: Path
) -> None:
    write_document(tmp_path / "tree" / "cdb_mfx101332224", stem="a")
    write_document(tmp_path / "tree" / "cdb_jungfrau_000003", stem="b")
    outcome = registry.import_tree(tmp_path / "tree", layout="cdb", dry_run=True)
    assert len(outcome.versions) == 2
    assert any("has the bytes of" in note for note in outcome.notes)
    array = np.load(tmp_path / "tree/cdb_mfx101332224/a.npy")
    np.save(tmp_path / "tree/cdb_mfx101332224/a.npy", array + 1)
    assert "state pedestals of the same start: which of them is meant?" in hazards_of(
        registry, tmp_path / "tree", "cdb"
    )


@pytest.mark.sqlite_suffices
def test_other_documents_and_arrays_without_one_are_left_out(registry: Registry, tmp_path: Path) -> None:
    write_document(tmp_path / "tree")
    write_document(tmp_path / "tree", stem="two", ctype="pixel_bkgd")
    (tmp_path / "tree" / "three.json").write_text("[1]")
    (tmp_path / "tree" / "four.json").write_text("{")
    assert "four.json: it is not JSON" in hazards_of(registry, tmp_path / "tree", "cdb")
    (tmp_path / "tree" / "four.json").unlink()
    notes = registry.import_tree(tmp_path / "tree", layout="cdb").notes
    assert any("'two.json' is of 'pixel_bkgd' of 'jungfrau'" in note for note in notes)
    assert any("'three.json' is not the document of an array" in note for note in notes)


def write_store(path: Path, ranges: dict[tuple[float, float | str], list[int]], versdef: int = 0) -> Path:
    """Write a calibration store of pedestals: by range the seeds of its versions."""
    h5py = pytest.importorskip("h5py")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("dettype", shape=(1,), dtype="S8")[0] = b"jungfrau"
        kind = file.create_group("pedestals")
        file.create_group("_history")
        for (begin, end), seeds in ranges.items():
            group = kind.create_group(f"{begin:.0f}-{end if end == 'end' else format(end, '.0f')}")
            group.create_dataset("begin", shape=(1,), dtype="double", data=begin)
            if end == "end":
                group.create_dataset("end", shape=(1,), dtype="S3")[0] = b"end"
            else:
                group.create_dataset("end", shape=(1,), dtype="double", data=end)
            group.create_dataset("versdef", shape=(1,), dtype="int", data=versdef)
            for number, seed in enumerate(seeds, start=1):
                version = group.create_group(f"v{number:04}")
                version.create_dataset("version", shape=(1,), dtype="int", data=number)
                version.create_dataset("data", data=array_of("pedestals", seed, seed + 1).astype(np.float64))
    return path


BEGIN = 1577836800.0  # 2020-01-01T00:00:00Z
DAY = 86400.0


def test_a_calibration_store_is_read_as_its_own_look_up_reads_it(registry: Registry, tmp_path: Path) -> None:
    ranges: dict[tuple[float, float | str], list[int]] = {
        (BEGIN, "end"): [0, 2],
        (BEGIN + DAY, BEGIN + 2 * DAY): [4],
    }
    write_store(tmp_path / "tree" / "jungfrau" / f"jungfrau-{DETECTOR}.h5", ranges)
    versions = list(registry.import_tree(tmp_path / "tree", layout="dcs").versions)
    assert states_of(versions, PANEL_B) == [
        ("2020-01-01T00:00:00Z", False),
        ("2020-01-02T00:00:00Z", False),
        ("2020-01-03T00:00:00.000001Z", False),
    ]
    (array,) = registry.constants(PANEL_B, at="2020-01-01T12:00:00Z", types=["pedestals"]).values()
    np.testing.assert_array_equal(array[:, 0], array_of("pedestals", 3)[:, 0])


def test_a_range_that_ends_leaves_a_gap_and_a_default_version_counts(
    registry: Registry, tmp_path: Path
) -> None:
    write_store(tmp_path / f"jungfrau-{DETECTOR}.h5", {(BEGIN, BEGIN + DAY): [0, 2]}, versdef=1)
    versions = list(registry.import_tree(tmp_path, layout="dcs").versions)
    assert [is_gap for _, is_gap in states_of(versions)] == [False, True]
    (array,) = registry.constants(PANEL_A, at="2020-01-01T12:00:00Z", types=["pedestals"]).values()
    np.testing.assert_array_equal(array[:, 0], array_of("pedestals", 0)[:, 0])


@pytest.mark.sqlite_suffices
def test_a_store_that_cannot_be_read_is_named(registry: Registry, tmp_path: Path) -> None:
    write_store(tmp_path / "tree" / "jungfrau-XcsEndstation.0-Jungfrau.0.h5", {})
    write_store(tmp_path / "tree" / f"jungfrau-{PANEL_A}.h5", {(BEGIN, "end"): [0]})
    (tmp_path / "tree" / f"jungfrau-{PANEL_B}.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90))
    hazards = hazards_of(registry, tmp_path / "tree", "dcs")
    assert "'XcsEndstation.0-Jungfrau.0' is not a panel Id" in hazards
    assert "has the shape (3, 2, 4, 6); (3, 1, 4, 6) is that of the detector Id" in hazards
    assert "is not HDF5, or damaged" in hazards


@pytest.mark.sqlite_suffices
def test_times_and_numbers_of_a_store_that_cannot_be_are_named(registry: Registry, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    nan = write_store(tmp_path / f"jungfrau-{PANEL_A}.h5", {(BEGIN, "end"): [0]})
    twice = write_store(tmp_path / f"jungfrau-{PANEL_B}.h5", {(BEGIN, "end"): [0, 2]})
    same = write_store(tmp_path / f"jungfrau-{DETECTOR}.h5", {(BEGIN, "end"): [0], (BEGIN + 1, "end"): [2]})
    write_store(
        tmp_path / "jungfrau" / f"jungfrau-{DETECTOR}.h5", {(BEGIN + DAY, BEGIN): [0], (BEGIN, "end"): [0]}
    )
    with h5py.File(nan, "r+") as file:
        file["pedestals"][f"{BEGIN:.0f}-end"]["begin"][0] = float("nan")
        del file["pedestals"][f"{BEGIN:.0f}-end"]["v0001"]["data"]
        shape = (3, 1, 4, 6)
        file["pedestals"][f"{BEGIN:.0f}-end"]["v0001"].create_dataset("data", data=np.zeros(shape))
    with h5py.File(twice, "r+") as file:
        file["pedestals"][f"{BEGIN:.0f}-end"]["v0002"]["version"][0] = 1
    with h5py.File(same, "r+") as file:
        file["pedestals"][f"{BEGIN + 1:.0f}-end"]["begin"][0] = BEGIN
    hazards = hazards_of(registry, tmp_path, "dcs")
    assert "nan seconds after 1970 are not a time" in hazards
    assert "has version 1 twice: which of them is meant?" in hazards
    assert "pedestals has one range of times twice" in hazards
    assert "ends at 2020-01-01T00:00:00Z, before its begin 2020-01-02T00:00:00Z" in hazards
