"""Commands that are killed: whatever they have left, the same command again completes it, or finds it done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from registry import provenance
from registry.api.backup_descriptions import FILE_NAME
from registry.api.copies import copy_registry
from registry.api.forks import fork_registry
from registry.errors import ClosedError, ConflictError, Remedy
from registry.heads import Head, HeadFile, StoreHead
from registry.storage.output_claims import claim_output, remove_dead_files
from testing.panels import PANEL_A, SHORT_NAME
from testing.registries import RegistryFactory, RegistryLocation
from tests.refusals import assert_refused
from tests.selection import keep_first, keep_first_rows
from tests.test_deployed_ranges import fill
from tests.test_interruptions import NEVER, interrupt

pytestmark = [pytest.mark.slow, pytest.mark.small_panels]

KILLED = -signal.SIGKILL
RUN = "exp=xcs1:run=140"


def choose_moments(calls: int, count: int) -> list[int]:
    """Return the numbers of some calls, evenly spread, and of the last one."""
    return sorted({calls - 1, *(calls * number // (count + 1) for number in range(1, count + 1))})


def kill_and_repeat(
    location: RegistryLocation, make_arguments: Callable[[str], Sequence[str]], after: str, count: int
) -> None:
    """Kill a command at some of its calls, and at the last one; repeat it each time."""
    calls = interrupt(location, make_arguments("whole"), NEVER, after).calls
    for call in choose_moments(calls, count):
        arguments = make_arguments(f"{call:x}")
        assert interrupt(location, arguments, call, after, signal.SIGKILL).code in {KILLED, 0}
        assert interrupt(location, arguments, NEVER, after).code == 0, (call, calls)


@pytest.fixture
def filled(location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    with location.open() as registry:
        fill(registry, tmp_path)
    return location


@pytest.mark.parametrize("form", keep_first(["psana", "hdf5", "lcls2"]))
def test_a_killed_export_is_completed_where_its_files_tell_their_time(
    sqlite_location: RegistryLocation, tmp_path: Path, form: str
) -> None:
    with sqlite_location.open() as registry:
        fill(registry, tmp_path)

    named = ["--short-name", SHORT_NAME] if form == "lcls2" else []

    def make_arguments(name: str) -> list[str]:
        return ["export", RUN, "--output", str(tmp_path / name), "--format", form, *named]

    for call in (350, 450, 550):  # between the arrays and the document
        arguments = make_arguments(f"{call}")
        assert interrupt(sqlite_location, arguments, call, "_move_outputs", signal.SIGKILL).code == KILLED
        assert interrupt(sqlite_location, arguments, NEVER, "_move_outputs").code == 0, call


@pytest.mark.parametrize("count", keep_first([0, 2]))
def test_a_killed_deployment_is_completed(
    sqlite_location: RegistryLocation, tmp_path: Path, count: int
) -> None:
    with sqlite_location.open() as registry:
        fill(registry, tmp_path)

    def make_arguments(name: str) -> list[str]:
        return ["deploy", "xcs1", "--output", str(tmp_path / f"calib-{name}")]

    kill_and_repeat(sqlite_location, make_arguments, "_move_outputs", count)
    with sqlite_location.open() as registry:
        for folder in tmp_path.glob("calib-*"):
            assert registry.check_deployment("xcs1", folder).is_right


@pytest.mark.parametrize("enough", keep_first([1, 99]))
def test_a_deployment_killed_between_an_array_and_its_document_gets_the_document(
    sqlite_location: RegistryLocation, tmp_path: Path, enough: int
) -> None:
    with sqlite_location.open() as registry:
        fill(registry, tmp_path)
    folder, stopped = tmp_path / "calib", []
    arguments = ["deploy", "xcs1", "--output", str(folder)]
    for call in range(250, 650, 60):
        if len(stopped) == enough:
            break
        shutil.rmtree(folder, ignore_errors=True)
        interrupt(sqlite_location, arguments, call, "_move_outputs", signal.SIGKILL)
        arrays, documents = list(folder.glob("*/*/*/*-*.data")), list(folder.glob("*/*/*.json"))
        if not arrays or documents:
            continue
        stopped.append(call)
        assert interrupt(sqlite_location, arguments, NEVER, "_move_outputs").code == 0
        with sqlite_location.open() as registry:
            assert registry.check_deployment("xcs1", folder).is_right
            assert registry.deploy("xcs1", folder).provenance == ()
        described = {
            (path.parent / output.path).resolve()
            for path in folder.glob("*/*/*.json")
            for output in provenance.read(path).outputs
            if output.path is not None
        }
        assert described == {path.resolve() for path in folder.glob("*/*/*/*-*.data")}
    assert stopped


def test_a_killed_plot_is_completed(sqlite_location: RegistryLocation, tmp_path: Path) -> None:
    with sqlite_location.open() as registry:
        fill(registry, tmp_path)

    def make_arguments(name: str) -> list[str]:
        return ["plot", "validity", RUN, "--output", str(tmp_path / f"{name}.svg")]

    kill_and_repeat(sqlite_location, make_arguments, "atomic_write", 1)
    path = str(tmp_path / "whole.svg")
    with sqlite_location.open() as registry:
        registry.tags.add("later")  # the picture tells its revision
        with assert_refused(ConflictError, remedy=Remedy.REPLACE_FILES, path=path):
            registry.plots.validity(RUN, path)
        registry.plots.validity(RUN, path, force=True)


@pytest.mark.parametrize("count", keep_first([0, 2]))
def test_a_killed_initialisation_is_completed(
    sqlite_location: RegistryLocation, tmp_path: Path, count: int
) -> None:
    def make_arguments(name: str) -> list[str]:
        folder = tmp_path / name
        location = ["--database", f"sqlite:///{folder / 'registry.sqlite'}", "--store", str(folder / "store")]
        return [*location, "init", "--timezone", "America/Los_Angeles"]

    kill_and_repeat(sqlite_location, make_arguments, "create_registry", count)


def kill_transfer(
    request: pytest.FixtureRequest, source: RegistryLocation, verb: Sequence[str], after: str, count: int
) -> None:
    """Kill the transfer of copies of a registry into places of the same sort, and repeat it."""
    dialect = "sqlite" if source.is_sqlite else "postgresql"
    factory: RegistryFactory = request.getfixturevalue(f"{dialect}_factory")

    def transfer(call: int) -> int:
        copied, new = factory.copy(source), factory.make_empty(dialect)
        arguments = [*verb, "--to", new.database, "--to-store", str(new.store)]
        calls = interrupt(copied, arguments, call, after, signal.SIGKILL).calls
        assert interrupt(copied, arguments, NEVER, after).code == 0, call
        with new.open() as registry:
            assert registry.verify().problems == ()
            head = registry.log()[0]
            assert HeadFile(new.store).read() == StoreHead(Head(head.revision, str(head.seal)))
        factory.remove(copied)
        factory.remove(new)
        return calls

    calls = transfer(NEVER)
    for call in choose_moments(calls, count):
        transfer(call)


@pytest.mark.exhaustive
def test_a_killed_move_is_completed_and_found_done(
    request: pytest.FixtureRequest, filled: RegistryLocation
) -> None:
    kill_transfer(request, filled, ["copy"], "_move", 1)


@pytest.mark.exhaustive
@pytest.mark.sqlite_suffices
def test_a_killed_fork_is_completed_and_found_done(
    request: pytest.FixtureRequest, filled: RegistryLocation
) -> None:
    kill_transfer(request, filled, ["fork", "--comment", "for the other beamline"], "_record_fork", 1)


def test_only_the_same_move_and_the_same_fork_are_found_done(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    new, other = (RegistryLocation.in_folder(tmp_path / name) for name in ("new", "other"))
    place = sqlite_location.database, sqlite_location.store
    for location in (new, other):
        location.folder.mkdir()
    fork_registry(new.database, new.store, *place, comment="why")
    assert fork_registry(new.database, new.store, *place, comment="why").notes
    with assert_refused(ConflictError):
        fork_registry(new.database, new.store, *place, comment="another reason")
    with new.open() as fork:
        fork.tags.add("later")
    with assert_refused(ConflictError):
        fork_registry(new.database, new.store, *place, comment="why")
    copy_registry(other.database, other.store, *place)
    assert copy_registry(other.database, other.store, *place).notes
    with other.open() as moved:
        moved.panels.add(PANEL_A)
    assert copy_registry(other.database, other.store, *place).notes
    for database, store in ((new.database, other.store), (other.database, None)):
        with assert_refused(ClosedError):
            copy_registry(database, store, *place)
    with assert_refused(ConflictError):
        copy_registry(other.database, new.store, *place)


@pytest.mark.parametrize(
    ("verb", "name", "endings"),
    # The pages of a small database are copied in one step, which leaves no journal behind.
    keep_first_rows([("backup", "", {"lock"}), ("snapshot", "registry.sqlite", {"lock", "journal"})]),
)
def test_a_repeated_backup_and_snapshot_remove_what_the_killed_one_left(
    sqlite_location: RegistryLocation, tmp_path: Path, verb: str, name: str, endings: set[str]
) -> None:
    with sqlite_location.open() as registry:
        fill(registry, tmp_path)

    def list_hidden() -> set[str]:
        return {path.name for path in folder.rglob(".arriving-*")}

    seen: set[str] = set()
    for call in (400, 4000, 12000):
        folder = tmp_path / f"copy-{call}"
        arguments = [verb, str(folder / name)]
        assert interrupt(sqlite_location, arguments, call, "atomic_write", signal.SIGKILL).code == KILLED
        left = list_hidden()
        seen |= {name.rpartition("-")[2] for name in left}
        with claim_output(folder, name or FILE_NAME) as other:
            hidden = folder / other.stem
            hidden.touch()
            assert not remove_dead_files(folder, name or FILE_NAME)
            assert hidden.exists()  # of a process that is at work
            assert left.isdisjoint({path.name for path in folder.iterdir()})
        assert interrupt(sqlite_location, arguments, NEVER, "atomic_write").code == 0
        assert list_hidden() == set()
    assert endings < seen


DEMO = """
import os, signal, sys
from registry import sample
from registry.cli import demo, main
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
demo._STEPS = (("", "init"), ("", "import tree"))
moment = os.environ["MOMENT"]
if moment == "sample":
    sample.write_dataset_table = kill
elif moment == "step":
    run, demo._STEPS = demo._run_command, demo._STEPS[:1]
    demo._run_command = lambda *arguments: (run(*arguments), kill())
elif moment == "end":
    demo._print_end = kill
sys.argv = ["calreg", "demo", "demo"]
main()
"""


@pytest.mark.parametrize("moments", keep_first([("step",), ("sample", "step", "end")]))
def test_a_killed_demonstration_goes_on_and_is_found_done(tmp_path: Path, moments: Sequence[str]) -> None:
    def run(moment: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MOMENT": moment}
        return subprocess.run(
            [sys.executable, "-c", DEMO],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    for moment in moments:
        assert run(moment).returncode == KILLED
    done = run("")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Everything is in demo" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
