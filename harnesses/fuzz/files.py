"""Targets that parse files and folders to import."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path

import numpy as np

from harnesses.fuzz.target import Target, call_parser, decode_text
from registry import detectors
from registry.arrays import check_file
from registry.configuration import read_defaults
from registry.detectors.jungfrau import JUNGFRAU
from registry.geometry import read_geometry
from registry.importers.dataset_table import read_dataset_table
from registry.importers.directory_rule import DirectoryRule
from registry.importers.file_types import find_files_type, find_kinds
from registry.importers.gain_maps import convert_gain_maps, make_conversion_folder
from registry.importers.layouts.contents import Context, KnownRun
from registry.importers.layouts.converted_tree import convert_tree
from registry.importers.layouts.known import LAYOUTS
from registry.importers.left_out import list_left_out
from registry.importers.logbook import read_logbook
from registry.importers.panel_folders import check_tree, read_panel_folder
from registry.importers.tree_aliases import plan_aliases
from registry.instants import Instant
from registry.parallel import no_progress
from registry.settings import network_file_system
from registry.storage.profiles import parse_section
from testing.panels import PANEL_A, use_small_panels

_TABLE = """\
Dataset                 Runs     DetInfo name                   Panel/detector Id
exp=xcsls3716:run=631   1-631    XcsEndstation.0:Jungfrau.0     170505-149520170815-3d00b0_170505-149520170815-3d00f7
exp=xcs11116:run=18     4-end    XcsEndstation.0:Jungfrau.0     psana.Jungfrau.ConfigV2
-----------
"""
_CONFIGURATIONS = (
    b'database = "sqlite:////data/registry.sqlite"\nstore = "~/store"\nlocal = true\npager = ""\nformat = "csv"\n',
    b'timezone = "America/Los_Angeles"\nlocal = "yes"\n[table]\nx = [1, 2.5, 1979-05-27T07:32:00Z]\n',
)
_MAX_TREE_ENTRIES = 24
_GEOMETRIES = (
    b"""# HDR PARENT IND OBJECT IND X0[um] Y0[um] Z0[um] ROT-Z ROT-Y ROT-X TILT-Z TILT-Y TILT-X
QUAD:V1 0 JUNGFRAU:V1 0 0 0 0 90 0 0 0.1 0 0
QUAD:V1 0 JUNGFRAU:V2 1 0 900 -7.5 0 180 0 0 0 0
CAMERA 0 QUAD:V1 0 1e3 0 0 0 0 0 0 0 0
IP 0 CAMERA 0 0 0 -1e5 90 0 0 0 0 0
""",
    b"IP 0 MTRX:4:6:75:75 0 0 0 0 0 0 0 0 0 0\n",
    b"""; CrystFEL
res = 13333.3
dim0 = %
dim2 = ss
dim3 = fs
rigid_group_q0 = p0,p1
p0/dim1 = 0
p0/min_fs = 0
p0/max_fs = 5
p0/min_ss = 0
p0/max_ss = 3
p0/corner_x = -3.5
p0/corner_y = 8
p0/fs = +1.0x -0.01y
p0/ss = x +y +0.1z
bad_edge/min_fs = 0
""",
)


def encode_npy(array: object) -> bytes:
    """Return what `numpy.save` writes of an array."""
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()


def _write_input(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _feed_profiles(folder: Path, data: bytes) -> None:
    settings = call_parser(lambda: parse_section(data, "default", folder / "config"))
    assert settings is None or all(type(value) is str for value in settings.values())


def _feed_configuration(folder: Path, data: bytes) -> None:
    path = _write_input(folder, "calreg.toml", data)
    for refused in ({}, {"database": "it names a registry", "pager": "it names a program"}):
        defaults = call_parser(lambda refused=refused: read_defaults(path, refused))  # type: ignore[misc]
        for name, default in (defaults or {}).items():
            assert name not in refused
            assert isinstance(default.value, bool if name == "local" else str)


def _feed_dataset_table(folder: Path, data: bytes) -> None:
    path = _write_input(folder, "datasets.txt", data)
    table = call_parser(lambda: read_dataset_table(path))
    if table is None:
        return
    rows = []
    for run, row in zip(table.runs, table.configurations, strict=True):
        last = "end" if row.last_run is None else row.last_run
        panels = row.object_name or "_".join(row.panels)
        rows.append(f"{run.dataset} {row.first_run}-{last} {row.source} {panels}\n")
    again = read_dataset_table(_write_input(folder, "datasets.txt", "".join(rows).encode()))
    assert again == table


def _feed_geometry(folder: Path, data: bytes) -> None:
    path = _write_input(folder, "0-end.data", data)
    with use_small_panels():
        geometry = call_parser(lambda: read_geometry(path, JUNGFRAU))
    if geometry is None:
        return
    assert 0 < len(geometry.segments) <= JUNGFRAU.whole_sizes[-1]
    for tiles in geometry.segments.values():
        pixels = 0
        for tile in tiles:
            assert np.isfinite(tile.list_corners()).all()
            assert tile.is_flat
            pixels += (tile.rows[1] - tile.rows[0]) * (tile.columns[1] - tile.columns[0])
        assert pixels == 4 * 6


def _feed_files_type(folder: Path, data: bytes) -> None:
    _write_input(folder, "g0_gain.npy", data)
    with use_small_panels():
        detector = call_parser(lambda: find_files_type(folder))
    assert detector in (None, JUNGFRAU)
    assert detector is None or find_kinds(folder, detector) == ["gain"]


def _feed_logbook(folder: Path, data: bytes) -> None:
    path = _write_input(folder, "runs.json", data)
    logbook = call_parser(lambda: read_logbook(path, "xcsls3716"))
    if logbook is None:
        return
    rows = [
        {"num": run.dataset.run, "begin_time": str(run.begin), "end_time": run.end and str(run.end)}
        for run in logbook.runs
    ]
    again = read_logbook(_write_input(folder, "runs.json", json.dumps(rows).encode()), "xcsls3716")
    assert again.runs == logbook.runs
    assert all(note.isprintable() for note in logbook.notes)


def _make_logbook_seeds(_: Path) -> list[bytes]:
    iso = {
        "num": 201,
        "type": "DATA",
        "begin_time": "2015-08-04T19:10:15-07:00",
        "end_time": None,
        "params": {},
    }
    epoch = {"run_num": 201, "run_type": "CALIB", "begin_time": 1438740615, "end_time": 1438740693.25}
    return [
        json.dumps({"success": True, "value": [iso, iso | {"num": 202}]}).encode(),
        json.dumps([epoch]).encode(),
        b'\xef\xbb\xbf[{"num": 1e99, "num": 2, "x": "\\ud800"}]',
    ]


def _feed_legacy_tree(folder: Path, data: bytes) -> None:
    """Make a directory from names separated by NUL: `name>target` is a link, any other name a folder."""
    root = folder / "tree"
    root.mkdir()
    try:
        for entry in data.split(b"\0")[:_MAX_TREE_ENTRIES]:
            name, is_link, target = entry.partition(b">")
            _make_entry(root, decode_text(name), decode_text(target) if is_link else None)
        rule = DirectoryRule(root)
        rule.pick(PANEL_A)
        with use_small_panels():
            checked = call_parser(lambda: check_tree(root, UTC, no_progress, with_refused=True))
        if checked is not None:
            assert all(
                entry.folder.resolve().is_relative_to(root.resolve()) for entry in checked.tree.entries
            )
            assert all(str(hazard).isprintable() for hazard in checked.tree.hazards)
            planned = plan_aliases(checked.tree.entries, {})
            assert {statement.panel for statement in planned.values()} <= {
                entry.panel for entry in checked.tree.entries
            }
            list(list_left_out(checked.tree))
    finally:
        shutil.rmtree(root)


def _feed_layouts(folder: Path, data: bytes) -> None:
    """Make a tree of paths and contents separated by NUL, and read it by every layout."""
    root = folder / "tree"
    root.mkdir()
    pieces = data.split(b"\0")[: 2 * _MAX_TREE_ENTRIES]
    for name, text in zip(pieces[::2], pieces[1::2], strict=False):
        parts = decode_text(name).split("/")
        if not {"", ".", ".."} & set(parts):
            with suppress(OSError):
                (root.joinpath(*parts)).parent.mkdir(parents=True, exist_ok=True)
                (root.joinpath(*parts)).write_bytes(text)
    runs = [KnownRun(run, Instant(run * 10**15), (PANEL_A,), None) for run in (1, 2)]
    context = Context(UTC, False, "xcs1", lambda *_: runs, lambda _: {run.run: run.begin for run in runs})
    try:
        with use_small_panels(), make_conversion_folder() as converted:
            for layout in LAYOUTS.values():
                content = call_parser(lambda layout=layout: layout.find_entries(root, context))  # type: ignore[misc]
                if content is not None:
                    checked = convert_tree(content, converted, no_progress, allow_odd=True)
                    assert all(str(hazard).isprintable() for hazard in checked.tree.hazards)
                    assert all(note.isprintable() for note in checked.tree.notes)
                    list(list_left_out(checked.tree))
    finally:
        shutil.rmtree(root)


def _make_layout_seeds(_: Path) -> list[bytes]:
    row = b"5001.125 5002 4999.5 5000 5000 5000\n"
    texts = [row * 4, row * 3 + b"1 2 3\n", row * 3 + row[:-1], b"nan inf -1e5 0x1 1_0 .\n" * 4]
    trees = []
    for text in texts:
        dark = b"jungfrau_000003-s00-20260316100203-mfx1-r0066-pedestals-g%d.data"
        older = b"jungfrau_0001_20260316100203_mfx1_r0066_pedestals_gm%d-%s.dat"
        panel = PANEL_A.encode()
        files = [(b"jungfrau/" + panel + b"/pedestals/" + dark % number, text) for number in range(3)]
        modes = (b"Normal", b"ForcedGain1", b"FixedGain2")
        files += [
            (b"panels/" + panel + b"/pedestals/" + older % (number, mode), text)
            for number, mode in enumerate(modes)
        ]
        shape = b"# SHAPE (3,1,4,6)\n# DATATYPE float32\n"
        home = b"Jungfrau::CalibV1/XcsEndstation.0:Jungfrau.0/pedestals/"
        files += [
            (home + b"1-end.data", shape + text * 3),
            (home + b"2-2.data", shape),
            (home + b"2-x.data", b""),
        ]
        document = {"ctype": "pedestals", "longname": f"jungfrau_{PANEL_A}", "time_sec": 1773680523, "run": 1}
        files += [(b"a.json", json.dumps(document).encode()), (b"a.txt", shape + text * 3), (b"b.json", b"[")]
        files += [(b"jungfrau-" + panel + b".h5", b"\x89HDF\r\n\x1a\n" + text)]
        trees.append(b"\0".join(piece for file in files for piece in file))
    return trees


def _make_entry(root: Path, name: str, target: str | None) -> None:
    if "/" in name or name in {"", ".", ".."} or os.path.lexists(root / name):
        return
    with suppress(OSError):  # a name or a target that is too long, or no target
        if target is None:
            (root / name).mkdir()
        else:
            (root / name).symlink_to(target)


def _make_tree_seeds(_: Path) -> list[bytes]:
    return [
        b"M068\0170505-149520170815-3d00b0-20171025000000>M068\0170505-149520170815-3d00b0>M068\0logs",
        b"M068\0M044>M068\0171113-154920171025->M044\0170505-149520170815-3d00f7-20171>../..\0a-b-c-text",
        b"1-2-3>1-2-3\0001-2-4>/etc\0M1>M1\0001-2-3-20171025000000>M1/../M1",
    ]


def _feed_panel_folder(folder: Path, data: bytes) -> None:
    """Read the bytes as all three files of the gain, and check them as an array of gain and of status."""
    files = folder / "panel"
    files.mkdir(exist_ok=True)
    for name in detectors.DETECTOR_TYPES["jungfrau"].file_names("gain"):
        path = _write_input(files, name, data)
    with use_small_panels():
        jungfrau = detectors.DETECTOR_TYPES["jungfrau"]
        call_parser(
            lambda: read_panel_folder(files, jungfrau, ["gain"], allow_nonfinite=True, allow_odd=True)
        )
        for name in ("gain", "status"):
            kind = jungfrau.find_kind(name)
            checked = call_parser(lambda kind=kind: check_file(path, jungfrau, kind, 0, allow_odd=True))  # type: ignore[misc]
            if checked is None:
                continue
            array = np.load(path, allow_pickle=False)
            assert (array.shape, array.dtype.str) == (jungfrau.panel_shape, kind.dtype)
            assert array.flags.c_contiguous
            assert data.endswith(array.tobytes())
            assert checked.statistics.minimum == float(array.min())


def make_npy_seeds(_: Path) -> list[bytes]:
    """Return files in numpy's format: valid ones, and ones that are invalid in different ways."""
    panel = np.linspace(-1, 41, 24, dtype="<f4").reshape(4, 6)
    disguise = io.BytesIO()
    np.savez_compressed(disguise, gain=np.zeros((4, 6), "<f4"))
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("gain.npy", bytes(1 << 20))
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1125899906842624, 6), }\n"
    return [
        encode_npy(panel),
        encode_npy(np.arange(24, dtype="<u8").reshape(4, 6)),
        encode_npy(np.asfortranarray(panel)),
        encode_npy(np.full((3, 2, 4, 6), panel)),
        encode_npy(np.full((2, 3), None))[:-1],
        encode_npy(np.zeros((4, 6), [("a", "<f4"), ("b", "M8[ns]")])),
        b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header,
        b"\x93NUMPY\x01\x00\xff\xff{" + b"(" * 300 + b"-" * 300,
        disguise.getvalue(),
        bomb.getvalue(),
    ]


def _feed_gain_maps(folder: Path, data: bytes) -> None:
    path = _write_input(folder, "gainMaps_M049.bin", data)
    with use_small_panels():
        jungfrau = detectors.DETECTOR_TYPES["jungfrau"]

        def read() -> list[bytes]:
            with convert_gain_maps(path, jungfrau, allow_odd=True) as maps:
                (constants,) = maps.constants
                assert all(isinstance(warning, str) for warning in maps.warnings)
                return [file.path.read_bytes() for file in constants.files]

        files = call_parser(read)
    if files is not None:
        with np.errstate(all="ignore"):
            stages = np.frombuffer(data, "<f8").astype("<f4").reshape(-1, 4, 6)[:3]
        assert b"".join(file[-96:] for file in files) == stages.tobytes()


def _make_gain_maps_seeds(_: Path) -> list[bytes]:
    stages = np.repeat([41.5, -1.39, -0.11, 80.1, -1.4, -0.1], 24).astype("<f8")
    return [stages[:72].tobytes(), stages.tobytes(), stages[:71].tobytes()]


def _feed_mounts(folder: Path, data: bytes) -> None:
    network_file_system(folder, _write_input(folder, "mounts", data))


_MOUNTS = rb"""tmpfs / tmpfs rw 0 0
server:/data /tmp nfs4 rw 0 0
x /dev/shm/a\040b\777\000 fuse.sshfs rw
"""


def _constant_seeds(*seeds: bytes) -> Callable[[Path], list[bytes]]:
    return lambda _: list(seeds)


_IMPORTERS = "registry.importers."
FILE_TARGETS = [
    Target(
        "dataset-table",
        _feed_dataset_table,
        _constant_seeds(_TABLE.encode()),
        (f"{_IMPORTERS}dataset_table",),
    ),
    Target("logbook", _feed_logbook, _make_logbook_seeds, (f"{_IMPORTERS}logbook",)),
    Target(
        "legacy-tree",
        _feed_legacy_tree,
        _make_tree_seeds,
        tuple(
            f"{_IMPORTERS}{name}" for name in ("legacy_tree", "directory_rule", "tree_aliases", "left_out")
        ),
    ),
    Target(
        "layouts",
        _feed_layouts,
        _make_layout_seeds,
        tuple(
            f"{_IMPORTERS}layouts.{name}"
            for name in ("converted_tree", "panel_repositories", "psana", "documents", "dcs")
        ),
    ),
    Target(
        "panel-folder", _feed_panel_folder, make_npy_seeds, (f"{_IMPORTERS}panel_folders", "registry.arrays")
    ),
    Target(
        "gain-maps",
        _feed_gain_maps,
        _make_gain_maps_seeds,
        (f"{_IMPORTERS}gain_maps", f"{_IMPORTERS}gain_map_layouts"),
    ),
    Target(
        "profiles",
        _feed_profiles,
        lambda _: [
            b"[default]\naws_access_key_id = AKIA\naws_secret_access_key = x%y\nregion=eu\n",
            b"[profile lab]\nrole_arn = arn:aws\n\n[default]\nendpoint_url = http://127.0.0.1:8333\n  more\n",
            b"[default]\nregion\n[default]\n",
        ],
        ("registry.storage.profiles",),
    ),
    Target(
        "configuration",
        _feed_configuration,
        _constant_seeds(*_CONFIGURATIONS),
        ("registry.configuration",),
    ),
    Target(
        "geometry",
        _feed_geometry,
        _constant_seeds(*_GEOMETRIES),
        tuple(f"registry.geometry.{name}" for name in ("files", "psana", "crystfel", "numbers", "segments")),
    ),
    Target("files-type", _feed_files_type, make_npy_seeds, (f"{_IMPORTERS}file_types",)),
    Target("mounts", _feed_mounts, _constant_seeds(_MOUNTS), ("registry.settings",)),
]
