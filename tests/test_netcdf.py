"""HDF5 files are netCDF-4: xarray and the tools of netCDF and HDF5 open them, with the names of `to_xarray`."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from registry import provenance
from registry.api import Registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.errors import CorruptionError, DocumentError
from registry.exporters import hdf5
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

pytestmark = [
    *(pytest.mark.small_panels, pytest.mark.slow),
    pytest.mark.filterwarnings(
        "ignore:numpy.ndarray size changed"
    ),  # netCDF4 with a newer numpy than it was built with
]

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
JUNGFRAU = ("190408-181206-1", "190408-181206-2")
EPIX10KA = "0000000001-0176075265-1073741824-0000000000-0000000000-0000000000-0000000000"
RUN = "exp=xcs1:run=12"
AT = "2020-01-01T00:00:00Z"
ENGINES = ("h5netcdf", "netcdf4")
TYPES = ("pixel_gain", "pixel_offset")


@pytest.fixture
def filled(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """Two panels at the segments 0 and 3, of which the first has an M-number; and one of ePix10ka."""
    with sqlite_location.open() as registry:
        for seed, panel in enumerate(JUNGFRAU):
            registry.panels.add(panel, alias=None if seed else "M068")
            folder = write_panel_folder(tmp_path / panel, seed, ("gain", "offset", "status"))
            registry.versions.add(panel, folder, valid_from="beginning")
        registry.panels.add(EPIX10KA)
        folder = tmp_path / "epix"
        folder.mkdir()
        for gain_range in range(7):
            np.save(folder / f"g{gain_range}_gain.npy", np.full((4, 6), 30 + gain_range, np.float32))
        registry.versions.add(EPIX10KA, folder, valid_from="beginning", kinds=["gain"], allow_odd=True)
        registry.runs.add(RUN, begin=AT)
        registry.detectors.configure(
            "xcs1", "XcsEndstation.0:Jungfrau.0", "_".join(JUNGFRAU), first_run=1, segments=(0, 3)
        )
        yield registry


@pytest.mark.parametrize(
    ("target", "options"),
    [
        (RUN, {"types": ["pixel_gain", "pixel_offset", "pixel_status"]}),
        ("_".join(JUNGFRAU), {"at": AT}),  # its segment numbers are not known
        (EPIX10KA, {"at": AT, "types": ["pixel_gain"]}),
    ],
)
def test_xarray_opens_what_to_xarray_returns(
    filled: Registry, tmp_path: Path, target: str, options: dict[str, Any]
) -> None:
    filled.export(target, tmp_path / "out", format="hdf5", **options)
    expected = filled.constants(target, **options).to_xarray()
    for engine in ENGINES:
        with xr.open_dataset(tmp_path / "out" / "constants.h5", engine=engine) as opened:
            dataset = opened.load()
        document = json.loads(dataset.attrs["provenance"])
        assert document["resolution"]["panels"][0]["panel"] in (JUNGFRAU[0], EPIX10KA)
        assert list(dataset["panels"].values) == list(expected["panel"].values)
        for array in dataset.data_vars.values():  # of HDF5 alone
            assert list(array.attrs.pop("DIMENSION_LABELS")) == ["gain range", "panel", "row", "column"]
        dataset.attrs["provenance"] = expected.attrs["provenance"]
        xr.testing.assert_identical(dataset.drop_vars("panels"), expected)
        assert {name: array.dtype for name, array in dataset.variables.items() if name in expected} == {
            name: array.dtype for name, array in expected.variables.items()
        }


def test_every_axis_has_a_scale_and_every_array_what_the_conventions_ask_for(
    filled: Registry, tmp_path: Path
) -> None:
    filled.export(RUN, tmp_path / "out", format="hdf5", types=["pixel_gain", "pixel_status"])
    with h5py.File(tmp_path / "out" / "constants.h5") as file:
        assert file.attrs["Conventions"] == "CF-1.9"
        assert [panel.decode() for panel in file["panels"]] == list(JUNGFRAU)
        assert list(file["panels"].attrs["segments"]) == [0, 3]
        for name, units, unit in (("pixel_gain", "count keV-1", "ADU/keV"), ("pixel_status", "1", "1")):
            array = file[name]
            assert (array.attrs["units"], array.attrs["unit"]) == (units, unit)
            assert (array.chunks, array.attrs["coordinates"]) == (None, "alias segment panels")
            for axis, scale in enumerate(("gain_range", "panel", "row", "column")):
                assert [one.name for one in array.dims[axis].values()] == [f"/{scale}"]
                assert file[scale].is_scale
                assert len(file[scale]) == array.shape[axis]
            assert list(array.dims[1]["panel Id"]) == [panel.encode() for panel in JUNGFRAU]
        assert [file[name].attrs["long_name"] for name in ("alias", "segment")] == [
            "M-number of the panel",
            "segment number of the panel in the data acquisition",
        ]


def test_what_xarray_opened_can_be_written_again(filled: Registry, tmp_path: Path) -> None:
    filled.export(RUN, tmp_path / "out", format="hdf5")
    for engine in ENGINES:
        with xr.open_dataset(tmp_path / "out" / "constants.h5", engine=engine) as dataset:
            dataset.load().to_netcdf(tmp_path / f"{engine}.nc", engine=engine)
        with xr.open_dataset(tmp_path / f"{engine}.nc", engine=engine) as again:
            expected = filled.constants(RUN).to_xarray()
            assert again["pixel_gain"].drop_vars("panels").equals(expected["pixel_gain"])
        expected.to_netcdf(tmp_path / "memory.nc", engine=engine)
        with xr.open_dataset(tmp_path / "memory.nc", engine=engine) as again:
            xr.testing.assert_identical(again.load(), expected)


def test_a_file_has_no_times_and_another_process_writes_the_same_bytes(
    filled: Registry, tmp_path: Path
) -> None:
    done = filled.export(RUN, tmp_path / "out", format="hdf5")
    script = (
        "import sys; from testing.panels import use_small_panels; from registry import replay\n"
        "with use_small_panels(): replay(*sys.argv[1:])"
    )
    arguments = (done.provenance, str(tmp_path / "again"), NOWHERE, str(Path(filled._backend.store.place)))
    subprocess.run([sys.executable, "-c", script, *arguments], check=True)
    first, second = (tmp_path / name / "constants.h5" for name in ("out", "again"))
    assert first.read_bytes() == second.read_bytes()
    flags = [header[0] for header in re.findall(rb"OHDR\x02(.)", first.read_bytes(), re.DOTALL)]
    assert len(flags) > len(TYPES)
    assert not any(flag & 0x20 for flag in flags)  # of an object header: times stored


def test_a_document_says_the_layout_of_its_files_and_is_replayed_in_it(
    filled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Path(filled._backend.store.place)
    assert provenance.read(Path(filled.export(RUN, tmp_path / "npy").provenance)).layout == 1
    done = filled.export(RUN, tmp_path / "new", format="hdf5")
    assert provenance.read(Path(done.provenance)).layout == 2
    with monkeypatch.context() as former:
        former.setattr(hdf5, "LAYOUT", 1)
        old = filled.export(RUN, tmp_path / "old", format="hdf5")
    assert "layout" not in json.loads(Path(old.provenance).read_text())
    replay(old.provenance, tmp_path / "again", NOWHERE, store)
    with h5py.File(tmp_path / "again" / "constants.h5") as file:
        assert list(file) == ["panels", "pixel_gain", "pixel_offset"]
        assert file["pixel_gain"].attrs["units"] == "ADU/keV"
        assert file["panels"].dtype == "S15"
    assert verify_export(old.provenance, NOWHERE, store).problems == ()
    assert verify_export(done.provenance, NOWHERE, store).problems == ()
    values = json.loads(Path(done.provenance).read_text())
    for layout, error_class, names in (
        (1, CorruptionError, ("sha256",)),
        (3, DocumentError, ("layout 3", "2")),
    ):
        (tmp_path / "edited.json").write_text(json.dumps(values | {"layout": layout}))
        with assert_refused(error_class, *names):  # type: ignore[type-var]
            replay(tmp_path / "edited.json", tmp_path / "other", NOWHERE, store)
    assert not (tmp_path / "other" / "constants.h5").exists()


def run_tool(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (Debian: netcdf-bin, hdf5-tools)")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_ncdump_shows_names_and_units_and_every_value(filled: Registry, tmp_path: Path) -> None:
    filled.export(RUN, tmp_path / "out", format="hdf5", types=["pixel_gain"])
    shown = run_tool("ncdump", str(tmp_path / "out" / "constants.h5"))
    assert "float pixel_gain(gain_range, panel, row, column) ;" in shown
    assert 'string pixel_gain:units = "count keV-1" ;' in shown
    assert f' panel = "{JUNGFRAU[0]}", "{JUNGFRAU[1]}" ;' in shown
    assert f' panels = "{JUNGFRAU[0]}", "{JUNGFRAU[1]}" ;' in shown
    assert " segment = 0, 3 ;" in shown
    values = re.split(r"[,\s]+", shown.split(" pixel_gain =")[1].split(";")[0].strip())
    gain = filled.constants(RUN)["pixel_gain"]
    assert np.allclose(np.array(values, np.float32), gain.reshape(-1))


def test_h5dump_shows_texts_and_scales(filled: Registry, tmp_path: Path) -> None:
    filled.export(RUN, tmp_path / "out", format="hdf5", types=["pixel_gain"])
    shown = run_tool("h5dump", "-d", "/panel", "-d", "/row", str(tmp_path / "out" / "constants.h5"))
    assert f'(0): "{JUNGFRAU[0]}", "{JUNGFRAU[1]}"' in shown
    assert "CSET H5T_CSET_UTF8" in shown
    assert "(0): 0, 1, 2, 3" in shown
