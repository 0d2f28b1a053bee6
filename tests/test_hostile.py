"""Hostile texts and file names reach no terminal unescaped, and no command waits for a pipe."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from registry.api import Registry
from registry.errors import RequestError
from testing.panels import PANEL_A, write_panel_folder
from tests.cli import Calreg

pytestmark = pytest.mark.small_panels

# Colours, a bell, the mark that reverses the order of letters, and a byte that is not UTF-8.
ODD = "red\x1b[31m\x07\u202eevil"
NO_TEXT = f"{ODD}\udcff"
AT = "2018-02-10T08:15:00Z"
RUN = "exp=xcsls3716:run=631"
SOURCE = "XcsEndstation.0:Jungfrau.0"


def _is_safe(printed: str) -> bool:
    return all(line.isprintable() for line in printed.splitlines())


ANYWHERE = [
    ("panel", "add", NO_TEXT),
    ("panel", "add", PANEL_A, "--alias", NO_TEXT),
    ("panel", "show", NO_TEXT),
    ("alias", "add", NO_TEXT, PANEL_A),
    ("version", "add", PANEL_A, NO_TEXT, "--valid-from", AT),
    ("version", "add", PANEL_A, "somewhere", "--valid-from", NO_TEXT),
    ("version", "list", NO_TEXT),
    ("validity", NO_TEXT),
    ("validity", PANEL_A, "--at", NO_TEXT),
    ("validity", PANEL_A, "--timezone", NO_TEXT),
    ("validity", PANEL_A, "--as-of", NO_TEXT),
    ("validity", PANEL_A, "--kind", NO_TEXT),
    ("run", "add", NO_TEXT, "--begin", AT),
    ("run", "list", "--experiment", NO_TEXT),
    ("run", "import", NO_TEXT),
    ("detector", "configure", NO_TEXT, SOURCE, PANEL_A, "--first-run", "1"),
    ("detector", "configure", "xcsls3716", NO_TEXT, PANEL_A, "--first-run", "1"),
    ("detector", "list", "--experiment", NO_TEXT),
    ("detector", "show", RUN, "--source", NO_TEXT),
    ("export", PANEL_A, "--at", AT, "--type", NO_TEXT, "--output", "out"),
    ("export", PANEL_A, "--at", AT, "--format", NO_TEXT, "--output", "out"),
    ("export", RUN, "--source", NO_TEXT, "--output", "out"),
    ("provenance", "show", NO_TEXT),
    ("provenance", "replay", NO_TEXT, "--output", "out"),
    ("diff", NO_TEXT, "--as-of", "1"),
    ("affected", "--since", NO_TEXT),
    ("identify", NO_TEXT),
    ("log", NO_TEXT),
    ("tag", "add", NO_TEXT),
    ("import", NO_TEXT),
    ("restore", NO_TEXT),
    ("--database", NO_TEXT, "panel", "list"),
    ("--database", f"sqlite:///{NO_TEXT}", "panel", "list"),
    ("--store", NO_TEXT, "panel", "list"),
    (NO_TEXT,),
    ("panel", NO_TEXT),
    (f"--{NO_TEXT}",),
    ("panel", "list", f"--{NO_TEXT}"),
    ("panel", "list", NO_TEXT),
    ("version", "show", NO_TEXT),
]


@pytest.mark.slow
def test_typed_control_characters_are_refused_and_shown_escaped(
    sqlite_calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sqlite_calreg.run("panel", "add", PANEL_A)
    for words in ANYWHERE:
        ended = sqlite_calreg(*words)
        assert (ended.code in {2, 3, 8}, ended.stdout) == (True, ""), words
        assert _is_safe(ended.stderr), ended.stderr
        as_json = sqlite_calreg(*words, "--json")
        assert (as_json.code, _is_safe(as_json.stderr)) == (ended.code, True), words
    assert not (tmp_path / "out").exists()


def test_texts_that_databases_cannot_keep_are_refused_on_both(calreg: Calreg, registry: Registry) -> None:
    expected = r"the comment 'red\x1b[31m\x07\u202eevil\udcff' cannot be recorded"
    assert expected in calreg.assert_refused(2, "panel", "add", PANEL_A, "--comment", NO_TEXT)["message"]
    assert "does not name a revision" in calreg.assert_refused(2, "log", "--as-of", NO_TEXT)["message"]
    assert (
        "is not an experiment" in calreg.assert_refused(2, "run", "list", "--experiment", NO_TEXT)["message"]
    )
    with pytest.raises(RequestError, match=r"'a\\x00b' cannot be recorded"):
        registry.panels.add(PANEL_A, comment="a\0b")
    with pytest.raises(RequestError, match=r"'a\\x00b' does not name a revision"):
        registry.panels.list(as_of="a\0b")
    assert registry.log() == []


@pytest.mark.slow
def test_odd_comments_and_file_names_are_printed_escaped_and_kept_unchanged(
    sqlite_calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_panel_folder(Path(NO_TEXT))
    (Path(NO_TEXT) / "notes\x1b[2J\u202e").touch()
    for words in (
        ("panel", "add", PANEL_A, "--comment", ODD),
        ("version", "add", PANEL_A, NO_TEXT, "--valid-from", "beginning", "--comment", ODD),
        ("tag", "add", "spring", "--comment", ODD),
        ("alias", "add", "M068", PANEL_A, "--comment", ODD),
        ("detector", "configure", "xcsls3716", SOURCE, PANEL_A, "--first-run", "1", "--comment", ODD),
        ("export", RUN, "--at", AT, "--output", NO_TEXT),
        ("provenance", "show", f"{NO_TEXT}/provenance.json"),
        ("provenance", "verify", f"{NO_TEXT}/provenance.json"),
        ("provenance", "replay", f"{NO_TEXT}/provenance.json", "--output", f"{NO_TEXT}/again"),
        ("identify", f"{NO_TEXT}/pixel_gain.npy"),
        ("version", "withdraw", "1", "--comment", ODD),
        ("version", "list", "--all"),
        ("version", "show", "1"),
        ("validity", PANEL_A),
        ("panel", "show", PANEL_A),
        ("log",),
        ("backup", f"{NO_TEXT}/backup"),
        ("snapshot", f"{NO_TEXT}/snapshot.sqlite"),
        ("--database", f"sqlite:///{NO_TEXT}/snapshot.sqlite", "log"),
        ("copy", "--to", f"sqlite:///{NO_TEXT}/new.sqlite", "--to-store", f"{NO_TEXT}/store"),
        ("panel", "list"),
        ("--database", f"sqlite:///{NO_TEXT}/new.sqlite", "backup", f"{NO_TEXT}/second"),
    ):
        ended = sqlite_calreg.run(*words)
        assert _is_safe(ended.stdout + ended.stderr), words
    assert sqlite_calreg.run("log", "--json").json[-1]["comment"] == ODD
    assert json.loads(sqlite_calreg.run("version", "show", "1", "--json").stdout)["comment"] == ODD


@pytest.mark.slow
def test_pipes_and_devices_are_not_waited_for(
    sqlite_calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sqlite_calreg.run("panel", "add", PANEL_A)
    Path("panel").mkdir()
    for name in ("pipe", "pipe.bin", "pipe.h5", "pipe.npy", "backup.json", "panel/g0_gain.npy"):
        os.mkfifo(name)
    for words in (
        *(("run", "import", name) for name in ("pipe", "/dev/zero")),
        *(("run", "import", name, "--experiment", "xcsls3716") for name in ("pipe", "/dev/zero")),
        *(("provenance", "show", name) for name in ("pipe", "/dev/zero")),
        *(("identify", name) for name in ("pipe", "pipe.h5", "pipe.npy", "/dev/zero")),
        *(("version", "add", PANEL_A, name, "--valid-from", AT) for name in ("pipe", "pipe.bin", "panel")),
        ("import", "pipe"),
        ("restore", "."),
    ):
        sqlite_calreg.assert_refused(2, *words)


LONG = "x" * 5000


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_names_and_numbers_of_any_length_are_refused(
    calreg: Calreg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        ("--database", f"sqlite:///{LONG}", "panel", "list"),
        ("--database", f"sqlite:///{LONG}", "init"),
        ("--store", LONG, "panel", "list"),
        ("restore", LONG),
        ("backup", LONG),
        ("snapshot", LONG),
        ("copy", "--to", f"sqlite:///{LONG}"),
        ("demo", LONG),
    ):
        ended = calreg(*words)
        assert (ended.code, ended.stdout) == (8, ""), words
    for url in (f"postgresql://{LONG}/db", f"postgresql://ana@/db?host={LONG}"):
        assert (
            "is not a URL"
            in calreg.assert_refused(2, "--database", url, "--store", "store", "panel", "list")["message"]
        )
    for number in ("99999999999999999999999", "9223372036854775808", "9" * 5000):
        for code, words in (
            ({2, 3}, ("version", "show", number)),
            ({2, 3}, ("version", "withdraw", number, "--comment", "why")),
            ({2, 3}, ("log", "--as-of", number)),
            ({2}, ("run", "add", f"exp=xcsls3716:run={number}", "--begin", AT)),
            ({2}, ("detector", "configure", "xcsls3716", SOURCE, PANEL_A, "--first-run", number)),
        ):
            ended = calreg(*words)
            assert (ended.code in code, ended.stdout) == (True, ""), (words, ended.stderr)
