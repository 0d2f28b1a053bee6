"""Help for those who do not know how to go on: examples, near names, next steps."""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from registry.cli import output
from registry.cli.examples import EXAMPLES, wrap_command
from registry.cli.remedies import NEXT_STEPS
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C
from testing.registries import RegistryLocation
from testing.terminal import run_in_terminal
from tests.cli import Calreg, list_verbs


@pytest.fixture
def calreg(sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> Calreg:
    return Calreg(sqlite_location, monkeypatch)


def test_every_verb_has_an_example_in_its_help(calreg: Calreg) -> None:
    verbs = list_verbs()
    assert {" ".join(path) for path in verbs} == set(EXAMPLES)
    for path in verbs:
        shown = calreg.run(*path, "--help").stdout
        example = "".join(f"    {line}\n" for line in wrap_command(EXAMPLES[" ".join(path)]))
        assert shown.endswith(f"\n  Example:\n{example}"), path
        assert max(len(line) for line in shown.splitlines()) <= 80, path


def test_an_example_is_one_command_of_its_verb_also_where_it_is_broken_into_lines() -> None:
    for path, example in EXAMPLES.items():
        words = shlex.split("\n".join(wrap_command(example)).replace("\\\n", ""))
        assert words == shlex.split(example)
        assert words[0] == "calreg"
        assert shlex.join(path.split()) in example


def test_the_example_that_no_test_runs_is_read_without_a_complaint() -> None:
    arguments = shlex.split(EXAMPLES["copy"])[2:]
    assert list_verbs()[("copy",)].make_context("copy", arguments).params["to"].startswith("postgresql:")


@pytest.mark.slow
def test_a_mistyped_name_is_answered_with_the_nearest(calreg: Calreg) -> None:
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    calreg.run("panel", "add", PANEL_B, "--alias", "M088")
    calreg.run("version", "gap", PANEL_A, "--kind", "gain", "--valid-from", "beginning", "--comment", "x")
    calreg.run("run", "add", "exp=xcsls3716:run=631", "--begin", "2018-02-10T08:15:00Z")
    source = "XcsEndstation.0:Jungfrau.0"
    calreg.run("detector", "configure", "xcsls3716", source, PANEL_A, "--first-run", "1")
    calreg.run("tag", "add", "run18-final")
    dataset, output = "exp=xcsls3716:run=631", ("--output", "out")
    for code, near, mistyped in (
        (2, "'validity'", ["validty", "M068"]),
        (2, "'list'", ["panel", "lst"]),
        (2, "--kind", ["validity", "M068", "--knid", "gain"]),
        (2, "gain", ["validity", "M068", "--kind", "gian"]),
        (3, "M068", ["validity", "M067"]),
        (3, "M068", ["log", "M067"]),
        (3, PANEL_A, ["panel", "show", PANEL_A[:-1] + "1"]),
        (3, PANEL_A, ["validity", f"{PANEL_B}_{PANEL_A[:-1]}1"]),
        (3, "run18-final", ["log", "--as-of", "run18-fianl"]),
        (3, "xcsls3716", ["run", "show", "exp=xcsls3761:run=631"]),
        (3, "631", ["run", "show", "exp=xcsls3716:run=613"]),
        (3, source, ["detector", "show", dataset, "--source", "XcsEndstaton.0:Jungfrau.0"]),
        (3, source, ["detector", "withdraw", "xcsls3716", "XcsEndstaton.0:Jungfrau.0", "--first-run", "1",
                     "--comment", "x"]),
        (3, "xcsls3716", ["detector", "withdraw", "xcsls3761", source, "--first-run", "1", "--comment", "x"]),
        (2, "pixel_gain", ["export", dataset, "--type", "pixel_gian", *output]),
        (2, "psana", ["export", dataset, "--format", "psanna", *output]),
        (2, "prov-json", ["provenance", "show", "x", "--format", "prov_json"]),
        (0, "xcsls3716", ["run", "list", "--experiment", "xcsls3761"]),
        (0, "xcsls3716", ["detector", "list", "--experiment", "xcsls3761"]),
    ):  # fmt: skip
        ended = calreg(*mistyped)
        assert ended.code == code, mistyped
        assert near in ended.stderr, mistyped


EMPTY = {
    "panel list": "calreg import TREE",
    "alias list": "calreg alias add",
    "version list": "calreg version add",
    "run list": "calreg run import FILE",
    "detector list": "calreg detector configure",
    "tag list": "calreg tag add",
    "log": "calreg import TREE",
}


@pytest.mark.slow
@pytest.mark.parametrize("verb", EMPTY)
def test_an_empty_answer_has_a_hint_at_a_terminal_and_nothing_else_changes(
    calreg: Calreg, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    piped = calreg.run(*verb.split())
    assert piped.stderr == ""
    monkeypatch.setattr(output, "is_interactive", lambda: True)
    seen = calreg.run(*verb.split())
    assert seen.stdout == piped.stdout
    assert seen.stderr.startswith("note: ")
    assert EMPTY[verb] in seen.stderr
    assert calreg.run(*verb.split(), "--json").stderr == ""
    calreg.run("panel", "add", PANEL_C, "--alias", "M044")
    calreg.run("version", "gap", PANEL_C, "--kind", "gain", "--valid-from", "beginning", "--comment", "x")
    calreg.run("run", "add", "exp=xcsls3716:run=631", "--begin", "2018-02-10T08:15:00Z")
    calreg.run("detector", "configure", "xcsls3716", "X.0:Jungfrau.0", NEW_A, "--first-run", "1")
    calreg.run("tag", "add", "first")
    assert calreg.run(*verb.split()).stderr == ""


def test_an_empty_answer_as_of_an_earlier_revision_has_no_hint(
    calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg.run("panel", "add", PANEL_A)
    monkeypatch.setattr(output, "is_interactive", lambda: True)
    assert calreg.run("run", "list").stderr != ""
    assert calreg.run("run", "list", "--as-of", "1").stderr == ""
    note, hint = calreg.run("validity", PANEL_A).stderr.splitlines()
    assert PANEL_A in note
    assert "calreg version add" in hint


def test_every_command_that_is_suggested_is_a_verb() -> None:
    known = {" ".join(path) for path in list_verbs()}
    for advice in NEXT_STEPS.values():
        for command in advice.split("calreg ")[1:]:
            words = command.split()
            assert {words[0], " ".join(words[:2])} & known, command


@pytest.mark.slow
def test_init_prints_a_next_step_at_a_terminal(tmp_path: Path) -> None:
    environment = {**os.environ, "CALREG_DATABASE": f"sqlite:///{tmp_path}/registry.sqlite"}
    command = [sys.executable, "-m", "registry", "init"]
    terminal, other_end = pty.openpty()
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=other_end, text=True, check=True
    )
    os.close(other_end)
    hint = os.read(terminal, 4096).decode()
    os.close(terminal)
    assert hint.startswith("note: ")
    assert "calreg import TREE" in hint
    assert done.stdout.startswith("registry  ")
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (piped.stdout, piped.stderr) == (done.stdout, "")
    again = run_in_terminal(command[1:], environment)
    assert again.endswith(f"note: {NEXT_STEPS['init again']}\n")


@pytest.mark.parametrize("noun", [(), ("panel",), ("database",)])
def test_a_noun_alone_shows_its_verbs_and_help_before_a_word_its_help(
    calreg: Calreg, noun: tuple[str, ...]
) -> None:
    wanted = calreg.run(*noun, "--help").stdout
    alone = calreg(*noun)
    assert (alone.code, alone.stdout, alone.stderr) == (2, "", wanted)
    assert calreg.run("help", *noun).stdout == wanted


def test_help_before_a_verb_is_its_help_and_leads_on_from_a_mistyped_one(calreg: Calreg) -> None:
    assert calreg.run("help", "run", "add").stdout == calreg.run("run", "add", "-h").stdout
    mistyped = calreg("help", "validty")
    assert mistyped.code == 2
    assert "Did you mean 'validity'?" in mistyped.stderr
    assert calreg.run("-h").stdout.count("New here?") == 1
