"""Targets that parse what calreg itself writes, after somebody changed it: exports, documents, backups, stores."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from harnesses.fuzz.files import make_npy_seeds
from harnesses.fuzz.target import Target, call_parser, decode_text
from registry import provenance
from registry.api import create_registry, incomplete_copies
from registry.api.backup_descriptions import FILE_NAME, BackupDescription, read_description
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.exporters import hdf5
from registry.exporters.detection import detect_arrays
from registry.heads import HeadFile, parse_head
from registry.importers.gain_map_files import iterate_gain_maps
from registry.provenance.prov_json import build_prov_json
from registry.store import ContentStore
from testing.panels import PANEL_A, SOURCE, name_detector, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation

_DATASET = "exp=xcsls3716:run=631"
_AT = "2018-02-10T08:15:00Z"


@cache
def _make_registry(folder: Path) -> RegistryLocation:
    """Make a registry with one small panel, an export in every format and a backup, once per folder."""
    location = RegistryLocation.in_folder(folder / "registry")
    create_registry(location.database, location.store_folder)
    with use_small_panels(), location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068", comment="red \x1b[31m alert \u202e")
        panel = write_panel_folder(location.folder / "panel")
        registry.versions.add(PANEL_A, panel, valid_from="beginning")
        registry.runs.add(_DATASET, begin=_AT)
        registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1)
        for name in ("npy", "psana", "lcls2", "hdf5"):
            registry.export(_DATASET, location.folder / name, format=name, **name_detector(name))
        registry.backup(location.folder / "backup")
    return location


def _seeds_from_files(*patterns: str) -> Callable[[Path], list[bytes]]:
    def seeds(folder: Path) -> list[bytes]:
        home = _make_registry(folder).folder
        paths = itertools.chain.from_iterable(sorted(home.glob(pattern)) for pattern in patterns)
        return [path.read_bytes() for path in paths if path.is_file()]

    return seeds


def _feed_arrays_named(name: str) -> Callable[[Path, bytes], None]:
    def feed(folder: Path, data: bytes) -> None:
        path = folder / name
        path.write_bytes(data)

        def read() -> None:
            with detect_arrays(path) as arrays:
                for array in arrays:
                    for part in array.parts:
                        assert part.shape == array.shape[2:]

        with use_small_panels():
            call_parser(read)

    return feed


def _feed_gain_map_files(folder: Path, data: bytes) -> None:
    for name in ("map.npy", "gainMaps_M049.bin"):
        path = folder / name
        path.write_bytes(data)

        def read(path: Path = path) -> None:
            for gain_map in iterate_gain_maps(path):
                assert gain_map.values.shape == gain_map.detector.panel_shape

        with use_small_panels():
            call_parser(read)


def _feed_hdf5(folder: Path, data: bytes) -> None:
    """Read a file, or one of calreg's own with some bytes changed: three bytes are a position and a new byte."""
    if not data.startswith(hdf5.MAGIC):
        (seed,) = _HDF5_SEEDS(folder)
        edited = bytearray(seed)
        for high, low, byte in zip(data[::3], data[1::3], data[2::3], strict=False):
            edited[(high << 8 | low) % len(edited)] = byte
        data = bytes(edited)
    _feed_arrays_named("constants.h5")(folder, data)


_MAX_EDIT_BYTES = 90  # further bytes are ignored
# Values that replace others in a document.
_REPLACEMENTS: list[Any] = [
    *(None, True, [], {}, [None], 0, 1, -1, 2**31, 2**63, 2**64, 10**400, 1e308, -0.0, "", "x" * 300, "\0"),
    *(
        "../../etc/passwd",
        "/dev/zero",
        "a/b",
        "\x1b[2J\u202e",
        "\ud800",
        "\n# SHAPE (1,)",
        "9" * 20,
        "0" * 64,
    ),
    *(
        "beginning",
        "9999-12-31T23:59:59Z",
        "20180210081500",
        "0001-01-01T00:00:00Z",
        "memory",
        "npy",
        "psana",
    ),
    *(
        "lcls2",
        "hdf5",
        "epix10ka",
        "status",
        "pixel_status",
        "offset",
        "exp=xcsls3716:run=1",
        "M068",
        PANEL_A,
    ),
    *("7", "Jungfrau.0", f"{PANEL_A}_{PANEL_A}", "pixel_offset.npy", "provenance.json", "constants.h5"),
]


def _list_positions(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the position of every value in a JSON document: its container, and its name or number there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield value, name
        yield from _list_positions(item)


def _edit_document(seeds: list[bytes], data: bytes) -> bytes:
    """Return one of the documents with other values at positions that the data names, three bytes for each."""
    document = json.loads(seeds[data[0] % len(seeds)])
    for high, low, choice in zip(
        data[1:_MAX_EDIT_BYTES:3], data[2:_MAX_EDIT_BYTES:3], data[3:_MAX_EDIT_BYTES:3], strict=False
    ):
        positions = list(_list_positions(document))
        container, name = positions[(high << 8 | low) % len(positions)]
        if choice < len(_REPLACEMENTS):
            container[name] = deepcopy(_REPLACEMENTS[choice])
        elif isinstance(container, list) and choice % 2:
            container.append(deepcopy(container[name]))
        else:
            del container[name]
        if not document:
            break
    return json.dumps(document).encode()


def _feed_provenance(folder: Path, data: bytes) -> None:
    """Read, write, verify and replay a document, or one of calreg's own with some other values."""
    if data and not data.lstrip().startswith(b"{"):
        data = _edit_document(_PROVENANCE_SEEDS(folder), data)
    location = _make_registry(folder)
    path, output = folder / "provenance.json", folder / "replayed"
    path.write_bytes(data)
    document = call_parser(lambda: provenance.read(path))
    if document is None:
        return
    path.write_bytes(provenance.encode(document))
    assert provenance.read(path) == document
    build_prov_json(document)
    try:
        with use_small_panels():
            replayed = call_parser(lambda: replay(path, output, store=location.store_folder))
            call_parser(lambda: verify_export(path, location.database, location.store_folder))
        for array in replayed.outputs if replayed else ():
            assert hashlib.sha256(Path(array.path).read_bytes()).hexdigest() == array.sha256
    finally:
        shutil.rmtree(output, ignore_errors=True)


def _feed_deployed_file(folder: Path, data: bytes) -> None:
    """Check a calibration directory with this file in it, or with this document beside one of calreg's own files."""
    location, calib = _make_registry(folder), folder / "calib"
    (seed,) = (location.folder / "psana").glob("*/*/pixel_gain/*.data")
    home = calib / seed.parent.parent.relative_to(location.folder / "psana")
    (home / "pixel_gain").mkdir(parents=True)
    try:
        if data.lstrip().startswith(b"{"):
            shutil.copy(seed, home / "pixel_gain" / seed.name)
            (home / "any.json").write_bytes(data)
        else:
            (home / "pixel_gain" / seed.name).write_bytes(data)
        with use_small_panels(), location.open() as registry:
            checked = call_parser(lambda: registry.check_deployment("xcsls3716", calib))
            assert checked is not None
    finally:
        shutil.rmtree(calib)


def _feed_backup(folder: Path, data: bytes) -> None:
    (folder / FILE_NAME).write_bytes(data)
    description = call_parser(lambda: read_description(folder))
    if description is not None:
        assert msgspec.json.decode(msgspec.json.encode(description), type=BackupDescription) == description
        assert (folder / description.database).parent == folder


def _feed_store(folder: Path, data: bytes) -> None:
    (folder / "registry.json").write_bytes(data)
    call_parser(ContentStore(folder).read_owner)


def _feed_head(folder: Path, data: bytes) -> None:
    (folder / "head.json").write_bytes(data)
    state = call_parser(HeadFile(folder).read)
    if state is not None:
        assert parse_head(str(state.committed)) == state.committed
    call_parser(lambda: parse_head(decode_text(data)))


def _feed_incomplete_copy(folder: Path, data: bytes) -> None:
    (folder / incomplete_copies.FILE_NAME).write_bytes(data)
    call_parser(lambda: incomplete_copies.read_missing_files(ContentStore(folder)))


def _make_incomplete_seeds(_folder: Path) -> list[bytes]:
    use = {"kind": "gain", "gain_range": 0, "panel": PANEL_A, "version": 1}
    missing = {"sha256": 64 * "0", "problem": "it is damaged", "uses": [use], "is_damaged": True}
    note = {"format": "calreg incomplete copy", "format_version": 1, "missing": [missing]}
    return [json.dumps(note).encode()]


def _feed_left_out_note(folder: Path, data: bytes) -> None:
    (folder / "left-out.json").write_bytes(data)
    call_parser(lambda: ContentStore(folder).read(64 * "0", 8))
    call_parser(lambda: ContentStore(folder).note_left_out(None, ()))


def _make_left_out_seeds(_folder: Path) -> list[bytes]:
    part = {"experiments": ["xcs1"], "names": ["M068"], "panels": [PANEL_A], "whole": "revision 1 of here"}
    note = {"format": "calreg partial snapshot", "format_version": 1, "parts": [part], "files": [64 * "0"]}
    return [json.dumps(note).encode()]


_PROVENANCE_SEEDS = _seeds_from_files("*/provenance.json", "psana/**/*.json")
_HDF5_SEEDS = _seeds_from_files("hdf5/*.h5")
_DETECTION_MODULE = "registry.exporters.detection"
EXPORT_TARGETS = [
    Target("npy", _feed_arrays_named("array.npy"), make_npy_seeds, (_DETECTION_MODULE, "registry.arrays")),
    Target(
        "text",
        _feed_arrays_named("0-end.data"),
        _seeds_from_files("psana/**/*.data"),
        (_DETECTION_MODULE, "registry.text_arrays", "registry.decimals"),
    ),
    Target("gain-map-files", _feed_gain_map_files, make_npy_seeds, ("registry.importers.gain_map_files",)),
    Target("hdf5", _feed_hdf5, _HDF5_SEEDS, ("registry.exporters.hdf5",)),
    Target(
        "provenance",
        _feed_provenance,
        _PROVENANCE_SEEDS,
        (
            "registry.provenance",
            "registry.provenance.document",
            "registry.api.replays",
            "registry.api.export_verification",
        ),
    ),
    Target(
        "deployed-file",
        _feed_deployed_file,
        _seeds_from_files("psana/**/*.data", "psana/**/*.json"),
        ("registry.api.file_contents", "registry.exporters.deployed_files"),
    ),
    Target(
        "backup",
        _feed_backup,
        _seeds_from_files("backup/backup.json"),
        ("registry.api.backup_descriptions", "registry.api.backups"),
    ),
    Target("store", _feed_store, _seeds_from_files("store/registry.json"), ("registry.store",)),
    Target("head", _feed_head, _seeds_from_files("store/head.json"), ("registry.heads",)),
    Target(
        "left-out-files",
        _feed_left_out_note,
        _make_left_out_seeds,
        ("registry.store", "registry.left_out_notes"),
    ),
    Target(
        "incomplete-copy",
        _feed_incomplete_copy,
        _make_incomplete_seeds,
        ("registry.api.incomplete_copies",),
    ),
]
