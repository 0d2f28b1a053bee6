"""The pager and the colours, on a pseudo terminal."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from testing.registries import RegistryLocation
from testing.terminal import run_in_terminal
from tests.selection import keep_first

pytestmark = pytest.mark.slow
LOG = ["-m", "registry", "log"]


@pytest.fixture
def environment(sqlite_location: RegistryLocation, tmp_path: Path) -> dict[str, str]:
    with sqlite_location.open() as registry:
        for number in range(1, 60):
            registry.panels.add(f"170505-149520170815-{number:x}")
    return {**sqlite_location.environment, "NO_COLOR": "1", "PAGED": str(tmp_path / "paged")}


def test_the_answer_goes_through_the_pager_folded_to_the_terminal(environment: dict[str, str]) -> None:
    shown = run_in_terminal(LOG, {**environment, "PAGER": "tee $PAGED"})
    assert Path(environment["PAGED"]).read_text() == shown
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.startswith("revision 59")
    assert shown.count("revision ") == 59


def test_what_belongs_on_stderr_comes_after_the_pager(environment: dict[str, str]) -> None:
    shown = run_in_terminal([*LOG, "--limit", "2"], {**environment, "CALREG_PAGER": "sh -c 'sleep 0.3; cat'"})
    assert shown.endswith("note: there are more; --before 58 lists the next ones\n")


@pytest.mark.parametrize(
    "without",
    keep_first(
        [{"PAGER": "tee $PAGED", "TERM": "dumb"}, {"PAGER": ""}, {"PAGER": "cat"}, {"CALREG_PAGER": ""}]
    ),
)
def test_no_pager_is_started_where_none_is_wanted(
    environment: dict[str, str], without: dict[str, str]
) -> None:
    run_in_terminal(LOG, {"PAGER": "tee $PAGED", **environment, **without})
    run_in_terminal([*LOG, "--no-pager"], {**environment, "PAGER": "tee $PAGED"})
    run_in_terminal([*LOG, "-q"], {**environment, "PAGER": "tee $PAGED"})
    assert not Path(environment["PAGED"]).exists()


@pytest.mark.parametrize("command", keep_first(["no-such-pager", "no-such-pager -x | cat", "/"]))
def test_a_pager_that_cannot_be_started_is_a_note_and_the_answer_is_there(
    environment: dict[str, str], command: str
) -> None:
    shown = run_in_terminal(LOG, {**environment, "PAGER": command})
    assert shown.count("\nnote: the pager ") == 1
    assert shown.startswith("revision 59")
    assert "revision 1 " in shown


def test_a_pager_that_is_left_early_is_quiet(environment: dict[str, str]) -> None:
    shown = run_in_terminal(LOG, {**environment, "PAGER": "head -n 1"})
    assert shown.count("\n") == 1


def test_headings_have_colours_on_a_terminal_and_nowhere_else(environment: dict[str, str]) -> None:
    coloured = run_in_terminal(LOG, {**environment, "NO_COLOR": "", "PAGER": "cat"})
    assert coloured.startswith("\x1b[1mrevision 59")
    for plain in ({"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}):
        assert "\x1b[" not in run_in_terminal(LOG, {**environment, "PAGER": "cat", **plain})
    piped = subprocess.run(
        [sys.executable, *LOG],
        env={**os.environ, **environment, "NO_COLOR": ""},
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in piped.stdout


@pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed")
def test_ctrl_c_belongs_to_less_and_the_terminal_is_as_before(environment: dict[str, str]) -> None:
    process, terminal = _start(LOG, {**environment, "PAGER": "less", "LESS": "FRX"})
    before = _read_until(terminal, b":\x1b[K")
    os.write(terminal, b"\x03")
    time.sleep(0.2)
    assert os.waitpid(process, os.WNOHANG) == (0, 0)
    _quit_less(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"revision 59" in before


def test_sigterm_ends_the_pager_too(environment: dict[str, str]) -> None:
    process, terminal = _start(LOG, {**environment, "PAGER": "sh -c 'echo started; exec sleep 60'"})
    _read_until(terminal, b"started")
    os.kill(process, signal.SIGTERM)
    _read_until(terminal, None)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 143


def _start(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, int]:
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(environment, TERM="xterm")
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - Python itself
    return process, terminal


def _quit_less(terminal: int) -> None:
    """Press q until less ends: it forgets what is typed while it draws its page anew after Ctrl-C."""
    for _ in range(30):
        os.write(terminal, b"q")
        while select.select([terminal], [], [], 1)[0]:
            try:
                if not os.read(terminal, 1 << 16):
                    return
            except OSError:
                return
    raise AssertionError("less did not end")


def _read_until(terminal: int, end: bytes | None) -> bytes:
    """Return what is written until this is there, or until the terminal is closed."""
    written = b""
    while end is None or end not in written:
        assert select.select([terminal], [], [], 60)[0], written
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        written += piece
    return written
