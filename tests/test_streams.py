"""Closed and full streams, other encodings, users without a home: done, or refused in one sentence, and said truly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.api import open_registry
from registry.cli.streams import escape_to_ascii
from testing.registries import RegistryLocation
from tests.cli import Calreg, list_verbs
from tests.selection import keep_first, keep_first_rows
from tests.test_golden import Recorder, run_scenario
from tests.users import COLLEAGUE, make_user

COMMENT = "Prüfung 😀 \u2192"


def run(
    location: RegistryLocation, command: str, folder: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command line of bash, in which ``calreg`` is the program, with a registry."""
    program = f'calreg() {{ "{sys.executable}" -m registry "$@"; }}\n'
    environment = {**os.environ, **location.environment, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run(
        ["bash", "-c", program + command],
        env={**environment, **variables},
        cwd=folder or location.folder,
        capture_output=True,
        check=False,
        timeout=300,
    )


def count_panels(location: RegistryLocation) -> int:
    with open_registry(location.database, location.store) as registry:
        return len(registry.panels.list())


@pytest.mark.slow
@pytest.mark.parametrize("stream", keep_first(["> /dev/full", ">&-"]))
@pytest.mark.parametrize("form", ["", " --json"])
def test_an_answer_that_cannot_be_printed_is_an_error_that_says_what_was_recorded(
    sqlite_location: RegistryLocation, stream: str, form: str
) -> None:
    done = run(sqlite_location, f"calreg panel add 1-1-1{form} {stream}")
    assert done.returncode == 8
    message = json.loads(done.stderr)["error"]["message"] if form else done.stderr.decode()
    assert "the answer cannot be printed" in message
    assert "revision 1 was recorded" in message
    assert done.stderr.count(b"\n") == 1
    assert count_panels(sqlite_location) == 1
    done = run(sqlite_location, f"calreg panel list{form} {stream}")
    assert (done.returncode, done.stdout) == (8, b"")
    assert b"nothing was recorded" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"),
    keep_first_rows(
        [
            ("calreg panel add 1-1-1 -q >&-", 0),
            ("calreg panel add 1-1-1 2> /dev/full </dev/null", 0),
            ("calreg panel add 1-1-1 >&- 2>&- <&-", 8),
            ("calreg panel show 9-9-9 >&- 2>&-", 3),
            ("calreg --help > /dev/full", 8),
            ("calreg no-such-verb 2>&-", 2),
            ("calreg log --json | head -0; exit ${PIPESTATUS[0]}", 0),
            ("calreg panel add 1-1-1 -q > /dev/full", 0),
            ("calreg panel add 1-1-1 --quiet >&- 2>&- <&-", 0),
            ("calreg panel add 1-1-1 2>&-", 0),
            ("calreg panel show 9-9-9 2> /dev/full", 3),
            ("calreg panel add --help >&-", 8),
            ("calreg --version > /dev/full", 8),
            ("calreg demo sample > /dev/full", 8),
        ],
        count=7,
    ),
)
def test_a_closed_or_full_stream_changes_the_exit_code_only_where_an_answer_is_lost(
    sqlite_location: RegistryLocation, command: str, code: int
) -> None:
    done = run(sqlite_location, command)
    assert done.returncode == code, done
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert count_panels(sqlite_location) == (1 if "panel add 1-1-1" in command else 0)


@pytest.mark.slow
def test_a_database_never_gets_the_number_of_a_closed_stream(sqlite_location: RegistryLocation) -> None:
    run(sqlite_location, "calreg panel add 1-1-1 >&- 2>&-")
    done = run(sqlite_location, "calreg verify --json")
    assert (done.returncode, json.loads(done.stdout)["problems"]) == (0, [])


@pytest.mark.slow
def test_the_exit_code_of_a_verification_is_kept_where_nobody_reads_its_answer(
    sqlite_location: RegistryLocation,
) -> None:
    assert run(sqlite_location, "calreg panel add 1-1-1").returncode == 0
    connection_program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        " c.execute('CREATE TABLE more (x)'); c.commit()"
    )
    subprocess.run([sys.executable, "-c", connection_program, str(sqlite_location.file)], check=True)
    whole = run(sqlite_location, "calreg verify")
    assert whole.returncode == 6
    for command in ("calreg verify | true; exit ${PIPESTATUS[0]}", "calreg verify > /dev/full"):
        assert run(sqlite_location, command).returncode == 6
    quiet = run(sqlite_location, "calreg verify -q")
    assert (quiet.returncode, quiet.stdout) == (6, b"")
    assert b"more" in quiet.stderr


@pytest.mark.slow
@pytest.mark.parametrize("encoding", keep_first(["ascii", "latin-1", "utf-8", "cp1252"]))
def test_every_text_is_printed_in_every_encoding(sqlite_location: RegistryLocation, encoding: str) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add("1-1-1", comment=COMMENT)
    for variables in ({"PYTHONIOENCODING": encoding}, {"PYTHONIOENCODING": encoding, "LC_ALL": "C"}):
        done = run(sqlite_location, "calreg log", **variables)
        assert (done.returncode, done.stderr) == (0, b"")
        assert "Pr" in done.stdout.decode(encoding)
        done = run(sqlite_location, "calreg log --json", **variables)
        assert json.loads(done.stdout)[0]["comment"] == COMMENT
        assert done.stdout.isascii()
        refused = run(sqlite_location, f"calreg panel show '{COMMENT}'", **variables)
        assert refused.returncode == 2
        assert refused.stderr.count(b"\n") == 1


def test_a_character_is_escaped_as_json_escapes_it() -> None:
    assert json.loads(f'"{escape_to_ascii(COMMENT)}"') == COMMENT
    assert escape_to_ascii("a\udce9") == "a\\udce9"


@pytest.mark.slow
def test_a_removed_working_folder_is_named_only_where_it_matters(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    start = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; "
    assert run(sqlite_location, f"{start}calreg panel add 1-1-1").returncode == 0
    assert run(sqlite_location, f"{start}calreg backup {tmp_path}/backup").returncode == 0
    for command, code in (
        ("calreg snapshot x.sqlite", 8),
        ("calreg backup x", 8),
        ("calreg --database sqlite:///x.sqlite init", 8),
        ("calreg identify x", 3),
        ("calreg demo x", 8),
    ):
        done = run(sqlite_location, start + command)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (code, b"", 1), done


@pytest.mark.slow
def test_a_user_without_a_name_or_a_home_is_recorded_by_number_or_told_to_name_a_database(
    open_folder: Path,
) -> None:
    open_folder.chmod(0o777)
    user = make_user(COLLEAGUE, 0o022)
    done = user.calreg("panel", "list")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "no home folder" in done.stderr
    user = make_user(COLLEAGUE, 0o022, CALREG_DATABASE=f"sqlite:///{open_folder}/registry.sqlite")
    for command in (["init", "-q"], ["panel", "add", "1-1-1", "-q"]):
        done = user.calreg(*command)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(user.calreg("log", "--json").stdout)[0]["author"] == f"uid {COLLEAGUE}"
    server = make_user(
        COLLEAGUE, 0o022, CALREG_DATABASE="postgresql://localhost:1/x", CALREG_STORE=f"{open_folder}/store"
    )
    done = server.calreg("panel", "list")
    assert (done.returncode, done.stderr.count("\n")) == (8, 1)


def test_every_verb_may_be_quiet() -> None:
    for path, command in list_verbs().items():
        options = {name for parameter in command.params for name in getattr(parameter, "opts", ())}
        assert {"-q", "--quiet"} <= options, path


class QuietRecorder(Recorder):
    """Runs every command with ``-q``, and keeps what it prints all the same."""

    def _record(self, verb: str, command: str, shown: str):
        result = super()._record(verb, f"{command} -q", shown)
        lines = result.stderr.splitlines()
        assert result.stdout == "", command
        if result.code and self.as_json:
            assert "error" in json.loads(result.stderr), command
        elif result.code:
            assert any(line.startswith("error: ") for line in lines), command
        else:
            assert all(line.startswith(("warning: ", "  calreg ")) for line in lines), (command, lines)
        return result


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_quiet_verb_prints_only_what_is_wrong_and_its_exit_code_says_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_panels: None, form: str
) -> None:
    monkeypatch.setenv("CALREG_DATABASE", "sqlite:///registry.sqlite")
    monkeypatch.chdir(tmp_path)
    recorder = QuietRecorder(monkeypatch)
    recorder.as_json = form == "json"
    run_scenario(recorder)


def test_a_quiet_verb_leaves_the_streams_as_they_were(sqlite_calreg: Calreg) -> None:
    assert sqlite_calreg.run("panel", "add", "1-1-1", "-q").stdout == ""
    assert "1-1-1" in sqlite_calreg.run("panel", "list").stdout
    refused = sqlite_calreg("panel", "show", "9-9-9", "-q")
    assert (refused.code, refused.stdout) == (3, "")
    assert "1-1-1" in sqlite_calreg.run("panel", "list").stdout


def test_a_verb_without_enough_memory_is_refused_and_says_what_was_recorded(
    sqlite_calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.api import Registry

    def want_more(*_arguments: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Registry, "verify", want_more)
    for form in ([], ["--json"]):
        ended = sqlite_calreg("verify", *form)
        assert (ended.code, ended.stdout) == (8, "")
        assert "not enough memory for this; nothing was recorded" in ended.stderr
