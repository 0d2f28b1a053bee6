"""The files that the deploy tool of the newer data system takes, and the names by which its reader finds them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry import detectors
from registry.api import Registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.detectors.newer_names import parse_short_name
from registry.errors import ConflictError, IdentifierError, NotValidError, RegistryError, Remedy, RequestError
from testing.panels import (
    PANEL_A,
    PANEL_B,
    PANEL_C,
    SHORT_NAME,
    make_panel_array,
    use_small_panels,
    write_panel_folder,
)
from testing.registries import RegistryLocation
from tests.conftest import make_location
from tests.psana_readers import read_newer
from tests.refusals import assert_refused

pytestmark = pytest.mark.sqlite_suffices

SOURCE = "XcsEndstation.0:Jungfrau.0"
RUN = "exp=xcs1:run=12"
BEGIN = "2020-01-01T00:00:00Z"
DETECTOR = f"{PANEL_A}_{PANEL_B}"
STEM = "jungfrau_000003-20200101000000-xcs1"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


def register_panels(registry: Registry, folder: Path) -> Registry:
    """Let the registry know two panels, the short name of their detector, and runs 5, 12 and 14."""
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(folder / panel, seed), valid_from="beginning")
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1)
    registry.detectors.name(SHORT_NAME, DETECTOR)
    for run in (5, 12, 14):
        registry.runs.add(f"exp=xcs1:run={run}", begin=BEGIN)
    return registry


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryLocation]:
    """The location of `known`."""
    yield from make_location(request, tmp_path_factory.mktemp("known"), "sqlite")


@pytest.fixture(scope="module")
def known(place: RegistryLocation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for the tests that only export."""
    with place.open() as registry:
        yield register_panels(registry, tmp_path_factory.mktemp("arrays"))


@pytest.fixture
def own(registry: Registry, tmp_path: Path) -> Registry:
    """The same, for a test that records something."""
    return register_panels(registry, tmp_path)


def find_documents(folder: Path, experiment: str, run: int) -> list[Path]:
    """Return the documents that the deploy tool takes: by a part of their names."""
    paths = (folder / "jungfrau" / "merge_tmp").glob("*")
    return sorted(
        path for path in paths if f"-{experiment}-r{run:04d}-" in path.name and ".json" in path.name
    )


def find_constants(folder: Path, experiment: str, first: int, run: int, short_name: str) -> dict[str, Any]:
    """Return by type the array that the reader has for a run, once the tool has deployed the files of a first run."""
    arrays = {}
    for path in find_documents(folder, experiment, first):
        fields = json.loads(path.read_bytes())
        last = 9999 if fields["run_end"] == "end" else int(fields["run_end"])
        if fields["detector"] == short_name and int(fields["run"]) <= run <= last:
            assert fields["dtype"] == "ndarray"
            arrays[fields["ctype"]] = read_newer(Path(str(path).replace(".json", ".txt")))
    return arrays


def test_the_deploy_tool_finds_the_files_and_the_reader_their_constants(
    known: Registry, place: RegistryLocation, tmp_path: Path
) -> None:
    done = known.export(RUN, tmp_path / "out", format="lcls2", last_run=20)
    expected = known.constants(RUN)
    names = [path.name for path in find_documents(tmp_path / "out", "xcs1", 12)]
    assert names == [f"{STEM}-r0012-{name}.json" for name in ("pixel_gain", "pixel_offset")]
    for run in (12, 20):
        arrays = find_constants(tmp_path / "out", "xcs1", 12, run, SHORT_NAME)
        assert {name: array.tobytes() for name, array in arrays.items()} == {
            name: expected[name].tobytes() for name in ("pixel_gain", "pixel_offset")
        }
    for run, short_name in ((11, SHORT_NAME), (21, SHORT_NAME), (12, "jungfrau_000004")):
        assert find_constants(tmp_path / "out", "xcs1", 12, run, short_name) == {}
    assert verify_export(done.provenance, place.database, place.store).problems == ()
    again = replay(done.provenance, tmp_path / "again", NOWHERE, place.store)
    assert [output.sha256 for output in again.outputs] == [output.sha256 for output in done.outputs]
    assert Path(done.provenance).relative_to(tmp_path / "out") == Path(
        f"jungfrau/{STEM}-r0012-20-pixel_gain-pixel_offset.json"
    )


def test_a_document_has_the_fields_of_the_database(known: Registry, tmp_path: Path) -> None:
    done = known.export(RUN, tmp_path / "out", format="lcls2", last_run=20, types=["pixel_offset"])
    (path,) = find_documents(tmp_path / "out", "xcs1", 12)
    fields = json.loads(path.read_bytes())
    inside = fields.pop("extpars")
    assert fields == {
        "experiment": "xcs1",
        "run": 12,
        "run_beg": 12,
        "run_end": 20,
        "run_orig": 12,
        "detector": SHORT_NAME,
        "detname": SOURCE,
        "longname": f"jungfrau_{DETECTOR}",
        "shortname": SHORT_NAME,
        "dettype": "jungfrau",
        "ctype": "pixel_offset",
        "dtype": "ndarray",
        "time_sec": 1577836800,
        "time_stamp": "2020-01-01T00:00:00+0000",
        "tsshort": "20200101000000",
        "tstamp_orig": "2020-01-01T00:00:00+0000",
        "version": "calreg 0.1.0",
        "comment": f"registry {known.id}, revision {known.head.number}, seal {known.head.seal}",
        "iofname": path.with_suffix(".txt").name,
        "segment_ids": [PANEL_A, PANEL_B],
        "segment_inds": [0, 1],
        "shape_as_daq": [2, 4, 6],
    }
    assert inside["sha256"] == done.outputs[0].sha256
    assert (inside["revision"], inside["absent_segments"]) == (known.head.number, [])
    assert set(inside["constants"]) == {PANEL_A, PANEL_B}


def test_files_for_later_runs_serve_none_before(known: Registry, tmp_path: Path) -> None:
    """The first run is that of the range, not that of which the constants are."""
    known.export("exp=xcs1:run=5", tmp_path / "out", format="lcls2", first_run=8)
    assert find_documents(tmp_path / "out", "xcs1", 5) == []
    assert [run for run in range(1, 16) if find_constants(tmp_path / "out", "xcs1", 8, run, SHORT_NAME)] == [
        *range(8, 16)
    ]
    (fields, _) = (json.loads(path.read_bytes()) for path in find_documents(tmp_path / "out", "xcs1", 8))
    assert (fields["run"], fields["run_beg"], fields["run_end"], fields["run_orig"]) == (8, 8, "end", 5)


@pytest.mark.parametrize("last_run", [None, 20])
def test_the_note_is_the_command_that_deploys(known: Registry, tmp_path: Path, last_run: int | None) -> None:
    folder = tmp_path / "a folder"
    done = known.export(RUN, folder, format="lcls2", last_run=last_run)
    assert shlex.split(done.notes[-1].removeprefix("to deploy: ")) == [
        *("jungfrau_deploy_constants", "-k", "exp=xcs1,run=12", "-o", str(folder), "-F", "-D"),
        *(() if last_run is None else ("-R", str(last_run))),
        *("-C", f"registry {known.id}, revision {known.head.number}, seal {known.head.seal}"),
    ]


def test_another_detector_type_is_deployed_array_by_array(registry: Registry, tmp_path: Path) -> None:
    panel = detectors.DETECTOR_TYPES["epix10ka"].panel_id_format.example
    folder = tmp_path / "epix"
    folder.mkdir()
    for mode, (low, high) in enumerate(
        detectors.DETECTOR_TYPES["epix10ka"].find_kind("gain").expected_medians
    ):
        np.save(folder / f"g{mode}_gain.npy", np.full((4, 6), (low + high) / 2, np.float32))
    registry.panels.add(panel)
    registry.versions.add(panel, folder, valid_from="beginning", kinds=["gain"])
    done = registry.export(
        panel,
        tmp_path / "out",
        at=BEGIN,
        types=["pixel_gain"],
        format="lcls2",
        source="MfxEndstation.0:Epix10ka.0",
        first_run=3,
        experiment="mfx1",
        short_name="epix10ka_000001",
    )
    command = shlex.split(done.notes[-1].removeprefix("to deploy: "))
    assert command[:10] == [
        *("cdb", "add", "-e", "mfx1", "-d", "epix10ka_000001", "-c", "pixel_gain", "-r", "3")
    ]
    assert command[command.index("-f") + 1] == done.outputs[0].path
    assert read_newer(Path(done.outputs[0].path)).shape == (7, 1, 4, 6)


# Names


@pytest.mark.parametrize(
    ("options", "refusal", "values"),
    [
        ({}, RequestError, {"remedy": Remedy.GIVE_SHORT_NAME, "known": []}),
        ({"short_name": "jungfrau_3"}, IdentifierError, {"short_name": "jungfrau_3"}),
        ({"short_name": "epix10ka_000003"}, IdentifierError, {"short_name": "epix10ka_000003"}),
        ({"short_name": "jungfrau4M"}, IdentifierError, {"short_name": "jungfrau4M"}),
        ({"short_name": ""}, IdentifierError, {"short_name": ""}),
        ({"short_name": "jungfrau_000009"}, ConflictError, {"short_name": "jungfrau_000009"}),
    ],
)
def test_a_short_name_is_recorded_or_stated_and_never_guessed(
    own: Registry,
    tmp_path: Path,
    options: dict[str, str],
    refusal: type[RegistryError],
    values: dict[str, Any],
) -> None:
    own.detectors.withdraw_name(SHORT_NAME, comment="only this test needs it")
    own.panels.add(PANEL_C)
    own.detectors.name("jungfrau_000009", PANEL_C)
    with assert_refused(refusal, **values):
        own.export(RUN, tmp_path / "out", format="lcls2", **options)
    assert not (tmp_path / "out").exists()
    own.export(RUN, tmp_path / "out", format="lcls2", short_name=SHORT_NAME)


def test_another_short_name_than_the_recorded_one_is_a_conflict(own: Registry, tmp_path: Path) -> None:
    with assert_refused(ConflictError, SHORT_NAME, known=[SHORT_NAME]):
        own.export(RUN, tmp_path / "out", format="lcls2", short_name="jungfrau_000007")
    own.detectors.name("jungfrau_000007", DETECTOR)
    with assert_refused(RequestError, SHORT_NAME, "jungfrau_000007", remedy=Remedy.GIVE_SHORT_NAME):
        own.export(RUN, tmp_path / "out", format="lcls2")
    own.export(RUN, tmp_path / "out", format="lcls2", short_name="jungfrau_000007")


def test_a_brief_long_name_stands_for_itself() -> None:
    assert parse_short_name("jungfrau_1-2-3", "jungfrau", ["1-2-3"]) == "jungfrau_1-2-3"
    with pytest.raises(IdentifierError):
        parse_short_name(SHORT_NAME, "jungfrau", ["1-2-3"])


# Options


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"first_run": 3},
        {"last_run": 9},
        {"source": SOURCE},
        {"source": SOURCE, "first_run": 3},
        {"experiment": "xcs1"},
        {"experiment": "xcs1", "first_run": 3},
        {"experiment": "xcs1", "source": SOURCE},
        {"experiment": "xcs1", "source": SOURCE, "last_run": 9},
    ],
)
def test_a_detector_id_without_experiment_source_or_runs_is_refused(
    known: Registry, tmp_path: Path, options: dict[str, Any]
) -> None:
    with assert_refused(RequestError, remedy=Remedy.GIVE_EXPERIMENT_AND_RUNS):
        known.export(DETECTOR, tmp_path / "out", at=BEGIN, format="lcls2", **options)
    assert not (tmp_path / "out").exists()


def test_a_detector_id_is_exported_for_the_runs_of_a_stated_experiment(
    known: Registry, place: RegistryLocation, tmp_path: Path
) -> None:
    done = known.export(
        DETECTOR, tmp_path / "out", at=BEGIN, format="lcls2", source=SOURCE, first_run=3, experiment="mfx1"
    )
    assert set(find_constants(tmp_path / "out", "mfx1", 3, 9999, SHORT_NAME)) == {
        "pixel_gain",
        "pixel_offset",
    }
    assert verify_export(done.provenance, place.database, place.store).problems == ()
    with assert_refused(IdentifierError):
        known.export(
            DETECTOR, tmp_path / "x", at=BEGIN, format="lcls2", source=SOURCE, first_run=3, experiment="MFX1"
        )


def test_a_detector_id_is_not_exported_for_runs_of_other_constants(own: Registry, tmp_path: Path) -> None:
    own.versions.add(
        PANEL_A, write_panel_folder(tmp_path / "later", 7), valid_from="2020-02-01T00:00:00Z", kinds=["gain"]
    )
    own.runs.add("exp=xcs1:run=20", begin="2020-03-01T00:00:00Z")
    options: dict[str, Any] = {"at": BEGIN, "format": "lcls2", "source": SOURCE, "experiment": "xcs1"}
    with assert_refused(NotValidError, "run 20 ", experiment="xcs1", run=20):
        own.export(DETECTOR, tmp_path / "out", first_run=3, **options)
    with assert_refused(NotValidError, run=20):
        own.export(DETECTOR, tmp_path / "out", first_run=20, last_run=20, **options)
    assert not (tmp_path / "out").exists()
    own.export(DETECTOR, tmp_path / "out", first_run=3, last_run=19, **options)


@pytest.mark.parametrize("form", ["npy", "psana", "hdf5"])
@pytest.mark.parametrize("option", ["short_name", "experiment"])
def test_names_of_the_newer_system_are_refused_for_other_formats(
    known: Registry, tmp_path: Path, form: str, option: str
) -> None:
    options: dict[str, Any] = {option: "xcs1"}
    with assert_refused(RequestError, "lcls2", form, known=["lcls2"]):
        known.export(RUN, tmp_path / "out", format=form, **options)
    assert not (tmp_path / "out").exists()


def test_an_experiment_beside_a_run_is_refused(known: Registry, tmp_path: Path) -> None:
    with assert_refused(RequestError, "xcs1", experiment="xcs2"):
        known.export(RUN, tmp_path / "out", format="lcls2", experiment="xcs2")


@pytest.mark.parametrize("runs", [{"last_run": 10_000}, {"first_run": 10_000}])
def test_runs_that_the_reader_does_not_find_are_refused(
    known: Registry, tmp_path: Path, runs: dict[str, int]
) -> None:
    with assert_refused(RequestError, run=10_000):
        known.export(RUN, tmp_path / "out", format="lcls2", **runs)
    assert not (tmp_path / "out").exists()


# Values and folders


@pytest.mark.parametrize(("value", "is_exact"), [(2**53 - 1, True), (2**53 + 1, False), (2**64 - 1, False)])
def test_a_mask_that_the_tool_would_not_read_exactly_is_refused(
    own: Registry, tmp_path: Path, value: int, is_exact: bool
) -> None:
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        folder = tmp_path / f"status{seed}"
        folder.mkdir()
        for gain_range in range(3):
            array = make_panel_array("status", gain_range, seed)
            array[1, 2] = value
            np.save(folder / f"g{gain_range}_status.npy", array)
        own.versions.add(panel, folder, valid_from="beginning", kinds=["status"])
    if is_exact:
        done = own.export(RUN, tmp_path / "out", format="lcls2", types=["pixel_status"])
        assert (read_newer(Path(done.outputs[0].path)) == value).sum() == 6
        return
    with assert_refused(RequestError, PANEL_A, type="pixel_status"):
        own.export(RUN, tmp_path / "out", format="lcls2", types=["pixel_status"])
    assert not (tmp_path / "out").exists()


def test_other_files_of_the_same_arrays_in_the_folder_are_refused(known: Registry, tmp_path: Path) -> None:
    """The tool deploys all that it finds; of two documents of one array the later one counts."""
    known.export(RUN, tmp_path / "out", format="lcls2", types=["pixel_gain"])
    (document,) = find_documents(tmp_path / "out", "xcs1", 12)
    rival = document.with_name(document.name.replace("20200101", "20200102"))
    document.rename(rival)
    for force in (False, True):
        with assert_refused(ConflictError, rival.name, files=[rival.name]):
            known.export(RUN, tmp_path / "out", format="lcls2", force=force)
    warnings = known.export(RUN, tmp_path / "out", format="lcls2", types=["pixel_offset"]).warnings
    assert [text for text in warnings if rival.name in text and "deploys" in text]
