from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import pwd
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

import registry as package
from registry import provenance
from registry.api import Registry
from registry.authorship import software_version
from registry.errors import (
    ConflictError,
    CorruptionError,
    IdentifierError,
    InstantError,
    NotFoundError,
    NotValidError,
    RegistryError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.instants import BEGINNING
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation
from tests.conftest import act_as_ordinary_user, make_location
from tests.selection import keep_first

WRITTEN = ("M001", "M002", "M003", "M004")  # the other modules have the arrays of one of these
PANELS = [f"190408-181206-{number:x}" for number in range(1, 33)]
BEGIN = "2020-01-01T00:00:00Z"
SOURCE = "XcsEndstation.0:Jungfrau.0"
DATASET = "exp=xcs1:run=12"
TYPES = {"pixel_gain": "gain", "pixel_offset": "offset"}


def module_of(panel: str) -> str:
    return f"M{PANELS.index(panel) + 1:03}"


def detector(panels: Sequence[str]) -> str:
    return "_".join(panels)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A legacy directory of 32 modules that share the arrays of four."""
    root = tmp_path_factory.mktemp("tree")
    for seed, module in enumerate(WRITTEN):
        write_panel_folder(root / module, seed)
    for index, panel in enumerate(PANELS):
        if module_of(panel) not in WRITTEN:
            arrays = root / WRITTEN[index % len(WRITTEN)]
            shutil.copytree(arrays, root / module_of(panel), copy_function=os.link)
        (root / f"{panel}-20190101000000").symlink_to(module_of(panel))
    return root


@pytest.fixture(scope="module")
def small_tree(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of the tree with the first two panels."""
    root = tmp_path_factory.mktemp("small")
    for panel in PANELS[:2]:
        shutil.copytree(tree / module_of(panel), root / module_of(panel), copy_function=os.link)
        (root / f"{panel}-20190101000000").symlink_to(module_of(panel))
    return root


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """One registry that knows the tree's 32 panels, from 2019 on, for the tests that record nothing more."""
    for location in make_location(request, tmp_path_factory.mktemp("shared"), request.param):
        with location.open() as registry:
            registry.import_tree(tree, same_as=WRITTEN)
            yield registry


@pytest.fixture
def imported(registry: Registry, small_tree: Path) -> Registry:
    """A registry of one's own that knows two panels, from 2019 on."""
    registry.import_tree(small_tree, comment="the directory of 2020")
    return registry


def configure(registry: Registry, panels: Sequence[str] = PANELS[:2]) -> Registry:
    registry.detectors.configure("xcs1", SOURCE, detector(panels), first_run=10, last_run=20)
    registry.runs.add(DATASET, begin=BEGIN, end="2020-01-01T01:00:00Z")
    return registry


def stack_files(tree: Path, kind: str, panels: Sequence[str]) -> NDArray[np.float32]:
    """Stack the files with numpy: (gain range, panel, row, column)."""
    return np.stack(
        [
            np.stack([np.load(tree / module_of(panel) / f"g{gain_range}_{kind}.npy") for panel in panels])
            for gain_range in range(3)
        ]
    )


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    same = one.dtype == other.dtype and one.shape == other.shape
    return same and np.array_equal(one.view(np.uint32), other.view(np.uint32))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def document(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "provenance.json").read_bytes())
    return read


def refuse_without_output(
    kind: type[RegistryError], call: Callable[[], object], output: Path
) -> RegistryError:
    """Return the error of a call, which must leave no output."""
    with pytest.raises(kind) as error:
        call()
    assert type(error.value) is kind
    assert not output.exists()
    return error.value


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@pytest.mark.parametrize("counts", keep_first([[1, 2], [8, 32]]))
def test_an_export_is_the_stack_of_numpy_bit_for_bit_for_one_to_thirty_two_panels(
    shared: Registry, tree: Path, tmp_path: Path, counts: list[int]
) -> None:
    for panels in (PANELS[:count] if count > 2 else PANELS[:count][::-1] for count in counts):
        types = TYPES if len(panels) < 32 else {"pixel_gain": "gain"}
        output = tmp_path / str(len(panels))
        exported = shared.export(detector(panels), output, at=BEGIN, types=list(types))
        assert [written.type for written in exported.outputs] == list(types)
        for written in exported.outputs:
            assert written.path == str(output / f"{written.type}.npy")
            assert written.shape == (3, len(panels), 512, 1024)
            assert written.dtype == "float32"
            assert written.size == Path(written.path).stat().st_size
            loaded = np.load(written.path, mmap_mode="r")
            assert loaded.flags.c_contiguous
            assert loaded.dtype.str == "<f4"
            assert same_bits(loaded, stack_files(tree, types[written.type], panels))
            with Path(written.path).open("rb") as file:
                assert np.lib.format.read_magic(file) == (1, 0)
                assert np.lib.format.read_array_header_1_0(file) == (written.shape, False, np.dtype("<f4"))
                assert file.tell() % 64 == 0
                file.seek(0)
                assert hashlib.file_digest(file, "sha256").hexdigest() == written.sha256
        names = {f"{name}.npy" for name in types} | {"provenance.json"}
        assert {path.name for path in output.iterdir()} == names
        shutil.rmtree(output)


@pytest.mark.slow
def test_the_provenance_explains_every_byte(imported: Registry, small_tree: Path, tmp_path: Path) -> None:
    panels = PANELS[1::-1]
    configure(imported, panels)
    exported = imported.export(DATASET, tmp_path / "out", source="Jungfrau.0", as_of=3)
    values = document(tmp_path / "out")
    author = pwd.getpwuid(os.getuid()).pw_name
    stamps = {
        revision.revision: {
            "revision": revision.revision,
            "recorded_at": str(revision.recorded_at),
            "author": author,
            "comment": revision.comment,
        }
        for revision in imported.log()
    }
    versions = {(version.panel, version.kind): version for version in imported.versions.list()}

    def file(panel: str, kind: str, gain_range: int) -> dict[str, Any]:
        path = small_tree / module_of(panel) / f"g{gain_range}_{kind}.npy"
        array = np.load(path)
        return {
            "gain_range": gain_range,
            "sha256": digest(path),
            "size": path.stat().st_size,
            "statistics": {
                "minimum": pytest.approx(float(array.min())),
                "median": pytest.approx(float(np.median(array.astype(np.float64)))),
                "maximum": pytest.approx(float(array.max())),
                "zeros": 0,
                "nonfinite": 0,
            },
        }

    def constants(panel: str, kind: str) -> dict[str, Any]:
        version = versions[panel, kind]
        return {
            "kind": kind,
            "version": version.version,
            "valid_from": "2019-01-01T00:00:00Z",
            "valid_to": None,
            "constants": version.constants,
            "registered": stamps[1],
            "comment": "the directory of 2020",
            "carried_from": None,
            "source_path": str(small_tree / f"{panel}-20190101000000"),
            "nonfinite_allowed": False,
            "files": [file(panel, kind, gain_range) for gain_range in range(3)],
        }

    assert stamps[1]["comment"] == "the directory of 2020"
    assert values["format"] == "calreg provenance"
    assert values["format_version"] == 2
    assert values["request"] == {
        "target": DATASET,
        "source": "Jungfrau.0",
        "at": None,
        "as_of": "3",
        "types": list(TYPES),
        "format": "npy",
    }
    assert values["resolution"] == {
        "detector_type": "jungfrau",
        "detector_id": detector(panels),
        "instant": BEGIN,
        "instant_is": "begin of the run",
        "run": {
            "experiment": "xcs1",
            "run": 12,
            "begin": BEGIN,
            "end": "2020-01-01T01:00:00Z",
            "registered": stamps[3],
        },
        "configuration": {
            "experiment": "xcs1",
            "source": SOURCE,
            "first_run": 10,
            "last_run": 20,
            "registered": stamps[2],
        },
        "types": list(TYPES),
        "panels": [
            {
                "position": position,
                "panel": panel,
                "alias": module_of(panel),
                "constants": [constants(panel, "gain"), constants(panel, "offset")],
                "segment": position,
            }
            for position, panel in enumerate(panels)
        ],
    }
    assert values["outputs"] == [
        {
            "type": name,
            "kind": kind,
            "unit": {"gain": "ADU/keV", "offset": "ADU"}[kind],
            "shape": [3, 2, 512, 1024],
            "dtype": "float32",
            "path": f"{name}.npy",
            "sha256": digest(tmp_path / "out" / f"{name}.npy"),
            "size": (tmp_path / "out" / f"{name}.npy").stat().st_size,
        }
        for name, kind in TYPES.items()
    ]
    assert values["registry"] == {
        "id": imported.id,
        "revision": 3,
        "recorded_at": stamps[3]["recorded_at"],
        "seal": imported.find_head(3).seal,
    }
    assert values["software"] == {
        "calreg": software_version().removeprefix("calreg "),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "sqlalchemy": sa.__version__,
    }
    assert values["created_by"]["host"] == socket.gethostname()
    assert values["warnings"] == []
    assert exported.revision == 3
    assert exported.provenance == str(tmp_path / "out" / "provenance.json")


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_the_same_request_as_of_the_same_revision_gives_the_same_bytes_later(
    imported: Registry, tree: Path, tmp_path: Path
) -> None:
    target = detector(PANELS[:2])
    first = imported.export(target, tmp_path / "first", at=BEGIN)
    assert first.revision == 1
    imported.versions.add(PANELS[0], tree / "M004", valid_from="2019-06-01T00:00:00Z")
    imported.versions.gap(PANELS[1], valid_from="2019-06-01T00:00:00Z", comment="the panel was warm")
    again = imported.export(target, tmp_path / "again", at=BEGIN, as_of=1)
    for name in ("pixel_gain.npy", "pixel_offset.npy"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    one, other = document(tmp_path / "first"), document(tmp_path / "again")
    assert one.pop("created_at") <= other.pop("created_at")
    assert other["request"].pop("as_of") == "1"
    assert one["request"].pop("as_of") is None
    assert one == other
    assert again.revision == 1
    late = refuse_without_output(
        NotValidError,
        lambda: imported.export(target, tmp_path / "late", at=BEGIN),
        tmp_path / "late",
    )
    assert len(late.details) == 2
    for kind, sentence in zip(("gain", "offset"), late.details, strict=True):
        for name in (kind, PANELS[1], BEGIN, "2019-06-01T00:00:00Z", "the panel was warm"):
            assert name in sentence


@pytest.mark.slow
def test_the_start_time_of_a_run_is_used_and_another_instant_with_a_warning(
    imported: Registry, tree: Path, tmp_path: Path
) -> None:
    configure(imported, PANELS[:1])
    imported.versions.add(PANELS[0], tree / "M002", valid_from="2020-01-01T00:30:00Z", same_as=["M002"])
    own = imported.constants(DATASET)
    assert own.provenance.resolution.instant_is == "begin of the run"
    assert same_bits(own["pixel_gain"], stack_files(tree, "gain", PANELS[:1]))
    assert [
        all(name in warning for name in (kind, PANELS[0], "2020-01-01T00:30:00Z", DATASET))
        for kind, warning in zip(("gain", "offset"), own.provenance.warnings, strict=True)
    ] == [True, True]
    other = imported.export(DATASET, tmp_path / "out", at="20200101003000")
    assert same_bits(np.load(tmp_path / "out" / "pixel_gain.npy"), stack_files(tree, "gain", PANELS[1:2]))
    assert any(
        all(name in warning for name in (DATASET, BEGIN, "2020-01-01T00:30:00Z"))
        for warning in other.warnings
    )
    values = document(tmp_path / "out")
    assert values["resolution"]["instant"] == values["request"]["at"] == "2020-01-01T00:30:00Z"
    assert values["resolution"]["instant_is"] == "request"
    assert values["resolution"]["run"]["begin"] == BEGIN
    assert values["warnings"] == list(other.warnings)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_run_without_a_start_time_is_refused_with_a_remedy(imported: Registry, tmp_path: Path) -> None:
    imported.detectors.configure("xcs1", SOURCE, PANELS[0], first_run=1)
    output = tmp_path / "out"
    for _ in ("a run that is not registered", "a run that is registered without a start time"):
        error = refuse_without_output(NotValidError, lambda: imported.export(DATASET, output), output)
        assert error.code == 4
        assert (error.values["dataset"], error.remedy) == (DATASET, Remedy.RECORD_START_TIME)
        imported.runs.add(DATASET)
    assert imported.export(DATASET, output, at=BEGIN).warnings == ()


@pytest.mark.slow
def test_a_subset_of_the_types_is_written_alone(shared: Registry, tmp_path: Path) -> None:
    exported = shared.export(PANELS[0], tmp_path / "out", at=BEGIN, types=["pixel_offset", "pixel_offset"])
    assert [file.type for file in exported.outputs] == ["pixel_offset"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pixel_offset.npy", "provenance.json"}
    (panel,) = document(tmp_path / "out")["resolution"]["panels"]
    assert [constants["kind"] for constants in panel["constants"]] == ["offset"]


@pytest.mark.sqlite_suffices
def test_invalid_requests_are_refused(imported: Registry, tmp_path: Path) -> None:
    imported.detectors.configure("xcs1", SOURCE, PANELS[0], first_run=1)
    imported.detectors.configure("xcs1", "XcsEndstation.0:Jungfrau.1", PANELS[1], first_run=1)
    output = tmp_path / "out"
    cases: list[tuple[type[RegistryError], dict[str, Any], tuple[str, ...]]] = [
        (IdentifierError, {"target": "631", "at": BEGIN}, ("631",)),
        (RequestError, {"target": PANELS[0]}, ()),
        (RequestError, {"target": PANELS[0], "at": BEGIN, "source": SOURCE}, ()),
        (
            RequestError,
            {"target": PANELS[0], "at": BEGIN, "types": ["pixel_gain", "pixel_common_mode"]},
            ("pixel_common_mode", "jungfrau", "pixel_gain", "pixel_offset"),
        ),
        (RequestError, {"target": PANELS[0], "at": BEGIN, "format": "root"}, ("root", "npy", "hdf5")),
        (RequestError, {"target": DATASET, "at": BEGIN}, (DATASET, SOURCE, "XcsEndstation.0:Jungfrau.1")),
        (
            RequestError,
            {"target": DATASET, "at": BEGIN, "source": "XcsEndstation.0"},
            (SOURCE, "XcsEndstation.0:Jungfrau.1"),
        ),
        (NotFoundError, {"target": DATASET, "at": BEGIN, "source": "Jungfrau.2"}, (DATASET, "Jungfrau.2")),
        (NotFoundError, {"target": "exp=xcs2:run=1", "at": BEGIN}, ("xcs2",)),
        (NotFoundError, {"target": "190408-181206-ffff", "at": BEGIN}, ("190408-181206-ffff",)),
        (NotFoundError, {"target": PANELS[0], "at": BEGIN, "as_of": 99}, ("99",)),
        (InstantError, {"target": PANELS[0], "at": "2020"}, ("2020",)),
        (InstantError, {"target": PANELS[0], "at": "beginning"}, ("beginning",)),
        (InstantError, {"target": PANELS[0], "at": BEGINNING}, ()),
    ]
    for error_class, request, names in cases:
        error = refuse_without_output(
            error_class, lambda request=request: imported.export(output=output, **request), output
        )
        assert [name for name in names if name not in str(error)] == []
    assert len(imported.log()) == 3


def test_all_that_is_missing_is_listed_at_once(imported: Registry, tmp_path: Path) -> None:
    imported.panels.add("190408-181206-ffff")
    offset_gap = imported.versions.gap(
        PANELS[1], kinds=["offset"], valid_from="2019-12-01T00:00:00Z", comment="light leak"
    )
    assert offset_gap.revision == 3
    output = tmp_path / "deep" / "out"
    target = detector([PANELS[0], PANELS[1], "190408-181206-ffff"])
    error = refuse_without_output(
        NotValidError, lambda: imported.export(target, output, at=BEGIN), output.parent
    )
    assert error.code == 4
    missing = [
        ("offset", PANELS[1], BEGIN, "2019-12-01T00:00:00Z", "light leak"),
        ("gain", "190408-181206-ffff", BEGIN),
        ("offset", "190408-181206-ffff", BEGIN),
    ]
    for sentence, names in zip(error.details, missing, strict=True):
        assert [name for name in names if name not in sentence] == []
    before = refuse_without_output(
        NotValidError,
        lambda: imported.export(target, output, at="2018-12-31T23:59:59.999999Z"),
        output.parent,
    )
    for kind, sentence in zip(("gain", "offset"), before.details[:2], strict=True):
        for name in (kind, PANELS[0], "2018-12-31T23:59:59.999999Z", "2019-01-01T00:00:00Z"):
            assert name in sentence
    unknown = refuse_without_output(
        NotFoundError,
        lambda: imported.export("190408-181206-aaaa_190408-181206-bbbb", output, at=BEGIN),
        output.parent,
    )
    assert unknown.code == 3
    assert len(unknown.details) == 2
    both = refuse_without_output(
        NotFoundError,
        lambda: imported.export(detector(["190408-181206-aaaa", *PANELS[:2]]), output, at=BEGIN),
        output.parent,
    )
    assert both.code == 3
    assert len(both.details) == 2
    assert "190408-181206-aaaa" in both.details[0]
    assert both.details[1] == error.details[0]
    assert both.values["panels"] == ["190408-181206-aaaa"]


@pytest.mark.slow
def test_a_damaged_missing_or_swapped_object_stops_the_export_and_no_output_is_left(
    location: RegistryLocation, small_tree: Path, tmp_path: Path
) -> None:
    def object_of(module: str, name: str) -> Path:
        sha256 = digest(small_tree / module / name)
        return location.store / "objects" / sha256[:2] / f"{sha256}.npy"

    damaged, other = object_of("M002", "g2_offset.npy"), object_of("M001", "g2_offset.npy")
    sound = damaged.name.removesuffix(".npy")

    def flip(content: bytes) -> bytes:
        return content[:-1] + bytes([content[-1] ^ 1])

    with location.open() as registry:
        registry.import_tree(small_tree)
        registry.export(PANELS[0], tmp_path / "old", at=BEGIN)
        before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
        content, foreign = damaged.read_bytes(), other.read_bytes()
        (offset,) = registry.validity(PANELS[1], kinds=["offset"]).versions
        for bad in (flip(content), foreign, None):
            damaged.unlink()
            if bad is not None:
                damaged.write_bytes(bad)
            for output, force in ((tmp_path / "new" / "out", False), (tmp_path / "old", True)):
                with pytest.raises(CorruptionError) as error:
                    registry.export(detector(PANELS[:2]), output, at=BEGIN, force=force)
                assert error.value.code == 6
                assert error.value.values["sha256"] == sound
                assert error.value.values["panel"] == PANELS[1]
                assert error.value.values["version"] == offset.version
                assert error.value.values["path"] == str(damaged)
                assert not (tmp_path / "new").exists()
                assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before
            damaged.write_bytes(content)
        assert same_bits(
            registry.constants(PANELS[1], at=BEGIN)["pixel_offset"],
            stack_files(small_tree, "offset", PANELS[1:2]),
        )


def test_an_existing_output_is_a_conflict_and_force_replaces_all(shared: Registry, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shared.export(PANELS[0], output, at=BEGIN)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    with pytest.raises(ConflictError) as error:
        shared.export(PANELS[1], output, at=BEGIN)
    assert error.value.code == 5
    assert error.value.values["files"] == ["pixel_gain.npy", "pixel_offset.npy", "provenance.json"]
    assert error.value.remedy is Remedy.REPLACE_FILES
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    forced = shared.export(PANELS[1], output, at=BEGIN, types=["pixel_gain"], force=True)
    assert digest(output / "pixel_gain.npy") == forced.outputs[0].sha256
    assert provenance.read(output / "provenance.json").resolution.detector_id == PANELS[1]


@pytest.mark.slow
def test_an_output_folder_that_cannot_be_written_is_refused_and_stays_empty(
    sqlite_location: RegistryLocation, small_tree: Path, open_folder: Path
) -> None:
    output = open_folder / "out"
    output.mkdir(mode=0o555)
    with sqlite_location.open() as registry:
        registry.import_tree(small_tree)
        for location in (output, output / "deeper"):
            with (
                readable(sqlite_location, open_folder / "copy") as copy,
                copy.open() as reader,
                act_as_ordinary_user(),
                pytest.raises(UnavailableError) as error,
            ):
                reader.export(PANELS[0], location, at=BEGIN)
            assert error.value.code == 8
            assert "Permission denied" in error.value.message
            shutil.rmtree(open_folder / "copy")
        assert list(output.iterdir()) == []


@contextlib.contextmanager
def readable(location: RegistryLocation, folder: Path) -> Iterator[RegistryLocation]:
    """Copy a SQLite registry to where every user can read and nobody but its owner write the database."""
    folder.mkdir()
    folder.chmod(0o777)
    with contextlib.closing(location.engine().raw_connection()) as connection:
        connection.cursor().execute(f"VACUUM INTO '{folder / 'registry.sqlite'}'")
    shutil.copytree(location.store, folder / "store")
    (folder / "registry.sqlite").chmod(0o444)
    yield RegistryLocation(f"sqlite:///{folder / 'registry.sqlite'}", folder / "store")


def assert_not_recorded(reader: Registry, output: Path) -> None:
    exported = reader.export(PANELS[0], output, at=BEGIN)
    assert exported.recorded is False
    (note,) = exported.notes
    assert note.startswith("the export is not recorded: the database ")
    assert {path.name for path in output.iterdir()} == {
        "pixel_gain.npy",
        "pixel_offset.npy",
        "provenance.json",
    }
    assert [digest(Path(file.path)) for file in exported.outputs] == [
        file.sha256 for file in exported.outputs
    ]


@pytest.mark.slow
def test_a_reader_of_a_sqlite_file_exports_without_a_record(
    sqlite_location: RegistryLocation, small_tree: Path, open_folder: Path
) -> None:
    with sqlite_location.open() as registry:
        registry.import_tree(small_tree)
    with (
        readable(sqlite_location, open_folder / "copy") as copy,
        act_as_ordinary_user(),
        copy.open() as reader,
    ):
        assert_not_recorded(reader, open_folder / "copy" / "out")
        with pytest.raises(UnavailableError):
            reader.panels.add("190408-181206-ffff")


@pytest.mark.slow
def test_a_postgresql_role_that_may_only_read_exports_without_a_record(
    request: pytest.FixtureRequest, small_tree: Path, tmp_path: Path
) -> None:
    for location in make_location(request, tmp_path, "postgresql"):
        role = f"calreg_reader_{os.getpid()}"
        with location.open() as registry:
            registry.import_tree(small_tree)
        engine = location.engine()
        with engine.begin() as connection:
            connection.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD 'reads-only'"))
            connection.execute(sa.text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"))
        try:
            url = sa.make_url(location.database).set(username=role, password="reads-only")  # noqa: S106
            reading = RegistryLocation(url.render_as_string(hide_password=False), location.store)
            with reading.open() as reader:
                assert_not_recorded(reader, tmp_path / "out")
                with pytest.raises(UnavailableError):
                    reader.panels.add("190408-181206-ffff")
            with location.open() as registry:
                assert len(registry.log()) == 1
                assert registry.identify(tmp_path / "out" / "pixel_gain.npy").exports == ()
        finally:
            with engine.begin() as connection:
                connection.execute(sa.text(f"DROP OWNED BY {role}"))
                connection.execute(sa.text(f"DROP ROLE {role}"))
            engine.dispose()


@pytest.mark.slow
def test_an_export_is_recorded_as_of_a_revision_without_a_new_one(
    location: RegistryLocation, small_tree: Path, tmp_path: Path
) -> None:
    with location.open() as registry:
        registry.import_tree(small_tree)
        configure(registry)
        exported = registry.export(DATASET, tmp_path / "out")
        assert exported.recorded is True
        assert exported.notes == ()
        assert [revision.revision for revision in registry.log()] == [3, 2, 1]
        used = {
            version.version for panel in PANELS[:2] for version in registry.validity(panel, at=BEGIN).versions
        }
    engine = location.engine()
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM export")).one()
        outputs = connection.execute(sa.text("SELECT type, path, sha256, size FROM export_output")).all()
        inputs = connection.execute(sa.text("SELECT version_id FROM export_input")).scalars()
        assert set(inputs) == used
    engine.dispose()
    assert (row.revision, row.experiment, row.run, row.source) == (3, "xcs1", 12, SOURCE)
    assert row.detector_id == detector(PANELS[:2])
    assert row.provenance_path == str(tmp_path / "out" / "provenance.json")
    assert row.provenance_sha256 == digest(tmp_path / "out" / "provenance.json")
    assert {tuple(output) for output in outputs} == {
        (file.type, file.path, file.sha256, file.size) for file in exported.outputs
    }


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_constants_in_memory_are_those_of_the_export_with_the_same_provenance(
    imported: Registry, tmp_path: Path
) -> None:
    configure(imported)
    imported.export(DATASET, tmp_path / "out")
    written = provenance.read(tmp_path / "out" / "provenance.json")
    held = imported.constants(DATASET)
    assert list(held) == list(TYPES)
    assert len(held) == 2
    assert "pixel_mask" not in held
    for name in TYPES:
        assert same_bits(held[name], np.load(tmp_path / "out" / f"{name}.npy"))
    assert held.provenance.resolution == written.resolution
    assert held.provenance.registry == written.registry
    assert held.provenance.request.format == "memory"
    assert [(output.type, output.unit, output.shape) for output in held.provenance.outputs] == [
        (output.type, output.unit, output.shape) for output in written.outputs
    ]
    assert {output.path for output in held.provenance.outputs} == {None}
    assert len(imported.log()) == 3


@pytest.mark.slow
def test_a_registry_is_opened_from_the_package_as_the_documentation_says(
    sqlite_location: RegistryLocation, small_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sqlite_location.environment.items():
        monkeypatch.setenv(name, value)
    with package.open_registry() as registry:
        registry.import_tree(small_tree)
        constants = registry.constants(detector(PANELS[:2]), at="20200101000000")
    assert constants["pixel_gain"].shape == (3, 2, 512, 1024)
    assert constants.provenance.resolution.instant == BEGIN


def test_an_output_folder_need_not_have_a_name_in_utf_8(shared: Registry, tmp_path: Path) -> None:
    output = tmp_path / os.fsdecode(b"caf\xe9")
    assert shared.export(PANELS[0], output, at=BEGIN, types=["pixel_gain"]).recorded is True
    exports = shared.identify(output / "pixel_gain.npy").exports
    assert exports[-1].path == str(tmp_path / "caf\\xe9" / "pixel_gain.npy")


def test_the_order_of_the_panels_is_that_of_the_detector_id(shared: Registry, tree: Path) -> None:
    for panels in (PANELS[:3], [PANELS[2], PANELS[0], PANELS[1]]):
        held = shared.constants(f"jungfrau_{detector(panels)}", at=BEGIN, types=["pixel_offset"])
        assert same_bits(held["pixel_offset"], stack_files(tree, "offset", panels))
        assert [panel.panel for panel in held.provenance.resolution.panels] == list(panels)
