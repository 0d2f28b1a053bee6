"""Ctrl-C, SIGTERM and SIGHUP at any moment: the message says truly what was recorded, and what is left of files."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from harnesses.processes import CONTEXT
from registry.api import open_registry
from registry.errors import NotFoundError
from testing.panels import PANEL_A, SMALL_SHAPE, use_panel_shape, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation
from tests.selection import keep_first

pytestmark = [pytest.mark.slow, pytest.mark.small_panels]

INTERRUPTED = 130
NEVER = -2
_PATIENCE_SECONDS = 300


class Ended(NamedTuple):
    """The end of an interrupted process: its exit code, and its message; how many calls it has made in all."""

    code: int | None
    message: str
    calls: int


def interrupt(
    location: RegistryLocation,
    arguments: Sequence[str],
    at_call: int,
    after: str,
    number: signal.Signals = signal.SIGINT,
) -> Ended:
    """Run calreg as a process that gets a signal at the n-th call after the first one of a function."""
    output = location.folder / "printed.txt"
    process = CONTEXT.Process(
        target=run_interrupted,
        args=(list(arguments), location.environment, output, at_call, after, number),
    )
    process.start()
    process.join()
    printed = output.read_text()
    code = process.exitcode
    process.close()
    calls = re.findall(r"^calls: (\d+)$", printed, re.MULTILINE)
    lines = [line for line in printed.splitlines() if line.startswith("interrupted; ")]
    assert "Traceback" not in printed, printed
    assert "Timeout (" not in printed, printed
    return Ended(code, "".join(lines), int(calls[-1]) if calls else 0)


def run_interrupted(
    arguments: list[str],
    environment: dict[str, str],
    output: Path,
    at_call: int,
    after: str,
    number: signal.Signals,
) -> None:
    """Run calreg, and send a signal to this process at a call: the target of a process."""
    os.environ.update(environment)
    sys.argv = ["calreg", *arguments]
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ended in (signal.SIGTERM, signal.SIGHUP):  # `nohup` ignores the second one in all that it starts
        signal.signal(ended, signal.SIG_DFL)
    calls = -1

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        if event not in {"call", "c_call", "c_return"} or (calls < 0 and frame.f_code.co_name != after):
            return
        calls += 1
        if calls == at_call:
            sys.setprofile(None)
            os.kill(os.getpid(), number)

    from registry.cli import main

    faulthandler.dump_traceback_later(_PATIENCE_SECONDS, exit=True)
    with use_panel_shape(SMALL_SHAPE):
        sys.setprofile(count)
        try:
            main()
        finally:
            sys.setprofile(None)
            os.write(2, f"\ncalls: {calls}\n".encode())


def choose_calls(calls: int, count: int) -> list[int]:
    """Return some of the calls: evenly spread, at a commit near the end, and the last ones."""
    return sorted(
        {*range(1, calls, max(1, calls // count)), calls * 24 // 25, *range(max(1, calls - 3), calls)}
    )


def interrupt_at_many_calls(
    location: RegistryLocation, make_arguments: Callable[[str], list[str]], after: str, count: int
) -> Iterator[tuple[str, Ended]]:
    """Yield the ends of a command that is interrupted at many moments, each with the name of its round."""
    calls = interrupt(location, make_arguments("whole"), NEVER, after).calls
    for call in choose_calls(calls, count):
        ended = interrupt(location, make_arguments(f"{call:x}"), call, after)
        assert ended.code in {0, INTERRUPTED}
        assert (ended.message != "") == (ended.code == INTERRUPTED)
        yield f"{call:x}", ended


def count_revisions(location: RegistryLocation) -> int:
    with location.open() as registry:
        return len(registry.log())


def check_revision(ended: Ended, before: int, after: int) -> None:
    """Check the message about a revision; a command that had printed its answer was not interrupted."""
    if ended.code == 0:
        assert after == before + 1
    elif after > before:
        assert ended.message == f"interrupted; revision {after} was recorded"
    else:
        assert ended.message == "interrupted; nothing was recorded"


@pytest.fixture
def filled(location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    """The location of a registry with constants."""
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "panel"), valid_from="beginning")
    return location


@pytest.mark.parametrize("count", keep_first([2, 25]))
def test_an_interrupted_write_says_whether_its_revision_was_recorded(
    location: RegistryLocation, count: int
) -> None:
    seen = set()
    before = 1
    for _, ended in interrupt_at_many_calls(
        location,
        lambda name: ["panel", "add", "1-1-ffff" if name == "whole" else f"1-1-{name}"],
        "write_transaction",
        count,
    ):
        after = count_revisions(location)
        check_revision(ended, before, after)
        seen.add((ended.code, after - before))
        before = after
    assert {(INTERRUPTED, 0), (INTERRUPTED, 1)} <= seen
    with location.open() as registry:
        assert registry.verify().problems == ()


@pytest.mark.parametrize("count", keep_first([2, 8]))
def test_an_interrupted_import_is_recorded_whole_or_not_at_all(
    sqlite_location: RegistryLocation, tmp_path: Path, count: int
) -> None:
    before = 0

    def make_tree(name: str) -> list[str]:
        tree = tmp_path / name
        stamp = datetime(2018, 1, 1) + timedelta(seconds=0 if name == "whole" else int(name, 16))  # noqa: DTZ001
        for number in range(1, 9):
            write_panel_folder(tree / f"module/M{number:03}", number)
            link = tree / f"1-1-{number}-{stamp:%Y%m%d%H%M%S}"
            link.symlink_to(f"module/M{number:03}")
        return ["import", str(tree)]

    seen = set()
    for _, ended in interrupt_at_many_calls(sqlite_location, make_tree, "import_tree", count):
        before = before or 1
        after = count_revisions(sqlite_location)
        check_revision(ended, before, after)
        seen.add(after - before)
        before = after
    assert seen == {0, 1}
    with sqlite_location.open() as registry:
        assert registry.verify().problems == ()


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("count", keep_first([2, 12]))
def test_an_interrupted_export_says_whether_it_is_published_and_recorded(
    filled: RegistryLocation, tmp_path: Path, count: int
) -> None:
    seen = set()

    def make_arguments(name: str) -> list[str]:
        return ["export", PANEL_A, "--at", "20180101000000", "--output", str(tmp_path / name)]

    for name, ended in interrupt_at_many_calls(filled, make_arguments, "write_files", count):
        folder = tmp_path / name
        document = folder / "provenance.json"
        recorded = False
        with filled.open() as registry, suppress(NotFoundError):
            recorded = bool(registry.identify(document).exports)
        assert document.exists() == (folder / "pixel_gain.npy").exists() == folder.exists()
        if ended.code == 0:
            assert recorded
        elif document.exists():
            how = "and" if recorded else "but not"
            assert ended.message == f"interrupted; the export {document} is complete, {how} recorded"
        else:
            assert ended.message in {
                "interrupted; the export was not published",
                "interrupted; nothing was recorded",
            }
        seen.add((document.exists(), recorded))
    states = {(False, False), (True, False), (True, True)}
    assert seen == states if count > 2 else {(False, False), (True, True)} <= seen <= states


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_other_signals_that_end_a_program_clean_up_like_ctrl_c(
    filled: RegistryLocation, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    def make_arguments(name: str) -> list[str]:
        return ["export", PANEL_A, "--at", "20180101000000", "--output", str(tmp_path / name)]

    calls = interrupt(filled, make_arguments("whole"), NEVER, "write_files").calls
    for call in (0, 1, calls // 50):
        ended = interrupt(filled, make_arguments(f"{call:x}"), call, "write_files", number)
        assert ended.code == code
        assert ended.message in {
            "interrupted; nothing was recorded",
            "interrupted; the export was not published",
        }
        assert not (tmp_path / f"{call:x}").exists()
    ended = interrupt(filled, make_arguments("late"), calls - 1, "write_files", number)
    assert ended.code in {0, code}


@pytest.mark.sqlite_suffices
def test_a_signal_that_is_ignored_stays_ignored(filled: RegistryLocation) -> None:
    command = (sys.executable, "-c", "from registry.cli import main; main()", "panel", "list")
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = subprocess.Popen(command, env={**os.environ, **filled.environment}, stdout=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGHUP, handler)
    with process:
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
        assert PANEL_A in process.communicate()[0].decode()
    assert process.returncode == 0


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("count", keep_first([2, 8]))
def test_an_interrupted_backup_or_snapshot_says_whether_it_is_complete(
    filled: RegistryLocation, tmp_path: Path, count: int
) -> None:
    seen = set()
    for name, ended in interrupt_at_many_calls(
        filled, lambda name: ["backup", str(tmp_path / name)], "back_up", count
    ):
        is_complete = (tmp_path / name / "backup.json").exists()
        seen.add(is_complete)
        if ended.code and is_complete:
            assert ended.message == f"interrupted; the backup in {tmp_path / name} is complete"
        elif ended.code:
            nothing = {f"there is no new backup in {tmp_path / name}", "nothing was recorded"}
            assert ended.message.removeprefix("interrupted; ") in nothing
    assert seen == {True, False}
    for name, ended in interrupt_at_many_calls(
        filled, lambda name: ["snapshot", str(tmp_path / f"{name}.sqlite")], "take_snapshot", count // 2
    ):
        file = tmp_path / f"{name}.sqlite"
        complete = "complete" if file.exists() else "not complete"
        if ended.code:
            expected = {
                f"the snapshot {file} is {complete}",
                *([] if file.exists() else ["nothing was recorded"]),
            }
            assert ended.message.removeprefix("interrupted; ") in expected


@pytest.mark.parametrize(
    "shares", keep_first([(1, 0.5), (1, 0.5, 0.8, 0.9, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995)])
)
def test_an_interrupted_move_says_where_the_registry_is(
    tmp_path: Path, sqlite_factory: RegistryFactory, shares: Sequence[float]
) -> None:
    seen = set()
    calls = 0
    for share in shares:
        location = sqlite_factory.make()
        target = location.folder / "new.sqlite"
        with location.open() as registry:
            registry.panels.add(PANEL_A)
        arguments = ["copy", "--to", f"sqlite:///{target}"]
        ended = interrupt(location, arguments, int(calls * share) if calls else NEVER, "copy_registry")
        calls = calls or ended.calls
        state = _describe_move(location, f"sqlite:///{target}")
        seen.add(state)
        assert ended.code in {0, INTERRUPTED}
        assert ended.message == (f"interrupted; {state}" if ended.code else "")
        if state != _MOVED:
            assert interrupt(location, arguments, NEVER, "copy_registry").code == 0
        with open_registry(f"sqlite:///{target}", location.store) as moved:
            assert moved.closure is None
    assert len(seen) > 1


_MOVED = "the registry has moved"


def _describe_move(location: RegistryLocation, target: str) -> str:
    with location.open() as old:
        if old.closure is None:
            return "the registry has not moved; the same command begins again"
    with open_registry(target, location.store) as new:
        if new.closure is None:
            return _MOVED
    return (
        "the old database takes no more writes, nor does the new one yet; the same command completes the move"
    )


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("verb", "after", "present", "absent"),
    [
        (
            "restore",
            "restore_registry",
            "the registry is restored",
            "the registry is not restored; the same command",
        ),
        ("init", "create_registry", "the database has schema ", "there is no registry yet"),
    ],
)
@pytest.mark.parametrize("shares", keep_first([(1, 0.3), (1, 0.3, 0.8, 0.9, 0.95, 0.98, 0.99)]))
def test_an_interrupted_restoration_or_creation_says_what_is_there(
    filled: RegistryLocation,
    tmp_path: Path,
    verb: str,
    after: str,
    present: str,
    absent: str,
    shares: Sequence[float],
) -> None:
    with filled.open() as registry:
        registry.backup(tmp_path / "backup")
    arguments = [verb, *([str(tmp_path / "backup")] if verb == "restore" else [])]
    calls, seen = 0, set()
    for share in shares:
        new = RegistryLocation.in_folder(tmp_path / f"new-{share}")
        new.folder.mkdir()
        ended = interrupt(new, arguments, int(calls * share) if calls else NEVER, after)
        calls = calls or ended.calls
        is_there = _has_tables(new)
        if ended.code:
            assert ended.code == INTERRUPTED
            clause = ended.message.removeprefix("interrupted; ")
            assert (
                clause.startswith(present)
                if is_there
                else clause.startswith((absent, "nothing was recorded"))
            )
        seen.add(is_there)
        assert interrupt(new, arguments, NEVER, after).code == 0
    assert seen == {True, False}


def _has_tables(location: RegistryLocation) -> bool:
    engine = location.engine()
    try:
        return bool(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_a_connection_that_is_interrupted_in_its_commit_is_not_used_again(location: RegistryLocation) -> None:
    def interrupt_commit(_: sa.Connection) -> None:
        raise KeyboardInterrupt

    with location.open() as registry:
        engine = registry._backend.database._engine
        sa.event.listen(engine, "commit", interrupt_commit)
        with pytest.raises(KeyboardInterrupt):
            registry.panels.add(PANEL_A)
        sa.event.remove(engine, "commit", interrupt_commit)
        assert registry.panels.list() == []
        assert registry.panels.add(PANEL_A).revision == 1
        assert registry.verify().problems == ()
