"""Every format of exports: laid out as documented, verified, identified, and made again byte for byte."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from registry import detectors, provenance
from registry.api import Registry, exports
from registry.api.export_records import try_record_export
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.errors import (
    ConflictError,
    CorruptionError,
    DocumentError,
    RegistryError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.exporters import formats
from testing.panels import PANEL_A, PANEL_B, name_detector, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from tests.conftest import make_location
from tests.psana_readers import read_newer, read_older
from tests.refusals import assert_refused

pytestmark = pytest.mark.sqlite_suffices

SOURCE = "XcsEndstation.0:Jungfrau.0"
RUN = "exp=xcs1:run=12"
BEGIN = "2020-01-01T00:00:00Z"
FORMATS = ("npy", "psana", "lcls2", "hdf5")
TYPES = {"pixel_gain": "gain", "pixel_offset": "offset"}
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


def register_panels(
    registry: Registry, folder: Path, panels: tuple[str, ...] = (PANEL_A, PANEL_B)
) -> Registry:
    """Let the registry know panels, the detector that they make, and a run."""
    for seed, panel in enumerate(panels):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(folder / panel, seed), valid_from="beginning")
    registry.detectors.configure("xcs1", SOURCE, "_".join(panels), first_run=1)
    registry.runs.add(RUN, begin=BEGIN)
    return registry


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the panels' arrays of `known`."""
    return tmp_path_factory.mktemp("arrays")


@pytest.fixture(scope="module")
def known(
    request: pytest.FixtureRequest, arrays: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """A registry that knows two panels, on SQLite, for the tests that only export."""
    for location in make_location(request, tmp_path_factory.mktemp("known"), "sqlite"):
        with location.open() as registry:
            yield register_panels(registry, arrays)


@pytest.fixture
def own(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """The same, for a test that records something."""
    with sqlite_location.open() as registry:
        yield register_panels(registry, tmp_path / "arrays")


def stack_files(folder: Path, kind: str) -> NDArray[Any]:
    """Stack the files with numpy: (gain range, panel, row, column)."""
    panels = (PANEL_A, PANEL_B)
    return np.array(
        [
            [np.load(folder / panel / f"g{gain_range}_{kind}.npy") for panel in panels]
            for gain_range in range(3)
        ]
    )


def contents(folder: Path) -> dict[str, str]:
    """Return the checksum of every file of a folder, of hidden ones too, but HISTORY, which says who deployed."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "HISTORY"
    }


def arrays_of(form: str, paths: dict[str, Path]) -> dict[str, NDArray[Any]]:
    """Read the exported arrays with readers of our own, or everybody's."""
    if form in ("psana", "lcls2"):
        return {name: read_newer(path) for name, path in paths.items()}
    if form == "hdf5":
        with h5py.File(paths["pixel_gain"], "r") as file:
            return {name: file[name][...] for name in paths}
    return {name: np.load(path) for name, path in paths.items()}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_the_arrays_bit_for_bit_and_is_verified_and_replayed(
    location: RegistryLocation, tmp_path: Path, form: str
) -> None:
    with location.open() as registry:
        register_panels(registry, tmp_path / "arrays")
        done = registry.export(RUN, tmp_path / "out", format=form, **name_detector(form))
        paths = {output.type: Path(output.path) for output in done.outputs}
        for name, array in arrays_of(form, paths).items():
            expected = stack_files(tmp_path / "arrays", TYPES[name])
            assert (array.dtype, array.shape) == (np.dtype("<f4"), (3, 2, 4, 6))
            assert array.tobytes() == expected.tobytes()
        for output in done.outputs:
            assert hashlib.sha256(Path(output.path).read_bytes()).hexdigest() == output.sha256
            assert Path(output.path).stat().st_size == output.size
            assert output.type in [export.type for export in registry.identify(output.path).exports]
        assert [export.type for export in registry.identify(done.provenance).exports] == ["provenance"]
        assert done.recorded
    verification = verify_export(done.provenance, location.database, location.store)
    assert (verification.problems, verification.notes) == ((), ())
    again = replay(done.provenance, tmp_path / "again", NOWHERE, location.store)
    assert contents(tmp_path / "again") == contents(tmp_path / "out")
    assert Path(again.provenance).relative_to(tmp_path / "again") == Path(done.provenance).relative_to(
        tmp_path / "out"
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_existing_files_stay_without_force_and_a_refused_export_leaves_nothing(
    own: Registry, tmp_path: Path, form: str
) -> None:
    own.export(RUN, tmp_path / "out", format=form, **name_detector(form))
    before = contents(tmp_path / "out")
    with assert_refused(ConflictError, remedy=Remedy.REPLACE_FILES):
        own.export(RUN, tmp_path / "out", format=form, as_of=6, **name_detector(form))
    assert contents(tmp_path / "out") == before
    own.versions.gap(PANEL_A, valid_from=BEGIN, comment="warm")
    with pytest.raises(RegistryError):
        own.export(RUN, tmp_path / "new", format=form, **name_detector(form))
    assert not (tmp_path / "new").exists()
    done = own.export(RUN, tmp_path / "out", format=form, as_of=6, force=True, **name_detector(form))
    assert contents(tmp_path / "out").keys() == before.keys()
    assert verify_export(done.provenance, NOWHERE, Path(own._backend.store.place)).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("is_recorded", [False, True])
def test_an_export_that_was_killed_after_its_document_was_placed_is_taken_for_its_own(
    own: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, is_recorded: bool
) -> None:
    def kill(*arguments: Any) -> None:
        if is_recorded:
            try_record_export(*arguments)
        raise KeyboardInterrupt

    known = len(list(own.exports.list()))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        patch.setattr(exports, "try_record_export", kill)
        own.export(RUN, tmp_path / "out", format=form, **name_detector(form))
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    done = own.export(RUN, tmp_path / "out", format=form, **name_detector(form))
    assert {path: path.read_bytes() for path in before} == before
    notes = 2 if form == "lcls2" else 1  # that the files are there; how they are deployed
    assert (done.recorded, len(done.notes), len(list(own.exports.list()))) == (True, notes, known + 1)
    assert verify_export(done.provenance, NOWHERE, Path(own._backend.store.place)).problems == ()
    for path, content in before.items():
        if path.name != "HISTORY":
            path.write_bytes(content + b" ")
            with assert_refused(ConflictError, remedy=Remedy.REPLACE_FILES):
                own.export(RUN, tmp_path / "out", format=form, **name_detector(form))
            assert path.read_bytes() == content + b" "
            path.write_bytes(content)


@pytest.mark.parametrize("form", FORMATS)
def test_a_changed_file_is_reported_with_the_panel_whose_values_differ(
    known: Registry, tmp_path: Path, form: str
) -> None:
    done = known.export(RUN, tmp_path / "out", format=form, types=["pixel_offset"], **name_detector(form))
    path = Path(done.outputs[0].path)
    change(path, form)
    verification = verify_export(done.provenance, NOWHERE, Path(known._backend.store.place))
    assert [problem.path for problem in verification.problems] == [str(path)]
    for text in (str(path), "pixel_offset", "gain range 2 of panel 1"):
        assert text in verification.notes[0]
    replay(done.provenance, tmp_path / "again", NOWHERE, Path(known._backend.store.place))


def change(path: Path, form: str) -> None:
    """Change the last value of an array."""
    if form in ("psana", "lcls2"):
        text = path.read_text().rstrip("\n")
        path.write_text(text[: text.rindex(" ")] + " 51.5\n")
    elif form == "hdf5":
        with h5py.File(path, "r+") as file:
            file["pixel_offset"][-1, -1, -1, -1] = 51.5
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-4] + np.float32(51.5).tobytes())


@pytest.mark.parametrize("form", FORMATS)
def test_an_edited_document_is_not_replayed(known: Registry, tmp_path: Path, form: str) -> None:
    done = known.export(RUN, tmp_path / "out", format=form, **name_detector(form))
    values = json.loads(Path(done.provenance).read_bytes())
    edits: list[tuple[Callable[[Any], object], type[RegistryError]]] = [
        (lambda values: values["outputs"][0].update(path="elsewhere"), DocumentError),
        (lambda values: values["outputs"][0].update(path="../pixel_gain.npy"), DocumentError),
        (lambda values: values["outputs"][1].update(sha256="0" * 64), CorruptionError),
        (lambda values: values["outputs"][1].update(size=7), CorruptionError),
        (
            lambda values: values.update(companions=[{"path": "x", "sha256": "0" * 64, "size": 1}]),
            DocumentError,
        ),
        (lambda values: values["resolution"].update(instant="yesterday"), DocumentError),
    ]
    if form == "psana":
        edits += [
            (lambda values: values["deployment"].update(source="../../.0:Jungfrau.0"), DocumentError),
            (lambda values: values["deployment"].update(first_run=13), DocumentError),
            (lambda values: values["deployment"].update(last_run=10_000), DocumentError),
            (lambda values: values.pop("deployment"), DocumentError),
        ]
    if form == "lcls2":
        edits += [
            (lambda values: values["companions"][0].update(sha256="0" * 64), CorruptionError),
            (lambda values: values["companions"][1].update(path="pixel_gain.txt"), DocumentError),
            (lambda values: values.pop("companions"), DocumentError),
            (lambda values: values["deployment"].update(short_name="../jungfrau_000003"), DocumentError),
            (lambda values: values["deployment"].update(short_name="epix10ka_000003"), DocumentError),
            (lambda values: values["deployment"].pop("short_name"), DocumentError),
            (lambda values: values["deployment"].update(first_run=13), DocumentError),
            (lambda values: values["deployment"].update(last_run=10_000), DocumentError),
            (lambda values: values["resolution"]["run"].update(experiment="../xcs1"), DocumentError),
            (lambda values: values.pop("deployment"), DocumentError),
            (lambda values: values.update(layout=3), DocumentError),
        ]
    for edit, refusal in edits:
        edited = json.loads(json.dumps(values))
        edit(edited)
        (tmp_path / "edited.json").write_text(json.dumps(edited))
        with pytest.raises(refusal) as refused:
            replay(tmp_path / "edited.json", tmp_path / "again", NOWHERE, Path(known._backend.store.place))
        assert type(refused.value) is refusal
        assert not (tmp_path / "again").exists()
        with contextlib.suppress(DocumentError):
            assert verify_export(tmp_path / "edited.json", NOWHERE, Path(known._backend.store.place)).problems


@pytest.mark.slow
def test_dark_constants_are_exported_in_every_format_with_flags_as_integers(
    own: Registry, tmp_path: Path
) -> None:
    kinds = ("pedestals", "rms", "status")
    types = ["pedestals", "pixel_rms", "pixel_status"]
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        folder = write_panel_folder(tmp_path / "dark" / panel, seed, kinds)
        own.versions.add(panel, folder, valid_from="2019-12-31T00:00:00Z", kinds=kinds)
    for form in FORMATS:
        done = own.export(RUN, tmp_path / form, format=form, types=types, **name_detector(form))
        paths = {output.type: Path(output.path) for output in done.outputs}
        if form == "hdf5":
            with h5py.File(paths["pedestals"], "r") as file:
                exported = {name: file[name][...] for name in types}
        else:
            exported = {
                name: read_newer(path) if form in ("psana", "lcls2") else np.load(path)
                for name, path in paths.items()
            }
        for name, kind in zip(types, kinds, strict=True):
            assert exported[name].tobytes() == stack_files(tmp_path / "dark", kind).tobytes()
            assert exported[name].dtype == np.dtype("u8" if kind == "status" else "f4")
        assert verify_export(done.provenance, NOWHERE, Path(own._backend.store.place)).problems == ()


@pytest.mark.slow
def test_another_detector_type_is_exported_in_every_format_with_its_own_shape_and_folder(
    own: Registry, tmp_path: Path
) -> None:
    panel, source = (
        detectors.DETECTOR_TYPES["epix10ka"].panel_id_format.example,
        "MfxEndstation.0:Epix10kaQuad.1",
    )
    medians = [
        sum(pair) / 2 for pair in detectors.DETECTOR_TYPES["epix10ka"].find_kind("gain").expected_medians
    ]
    expected = np.array([[np.full((4, 6), median, np.float32)] for median in medians])
    expected[..., 0, 0] = 0.1
    (tmp_path / "epix").mkdir()
    for mode, array in enumerate(expected[:, 0]):
        np.save(tmp_path / "epix" / f"g{mode}_gain.npy", array)
    own.panels.add(panel)
    own.versions.add(panel, tmp_path / "epix", valid_from="beginning", kinds=["gain"])
    for form in FORMATS:
        runs: dict[str, Any] = {"source": source, "first_run": 3} if form in ("psana", "lcls2") else {}
        if form == "lcls2":
            runs |= {"experiment": "mfx1", "short_name": "epix10ka_000001"}
        done = own.export(panel, tmp_path / form, at=BEGIN, types=["pixel_gain"], format=form, **runs)
        (array,) = arrays_of(form, {"pixel_gain": Path(done.outputs[0].path)}).values()
        assert array.shape == (7, 1, 4, 6)
        assert array.tobytes() == expected.tobytes()
        replay(done.provenance, tmp_path / "again" / form, NOWHERE, Path(own._backend.store.place))
        assert contents(tmp_path / "again" / form) == contents(tmp_path / form)
    home = f"Epix10kaQuad::CalibV1/{source}"
    assert sorted(contents(tmp_path / "psana")) == [
        f"{home}/3-end-pixel_gain.json",
        f"{home}/pixel_gain/3-end.data",
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_is_reported_in_one_sentence_and_leaves_nothing(
    known: Registry, tmp_path: Path, tmpfs: Callable[[str], Path], form: str
) -> None:
    folder = tmpfs("size=8k")
    with pytest.raises(UnavailableError, match="No space left on device") as caught:
        known.export(RUN, folder / "out", format=form, **name_detector(form))
    assert caught.value.code == 8
    assert list(folder.iterdir()) == []


# --- HDF5


@pytest.mark.slow
def test_an_hdf5_file_has_units_axes_panels_and_provenance(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    panels = tuple(f"190408-181206-{number:x}" for number in range(1, 33))
    with sqlite_location.open() as registry:
        register_panels(registry, tmp_path / "arrays", panels)
        done = registry.export(RUN, tmp_path / "out", format="hdf5")
    assert [output.path for output in done.outputs] == [str(tmp_path / "out" / "constants.h5")] * 2
    with h5py.File(tmp_path / "out" / "constants.h5", "r") as file:
        assert {"panels", "pixel_gain", "pixel_offset"} <= set(file)
        assert [panel.decode() for panel in file["panels"]] == list(panels)
        for name, units in (("pixel_gain", "count keV-1"), ("pixel_offset", "count")):
            array = file[name]
            assert (array.shape, array.dtype.str, array.chunks) == ((3, 32, 4, 6), "<f4", None)
            assert array.attrs["units"] == units
            assert [axis.label for axis in array.dims] == ["gain range", "panel", "row", "column"]
            assert array.dims[1][0] == file["panel"]
        text = file.attrs["provenance"]
        payloads = {name: hashlib.sha256(file[name][...].tobytes()).hexdigest() for name in TYPES}
    assert len(text) > 64 << 10  # more than an attribute of an old layout takes
    inside = msgspec.json.decode(text, type=provenance.Document)
    beside = provenance.read(Path(done.provenance))
    assert msgspec.structs.replace(inside, outputs=()) == msgspec.structs.replace(beside, outputs=())
    assert {output.type: (output.path, output.sha256, output.size) for output in inside.outputs} == {
        name: (None, payload, 3 * 32 * 4 * 6 * 4) for name, payload in payloads.items()
    }
    assert beside.software["h5py"] == h5py.__version__


def test_without_h5py_the_error_says_which_package_to_install(
    known: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = known.export(RUN, tmp_path / "out", format="hdf5")
    shutil.copy(tmp_path / "out" / "constants.h5", tmp_path / "other.h5")
    with h5py.File(tmp_path / "other.h5", "r+") as file:
        file["pixel_gain"][0, 0, 0, 0] = 1
    monkeypatch.setitem(sys.modules, "h5py", None)
    install = r"h5py: pip install 'calreg\[hdf5\]'"
    with pytest.raises(UnavailableError, match=install) as caught:
        known.export(RUN, tmp_path / "new", format="hdf5")
    assert caught.value.code == 8
    assert not (tmp_path / "new").exists()
    with pytest.raises(UnavailableError, match=install):
        replay(done.provenance, tmp_path / "new", NOWHERE, Path(known._backend.store.place))
    with pytest.raises(UnavailableError, match=install):
        known.identify(tmp_path / "other.h5")
    verification = verify_export(done.provenance, NOWHERE, Path(known._backend.store.place))
    assert verification.problems == ()
    assert "h5py" in verification.notes[0]


def test_without_room_for_a_temporary_file_verification_notes_that_the_arrays_were_not_checked(
    known: Registry, tmp_path: Path, tmpfs: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = known.export(RUN, tmp_path / "out", format="hdf5")
    monkeypatch.setattr(tempfile, "tempdir", str(tmpfs("size=8k")))
    verification = verify_export(done.provenance, NOWHERE, Path(known._backend.store.place))
    assert verification.problems == ()
    assert "No space left on device" in verification.notes[0]


def test_different_bytes_of_another_hdf5_library_are_not_blamed_on_the_document(
    known: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = known.export(RUN, tmp_path / "out", format="hdf5")
    monkeypatch.setattr(formats, "find_version", lambda _: "99.0")
    replay(
        done.provenance, tmp_path / "same", NOWHERE, Path(known._backend.store.place)
    )  # the bytes decide, not the label
    values = json.loads(Path(done.provenance).read_bytes())
    for output in values["outputs"]:
        output["sha256"] = "0" * 64
    (tmp_path / "edited.json").write_text(json.dumps(values))
    with pytest.raises(CorruptionError, match=rf"h5py 99\.0 .*'{h5py.__version__}'"):
        replay(tmp_path / "edited.json", tmp_path / "again", NOWHERE, Path(known._backend.store.place))


@pytest.mark.parametrize("form", ["npy", "hdf5"])
def test_runs_are_refused_for_formats_without_runs(known: Registry, tmp_path: Path, form: str) -> None:
    for runs in ({"first_run": 3}, {"last_run": 30}):
        with pytest.raises(RequestError, match="psana and lcls2") as caught:
            known.export(RUN, tmp_path / "out", format=form, **runs)
        assert caught.value.code == 2
    assert not (tmp_path / "out").exists()


def test_both_readers_of_the_older_system_read_the_text(
    known: Registry, arrays: Path, tmp_path: Path
) -> None:
    done = known.export(RUN, tmp_path / "out", format="psana")
    for output in done.outputs:
        expected = stack_files(arrays, TYPES[output.type])
        for reader in (read_older, read_newer):
            array = reader(Path(output.path))
            assert array.dtype == np.float32
            assert array.tobytes() == expected.tobytes()
