"""A calibration directory: the names that the framework reads, what the files say, and for which runs they are good."""

from __future__ import annotations

import errno
import getpass
import hashlib
import itertools
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.api import Registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.errors import (
    ConflictError,
    CorruptionError,
    IdentifierError,
    NotValidError,
    RegistryError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.files import FlushingFile
from testing.panels import PANEL_A, PANEL_B, use_panel_shape, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path
from tests.cli import Calreg
from tests.conftest import make_location
from tests.psana_readers import find_file_for_run, read_newer, read_older
from tests.refusals import assert_refused

SOURCE = "XcsEndstation.0:Jungfrau.0"
GROUP = f"Jungfrau::CalibV1/{SOURCE}"
RUN = "exp=xcs1:run=12"
BEGIN = "2020-01-01T00:00:00Z"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
AUTHOR = getpass.getuser()


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


def register_panels(registry: Registry, folder: Path) -> Registry:
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        registry.panels.add(panel, alias=f"M00{seed}")
        registry.versions.add(panel, write_panel_folder(folder / panel, seed), valid_from="20190101000000")
    registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)
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


@pytest.fixture
def anywhere(registry: Registry, tmp_path: Path) -> Registry:
    """The same, on each of the two databases."""
    return register_panels(registry, tmp_path / "arrays")


def deploy(registry: Registry, folder: Path, **options: Any) -> Any:
    return registry.export(RUN, folder, format="psana", **options)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_the_files_are_where_the_framework_looks_and_nothing_else_is(known: Registry, tmp_path: Path) -> None:
    done = deploy(known, tmp_path / "calib")
    assert names(tmp_path / "calib") == [
        f"{GROUP}/12-end-pixel_gain-pixel_offset.json",
        f"{GROUP}/pixel_gain/12-end.data",
        f"{GROUP}/pixel_gain/HISTORY",
        f"{GROUP}/pixel_offset/12-end.data",
        f"{GROUP}/pixel_offset/HISTORY",
    ]
    assert done.provenance == str(tmp_path / "calib" / GROUP / "12-end-pixel_gain-pixel_offset.json")
    deploy(known, tmp_path / "calib", first_run=14, last_run=20)
    deploy(known, tmp_path / "calib", first_run=0, last_run=9999, types=["pixel_offset"])
    assert names(tmp_path / "calib" / GROUP / "pixel_offset") == [
        "0-9999.data",
        "12-end.data",
        "14-20.data",
        "HISTORY",
    ]
    files = {
        run: find_file_for_run(tmp_path / "calib" / GROUP / "pixel_offset", run)
        for run in (3, 12, 14, 20, 21, 9999)
    }
    assert [path and path.name for path in files.values()] == [
        "0-9999.data",
        "12-end.data",
        "14-20.data",
        "14-20.data",
        "12-end.data",
        "12-end.data",
    ]


def test_the_header_of_a_file_has_the_origin_of_its_numbers(
    known: Registry, arrays: Path, tmp_path: Path
) -> None:
    done = deploy(known, tmp_path / "calib")
    lines = Path(done.outputs[0].path).read_text().splitlines()
    versions = {version.panel: version for version in known.versions.list() if version.kind == "gain"}
    files = {
        panel: [
            hashlib.sha256((arrays / panel / f"g{gain_range}_gain.npy").read_bytes()).hexdigest()
            for gain_range in range(3)
        ]
        for panel in (PANEL_A, PANEL_B)
    }
    comments = [
        "# array pixel_gain, unit ADU/keV, axes (gain range, panel, row, column)",
        f"# runs 12-end of {SOURCE}; times here are UTC",
        f"# constants of {BEGIN} (begin of the run)",
        f"# registry {known.id}, revision {done.revision}, seal {known.head.seal}",
        "# provenance ../12-end-pixel_gain-pixel_offset.json",
    ]
    for position, panel in enumerate((PANEL_A, PANEL_B)):
        version = versions[panel]
        comments.append(
            f"# panel {position} {panel} (M00{position}): version {version.version} of gain,"
            f" valid from 2019-01-01T00:00:00Z, still valid, constants {version.constants}"
        )
        comments += [
            f"# panel {position} gain range {n}: sha256 {sha256}" for n, sha256 in enumerate(files[panel])
        ]
    assert lines[: len(comments)] == comments
    stamp = lines[len(comments) + 4]
    assert re.fullmatch(r"# DATE_TIME   \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", stamp)
    assert lines[len(comments) : len(comments) + 16] == [
        "",
        f"# HOST        {socket.gethostname()}",
        f"# WORK_DIR    {Path.cwd()}",
        "# FILE_NAME   pixel_gain/12-end.data",
        stamp,
        f"# UID         {AUTHOR}",
        "# SHAPE       (3,2,4,6)",
        "# DATATYPE    float32",
        "",
        "# DTYPE       float32",
        "# NDIM        4",
        "# DIM:0       3",
        "# DIM:1       2",
        "# DIM:2       4",
        "# DIM:3       6",
        "",
    ]
    assert len(lines) == len(comments) + 16 + 3 * 2 * 4


@pytest.mark.slow
def test_history_gets_one_line_per_deployment_with_the_checksum_of_the_replaced_file(
    own: Registry, tmp_path: Path, sqlite_location: RegistryLocation
) -> None:
    history = tmp_path / "calib" / GROUP / "pixel_gain" / "HISTORY"
    history.parent.mkdir(parents=True)
    history.write_text("file:1-end.data   by hand, and no end of the line")
    first = deploy(own, tmp_path / "calib").outputs[0].sha256
    document = "12-end-pixel_gain-pixel_offset.json"
    files = ["pixel_gain/12-end.data", "pixel_offset/12-end.data", document]
    assert deploy(own, tmp_path / "calib").outputs[0].sha256 == first  # it is there, with its line
    own.versions.add(
        PANEL_A,
        write_panel_folder(tmp_path / "better", 7),
        valid_from="20190101000000",
        supersede=True,
        comment="better",
    )
    with assert_refused(ConflictError, remedy=Remedy.REPLACE_FILES, files=files):
        deploy(own, tmp_path / "calib")
    done = deploy(own, tmp_path / "calib", force=True)
    second = done.outputs[0].sha256
    shutil.copytree(tmp_path / "calib", tmp_path / "copy")
    replay(done.provenance, tmp_path / "copy", NOWHERE, sqlite_location.store, force=True)
    lines = (tmp_path / "copy" / GROUP / "pixel_gain" / "HISTORY").read_text().splitlines()
    assert lines[0] == "file:1-end.data   by hand, and no end of the line"
    fields = (
        r"file:12-end\.data   copy_of:\.\./12-end-pixel_gain-pixel_offset\.json ctype:pixel_gain"
        rf" user:{AUTHOR} host:{socket.gethostname()} cptime:\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ cwd:{Path.cwd()}"
    )
    for line, rest in zip(
        lines[1:],
        (
            f"revision 6 sha256 {first}",
            f"revision 7 sha256 {second} replaced {first}",
            f"revision 7 sha256 {second} replaced {second}",
        ),
        strict=True,
    ):
        assert re.fullmatch(rf"{fields} cmt:calreg registry {own.id} {rest}", line), line
    assert history.read_text() == "".join(f"{line}\n" for line in lines[:3])


def test_line_ends_and_keys_in_names_are_escaped(
    known: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a b\n# SHAPE       (1,)\n\x1b[2J\u00e9"
    odd.mkdir()
    monkeypatch.chdir(odd)
    monkeypatch.setattr(socket, "gethostname", lambda: "\n# DTYPE       float64")
    done = deploy(known, tmp_path / "calib")
    for output in done.outputs:
        path = Path(output.path)
        content = path.read_bytes()
        assert content.isascii()
        assert all(line.isprintable() for line in content.decode().splitlines())
        assert len(re.findall(rb"^# SHAPE ", content, re.MULTILINE)) == 1
        assert read_older(path).tobytes() == read_newer(path).tobytes()
        (line,) = path.with_name("HISTORY").read_text().splitlines()
        assert r"host:\n#\x20DTYPE\x20\x20\x20\x20\x20\x20\x20float64 cptime:" in line
        assert line.isprintable()
        assert line.isascii()
        assert r"/a\x20b\n#\x20SHAPE" in line
    assert verify_export(done.provenance, NOWHERE, Path(known._backend.store.place)).problems == ()


def test_a_folder_that_the_framework_reads_only_ever_has_whole_files(
    known: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    real = Path.replace

    def watch(self: Path, target: Path) -> Path:
        assert self.parent.parent.name.startswith(".calreg-") or self.parent.name.startswith(".calreg-")
        seen.append(sorted(str(path.relative_to(tmp_path / "calib" / GROUP)) for path in visible()))
        return real(self, target)

    def visible() -> Iterator[Path]:
        for folder in (tmp_path / "calib" / GROUP).glob("pixel_*"):
            yield from folder.iterdir()

    monkeypatch.setattr(Path, "replace", watch)
    deploy(known, tmp_path / "calib")
    assert seen == [[], ["pixel_gain/12-end.data"], ["pixel_gain/12-end.data", "pixel_offset/12-end.data"]]


REFUSALS: dict[str, tuple[str, dict[str, Any], type[RegistryError], dict[str, Any]]] = {
    "a first run beyond the last": (RUN, {"first_run": 10_000}, RequestError, {"run": 10_000}),
    "a last run beyond the last": (RUN, {"last_run": 10_000}, RequestError, {"run": 10_000}),
    "a last run before the first": (RUN, {"last_run": 11}, RequestError, {}),
    "a negative run": (RUN, {"first_run": -1}, RequestError, {}),
    "a detector Id alone": (PANEL_A, {"at": BEGIN}, RequestError, {"remedy": Remedy.GIVE_SOURCE_AND_RUNS}),
    "no source": (
        PANEL_A,
        {"at": BEGIN, "first_run": 1},
        RequestError,
        {"remedy": Remedy.GIVE_SOURCE_AND_RUNS},
    ),
    "no first run": (
        PANEL_A,
        {"at": BEGIN, "source": SOURCE},
        RequestError,
        {"remedy": Remedy.GIVE_SOURCE_AND_RUNS},
    ),
    "a part of a source": (
        PANEL_A,
        {"at": BEGIN, "source": "Jungfrau.0", "first_run": 1},
        IdentifierError,
        {},
    ),
    "a source of another detector": (
        PANEL_A,
        {"at": BEGIN, "source": "XcsEndstation.0:Cspad.0", "first_run": 1},
        RequestError,
        {},
    ),
    "a path for a source": (
        PANEL_A,
        {"at": BEGIN, "source": "../../etc", "first_run": 1},
        IdentifierError,
        {},
    ),
}


@pytest.mark.parametrize(("target", "options", "error_class", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_a_request_that_does_not_fit_a_calibration_directory_is_refused(
    known: Registry,
    tmp_path: Path,
    target: str,
    options: dict[str, Any],
    error_class: type[RegistryError],
    expected: dict[str, Any],
) -> None:
    with assert_refused(error_class, **expected) as caught:
        known.export(target, tmp_path / "calib", format="psana", **options)
    assert caught.value.code == 2
    assert not (tmp_path / "calib").exists()


def test_a_run_beyond_the_last_is_refused_for_a_registered_run_too(own: Registry, tmp_path: Path) -> None:
    own.runs.add("exp=xcs1:run=10000", begin=BEGIN)
    with assert_refused(RequestError, run=10_000):
        own.export("exp=xcs1:run=10000", tmp_path / "calib", format="psana")


def test_a_history_that_cannot_be_written_stops_the_deployment_and_leaves_nothing(
    known: Registry, tmp_path: Path
) -> None:
    history = tmp_path / "calib" / GROUP / "pixel_offset" / "HISTORY"
    history.mkdir(parents=True)
    with assert_refused(UnavailableError, path=str(history)):
        deploy(known, tmp_path / "calib")
    assert names(tmp_path / "calib") == []
    assert not (tmp_path / "calib" / GROUP / "pixel_gain").exists()


def test_files_that_stop_the_framework_or_take_precedence_are_warned_about(
    known: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "calib" / GROUP / "pixel_gain"
    folder.mkdir(parents=True)
    for name in (
        "0-end.data",
        "12-20.data",
        "12-9999.data",
        "13-14.data",
        "15-end.data",
        "7-10000.data",
        "10-foo.data",
        "old.data",
        "1-2-3.data",
        "notes.txt",
    ):
        (folder / name).touch()
    done = deploy(known, tmp_path / "calib", types=["pixel_gain"])
    unknown, text, *earlier, beyond = done.warnings
    assert "neither a document" in unknown
    assert "12-20.data for run 12 of xcs1" in unknown
    for warning, name in zip(
        earlier, ("12-20.data", "12-9999.data", "13-14.data", "15-end.data"), strict=True
    ):
        assert all(part in warning for part in ("pixel_gain", name, "12-end.data"))
    assert f"'{folder}/10-foo.data'" in text  # the others are ignored
    assert f"'{folder}/7-10000.data'" in beyond


@pytest.mark.slow
def test_a_range_within_the_validity_of_the_constants_is_not_warned_about(
    anywhere: Registry, tmp_path: Path
) -> None:
    assert deploy(anywhere, tmp_path / "1").warnings == ()
    anywhere.versions.add(PANEL_A, write_panel_folder(tmp_path / "next", 5), valid_from="20200201000000")
    anywhere.runs.add("exp=xcs1:run=20", begin="2020-01-31T23:59:59Z")
    assert deploy(anywhere, tmp_path / "2", last_run=20).warnings == ()
    assert deploy(anywhere, tmp_path / "3", last_run=19).warnings == ()


@pytest.mark.slow
def test_a_range_that_extends_beyond_a_version_is_warned_about_by_the_start_times_of_runs(
    anywhere: Registry, tmp_path: Path
) -> None:
    anywhere.versions.add(
        PANEL_A, write_panel_folder(tmp_path / "next", 5), valid_from="20200201000000", kinds=["gain"]
    )
    unknown = (
        "no registered run shows whether runs {} end before 2020-02-01T00:00:00Z, when these constants cease to"
        f" be valid: gain of {PANEL_A}"
    )
    assert deploy(anywhere, tmp_path / "1").warnings == ()
    done = deploy(anywhere, tmp_path / "2", last_run=13)
    assert done.warnings == (unknown.format("12-13"),)
    assert names(tmp_path / "1")[0] == f"{GROUP}/12-12-pixel_gain-pixel_offset.json"
    for run, begin in ((30, "2020-02-01T00:00:00Z"), (40, "2020-03-01T00:00:00Z")):
        anywhere.runs.add(f"exp=xcs1:run={run}", begin=begin)
    with assert_refused(NotValidError, "30", PANEL_A, run=30, good_runs=[[12, 12]]):
        deploy(anywhere, tmp_path / "4", last_run=40)
    assert not (tmp_path / "4").exists()
    # Verification asks as of the revision of the document.
    verification = verify_export(
        done.provenance, anywhere._backend.database.name, Path(anywhere._backend.store.place)
    )
    assert verification.problems == ()


@pytest.mark.slow
def test_a_range_that_starts_before_a_version_is_refused_and_one_beyond_the_configuration_is_warned_about(
    anywhere: Registry, tmp_path: Path
) -> None:
    anywhere.runs.add("exp=xcs1:run=5", begin="2018-01-01T00:00:00Z")
    with assert_refused(NotValidError, PANEL_A, run=5, first_run=2, last_run=None):
        deploy(anywhere, tmp_path / "1", first_run=2)
    anywhere.detectors.withdraw("xcs1", SOURCE, first_run=1, comment="moved")
    anywhere.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=10, last_run=20)
    assert deploy(anywhere, tmp_path / "2", first_run=9, last_run=20).warnings == (
        f"runs 9-20 start before run 10, the first for which these panels are configured as {SOURCE}",
    )
    assert deploy(anywhere, tmp_path / "3", last_run=21).warnings == (
        f"runs 12-21 continue after run 20, the last for which these panels are configured as {SOURCE}",
    )
    assert deploy(anywhere, tmp_path / "4").warnings == ()
    assert names(tmp_path / "4")[1] == f"{GROUP}/pixel_gain/12-12.data"


def test_a_detector_id_is_deployed_for_the_source_and_runs_that_are_given(
    anywhere: Registry, tmp_path: Path
) -> None:
    done = anywhere.export(PANEL_B, tmp_path / "calib", format="psana", at=BEGIN, source=SOURCE, first_run=0)
    assert done.provenance == str(tmp_path / "calib" / GROUP / "0-end-pixel_gain-pixel_offset.json")
    verification = verify_export(
        done.provenance, anywhere._backend.database.name, Path(anywhere._backend.store.place)
    )
    assert (verification.problems, verification.notes) == ((), ())


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_the_command_line_deploys_warns_and_refuses(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with location.open() as registry:
        register_panels(registry, tmp_path / "arrays")
        registry.detectors.configure("xcs2", SOURCE, PANEL_A, first_run=1, last_run=3)
        registry.runs.add("exp=xcs2:run=2", begin=BEGIN)
    calreg = Calreg(location, monkeypatch)
    command = ("export", "exp=xcs2:run=2", "--format", "psana", "--output", str(tmp_path / "calib"))
    done = calreg.run(*command, "--first-run", "1", "--last-run", "4", "--json")
    folder = tmp_path / "calib" / GROUP
    assert [output["path"] for output in done.json["outputs"]] == [
        str(folder / "pixel_gain" / "1-4.data"),
        str(folder / "pixel_offset" / "1-4.data"),
    ]
    assert done.json["provenance"] == str(folder / "1-4-pixel_gain-pixel_offset.json")
    assert done.stderr == "".join(f"warning: {warning}\n" for warning in done.json["warnings"])
    assert "after run 3" in done.stderr
    # Repeated, it changes nothing; with other constants for these runs it is refused.
    calreg.run(*command, "--first-run", "1", "--last-run", "4")
    other = (*command, "--first-run", "1", "--last-run", "4", "--at", "2021-06-01T00:00:00Z")
    assert calreg.assert_refused(5, *other)["kind"] == "ConflictError"
    assert calreg.assert_refused(2, *command, "--first-run", "10000")["kind"] == "RequestError"
    without_runs = calreg.assert_refused(2, *command[:2], *command[4:], "--last-run", "5")
    assert "psana and lcls2" in without_runs["message"]
    assert calreg("export", "exp=xcs2:run=2", "--format", "text", "--output", "x").code == 2
    assert calreg.run("provenance", "verify", done.json["provenance"]).stdout.endswith("0 problems\n")
    assert (
        calreg.run("identify", done.json["outputs"][1]["path"]).stdout.count("pixel_offset of export 1") == 1
    )


@pytest.mark.slow
@pytest.mark.parametrize(("failing", "calls"), [("write", 16), ("sync", 2)])
def test_an_error_while_a_text_is_written_is_raised_and_nothing_is_left(
    known: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, calls: int
) -> None:
    """Two arrays are a header, six parts and a line in the history each; every write and every sync fails once."""
    real = getattr(FlushingFile, failing)

    def fail_in(turn: int) -> None:
        left = itertools.count(turn, -1)

        def call(*arguments: Any) -> None:
            if next(left) == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(*arguments)

        monkeypatch.setattr(FlushingFile, failing, call)

    for turn in range(calls):
        fail_in(turn)
        with pytest.raises(UnavailableError, match="No space left on device"):
            deploy(known, tmp_path / "calib")
        assert not (tmp_path / "calib").exists()
    fail_in(calls)
    deploy(known, tmp_path / "calib")


def test_a_damaged_input_of_the_last_array_stops_the_writing_and_nothing_is_left(
    own: Registry, tmp_path: Path
) -> None:
    last = own.constants(RUN).provenance.resolution.panels[-1].constants[-1]
    damaged = find_object_path(own._backend.store, last.files[-1].sha256)
    damaged.chmod(0o644)
    damaged.write_bytes(bytes(damaged.stat().st_size))
    before = threading.active_count()
    with assert_refused(CorruptionError, path=str(damaged), panel=PANEL_B, version=last.version):
        deploy(own, tmp_path / "calib")
    assert not (tmp_path / "calib").exists()
    assert threading.active_count() == before


@pytest.mark.slow
def test_a_panel_of_real_size_is_read_back_exactly(sqlite_location: RegistryLocation, tmp_path: Path) -> None:
    with use_panel_shape((512, 1024)), sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a"), valid_from="beginning")
        done = registry.export(
            PANEL_A,
            tmp_path / "calib",
            at=BEGIN,
            format="psana",
            source=SOURCE,
            first_run=1,
            types=["pixel_gain"],
        )
    array = read_newer(Path(done.outputs[0].path))
    expected = np.stack([np.load(tmp_path / "a" / f"g{gain_range}_gain.npy") for gain_range in range(3)])
    assert array.shape == (3, 1, 512, 1024)
    assert array.tobytes() == expected.tobytes()
