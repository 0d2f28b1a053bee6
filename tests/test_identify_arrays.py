"""An array that no recorded export wrote is known by the values of its panels; hostile files get one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from registry.api import Registry
from registry.errors import ArrayError, NotFoundError, RequestError
from testing.panels import PANEL_A, PANEL_B, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location
from tests.refusals import assert_refused

pytestmark = pytest.mark.sqlite_suffices

SOURCE = "XcsEndstation.0:Jungfrau.0"
BEGIN = "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


def fill(registry: Registry, folder: Path) -> Registry:
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(folder / panel, seed), valid_from="beginning")
    registry.export(f"{PANEL_A}_{PANEL_B}", folder / "npy", at=BEGIN, types=["pixel_gain"])
    for form in ("psana", "hdf5"):
        registry.export(
            f"{PANEL_A}_{PANEL_B}",
            folder / form,
            at=BEGIN,
            types=["pixel_gain"],
            format=form,
            **({"source": SOURCE, "first_run": 1} if form == "psana" else {}),
        )
    return registry


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the exports of `known`."""
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def known(
    request: pytest.FixtureRequest, exports: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """A registry that knows two panels and exported their gain, on SQLite."""
    for location in make_location(request, tmp_path_factory.mktemp("known"), "sqlite"):
        with location.open() as registry:
            yield fill(registry, exports)


def find_export(folder: Path, form: str) -> Path:
    """Return a copy of the exported array that may be changed, under another name."""
    pattern = {"npy": "*.npy", "psana": "**/*.data", "hdf5": "*.h5"}[form]
    (path,) = (folder / form).glob(pattern)
    copy = folder / f"copy{path.suffix}"
    copy.write_bytes(path.read_bytes())
    return copy


def written_otherwise(path: Path, form: str) -> None:
    """Keep the values, and change the bytes."""
    if form == "psana":
        lines = path.read_text().splitlines()
        numbers = [f"  {line.replace(' ', '   ')}\t" if line[:1].isdigit() else line for line in lines]
        path.write_text("# by another hand\n" + "\n".join([*numbers, ""]))
    elif form == "hdf5":
        with h5py.File(path, "r+") as file:
            del file.attrs["provenance"]
    else:
        with path.open("wb") as file:
            array = np.load(path.parent / "npy" / "pixel_gain.npy")
            np.lib.format.write_array(file, array, version=(2, 0))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["npy", "psana", "hdf5"])
def test_an_array_of_any_format_is_known_by_the_values_of_its_panels(
    registry: Registry, tmp_path: Path, form: str
) -> None:
    fill(registry, tmp_path)
    path = find_export(tmp_path, form)
    assert len(registry.identify(path).exports) == 1
    written_otherwise(path, form)
    identity = registry.identify(path)
    assert (identity.inputs, identity.exports) == ((), ())
    positions = [(gain_range, position) for gain_range in range(3) for position in range(2)]
    assert [(part.gain_range, part.position) for part in identity.parts] == positions
    versions = {version.panel: version for version in registry.versions.list() if version.kind == "gain"}
    for part in identity.parts:
        assert part.type == ("pixel_gain" if form == "hdf5" else None)
        (stated,) = part.inputs
        version = versions[(PANEL_A, PANEL_B)[part.position]]
        assert (stated.kind, stated.gain_range, stated.constants) == (
            "gain",
            part.gain_range,
            version.constants,
        )
        assert [part.version for part in stated.versions] == [version.version]


@pytest.mark.slow
def test_swapped_panels_and_gain_ranges_are_identified(
    known: Registry, exports: Path, tmp_path: Path
) -> None:
    array = np.load(exports / "npy" / "pixel_gain.npy")[:, ::-1]
    array[1, 0] = array[2, 0]
    np.save(tmp_path / "mixed.npy", array)
    identity = known.identify(tmp_path / "mixed.npy")
    panels = [(part.inputs[0].gain_range, part.inputs[0].versions[0].panel) for part in identity.parts]
    assert panels == [(0, PANEL_B), (0, PANEL_A), (2, PANEL_B), (1, PANEL_A), (2, PANEL_B), (2, PANEL_A)]


def test_a_registered_file_saved_by_an_old_numpy_is_known_by_its_values(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    folder = write_panel_folder(tmp_path / "old")
    for path in folder.iterdir():
        array = np.load(path)
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {array.shape}, }}".encode()
        text += b" " * (16 - (10 + len(text) + 1) % 16) + b"\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + array.tobytes())
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, folder, valid_from="beginning")
        np.save(tmp_path / "stack.npy", np.array([[np.load(folder / f"g{n}_gain.npy")] for n in range(3)]))
        identity = registry.identify(tmp_path / "stack.npy")
    assert [part.inputs[0].versions[0].version for part in identity.parts] == [1, 1, 1]


@pytest.mark.slow
def test_panels_that_are_not_registered_are_listed(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with location.open() as registry:
        fill(registry, tmp_path)
    path = find_export(tmp_path, "psana")
    head, _, last = path.read_text().rstrip("\n").rpartition("\n")
    path.write_text(f"{head}\n{' '.join(['-0.5'] * 6)}\n")
    assert last.count(" ") == 5
    calreg = Calreg(location, monkeypatch)
    lines = calreg.run("identify", str(path)).stdout.splitlines()
    assert "by the values of its panels" in lines[1]
    assert [line.split()[:5] for line in lines[3:5]] == [
        ["0", "0", "gain", "0", lines[3].split()[4]],
        ["1", "0", "gain", "0", lines[4].split()[4]],
    ]
    assert lines[-1].split() == ["1", "2", "not", "registered"]
    assert max(map(len, lines)) <= 80
    assert calreg.run("identify", str(path), "--json").json["parts"][-1] == {
        "type": None,
        "gain_range": 2,
        "position": 1,
        "inputs": [],
    }
    path.write_text(path.read_text().replace("4", "5").replace("DIM:2       5", "DIM:2       4"))
    refused = calreg.assert_refused(2, "identify", str(path))
    assert refused["kind"] == "ArrayError"


@pytest.mark.parametrize("suffix", [".data", ".txt"])
@pytest.mark.parametrize("with_newer", [True, False], ids=["both headers", "older header"])
def test_a_text_whose_axes_are_numbered_from_one_is_identified(
    known: Registry, exports: Path, tmp_path: Path, suffix: str, with_newer: bool
) -> None:
    text = find_export(exports, "psana").read_text()
    for axis in (3, 2, 1, 0):
        text = text.replace(f"# DIM:{axis} ", f"# DIM:{axis + 1} ")
    if not with_newer:
        text = "".join(
            line for line in text.splitlines(True) if not line.startswith(("# SHAPE", "# DATATYPE"))
        )
    path = tmp_path / f"from-one{suffix}"
    path.write_text(text)
    parts = known.identify(path).parts
    assert len(parts) == 6
    assert all(part.inputs for part in parts)
    path.write_text(text.replace("# DIM:3 ", "# DIM:9 "))
    with assert_refused(ArrayError, "DIM:9", key="NDIM"):
        known.identify(path)


def test_the_header_of_the_c_library_is_named_as_not_read(
    known: Registry, exports: Path, tmp_path: Path
) -> None:
    lines = find_export(exports, "psana").read_text().splitlines(True)
    text = "".join(line for line in lines if not line.startswith(("# SHAPE", "# DATATYPE")))
    path = tmp_path / "cpp.txt"
    path.write_text(text.replace("# DTYPE       float32", "# TYPE        float"))
    with assert_refused(ArrayError, "TYPE 'float'", "C++", key="TYPE"):
        known.identify(path)


def test_an_array_of_which_no_panel_is_registered_is_not_found(
    known: Registry, exports: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "ones.npy", np.ones((3, 2, 4, 6), np.float32))
    with assert_refused(NotFoundError, parts=6):
        known.identify(tmp_path / "ones.npy")
    with assert_refused(NotFoundError, parts=6):  # as of a revision that did not know them
        known.identify(find_export(exports, "psana"), as_of=1)


def hdf5(path: Path, fill: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 2, 4, 6), "<f4")
    layout[...] = h5py.VirtualSource("hdf5/constants.h5", "pixel_gain", (3, 2, 4, 6))
    file.create_virtual_dataset("pixel_gain", layout)


ELSEWHERE: dict[str, Callable[[h5py.File], object]] = {
    "a link to another file": lambda file: file.update(
        pixel_gain=h5py.ExternalLink("hdf5/constants.h5", "/pixel_gain")
    ),
    "a soft link": lambda file: file.update(pixel_gain=h5py.SoftLink("/nowhere")),
    "data in another file": lambda file: file.create_dataset(
        "pixel_gain", (3, 2, 4, 6), "<f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    ),
    "a virtual dataset": virtual,
    "a group": lambda file: file.create_group("pixel_gain"),
    "text": lambda file: file.create_dataset("pixel_gain", data="gain"),
    "another shape": lambda file: file.create_dataset("pixel_gain", (3, 2, 6, 4), "<f4"),
    "no panels": lambda file: file.create_dataset("pixel_gain", (3, 0, 4, 6), "<f4"),
    "an unlimited shape": lambda file: file.create_dataset(
        "pixel_gain", (3, 2, 4, 6), "<f4", maxshape=(None,) * 4, chunks=(3, 2, 4, 6), compression="gzip"
    ),
    "a billion panels that were never written": lambda file: file.create_dataset(
        "pixel_gain", (3, 10**9, 4, 6), "<f4"
    ),
    "nothing": lambda file: file.attrs.update(pixel_gain=1),
}


@pytest.mark.parametrize("fill", ELSEWHERE.values(), ids=ELSEWHERE)
def test_only_plain_arrays_in_an_hdf5_file_are_read(
    known: Registry, tmp_path: Path, fill: Callable[[h5py.File], object]
) -> None:
    with assert_refused(NotFoundError, parts=0):
        known.identify(hdf5(tmp_path / "odd.h5", fill))


DAMAGED: dict[str, tuple[str, Callable[[Path], bytes], dict[str, object]]] = {
    "HDF5 that is not": ("x.h5", lambda _: b"hello", {}),
    "HDF5 that is empty": ("x.hdf5", lambda _: b"", {}),
    "HDF5 that is cut": (
        "x.h5",
        lambda folder: find_export(folder, "hdf5").read_bytes()[:2000],
        {},
    ),
    "HDF5 of another name that is cut": (
        "x.bin",
        lambda folder: find_export(folder, "hdf5").read_bytes()[:500],
        {},
    ),
    ".npy that is cut": (
        "x.npy",
        lambda folder: find_export(folder, "npy").read_bytes()[:-1],
        {"shape": (3, 2, 4, 6)},
    ),
    ".npy with more": (
        "x.npy",
        lambda folder: find_export(folder, "npy").read_bytes() + b"x",
        {"shape": (3, 2, 4, 6)},
    ),
    ".npy with a damaged header": (
        "x.npy",
        lambda _: b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
        {},
    ),
    ".npy of a billion panels": (
        "x.npy",
        lambda folder: (
            find_export(folder, "npy").read_bytes().replace(b"(3, 2, 4, 6)", b"(3, 999999999, 4, 6)", 1)
        ),
        {"shape": (3, 999_999_999, 4, 6)},
    ),
    "text without a header": ("1-end.data", lambda _: b"1 2 3\n", {"missing": "shape"}),
    "text that is empty": ("1-end.data", lambda _: b"", {"missing": "shape"}),
    "text with code in its shape": (
        "x.txt",
        lambda folder: (
            find_export(folder, "psana").read_bytes().replace(b"(3,2,4,6)", b"exit(3) or (3,2,4,6)")
        ),
        {"key": "SHAPE"},
    ),
    "text that is cut": (
        "1-end.data",
        lambda folder: find_export(folder, "psana").read_bytes()[:-200],
        {"line": 51},
    ),
}


@pytest.mark.parametrize(("name", "content", "values"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_in_one_sentence(
    known: Registry,
    exports: Path,
    tmp_path: Path,
    name: str,
    content: Callable[[Path], bytes],
    values: dict[str, object],
) -> None:
    path = tmp_path / name
    path.write_bytes(content(exports))
    with assert_refused(ArrayError, **values) as caught:
        known.identify(path)
    assert caught.value.code == 2
    assert repr(str(path)) in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 150 + len(str(path))


def test_other_files_are_not_found_and_nothing_waits_for_a_pipe(known: Registry, tmp_path: Path) -> None:
    for name, content in (("script", b"#!/bin/sh\n# SHAPES\n"), ("notes", b"# notes\n"), ("list.npy", b"x")):
        (tmp_path / name).write_bytes(content)
        with assert_refused(NotFoundError, parts=0):
            known.identify(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.data")
    with assert_refused(RequestError, path=str(tmp_path / "pipe.data")):
        known.identify(tmp_path / "pipe.data")
