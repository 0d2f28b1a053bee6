"""Every argument and option of every verb, with texts that nobody means; and odd environments of a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from registry.api import Registry
from testing.panels import PANEL_A, PANEL_B, SOURCE, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg, list_verbs
from tests.selection import keep_first, keep_first_rows

pytestmark = pytest.mark.small_panels

RUN = "exp=xcsls3716:run=631"
AT = "2018-02-10T08:15:00Z"
BYTE = "\udcff"  # a byte that is not UTF-8, as Python reads it from the command line
TEXTS = ["", BYTE, "a\nb\x1b[31m", "-1", "1" * 400]
EXIT_CODES = {0, 2, 3, 4, 5, 8}


@pytest.fixture
def filled(location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry with something of everything; the working folder is a new one."""
    folder = write_panel_folder(tmp_path / "panel")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068")
        registry.versions.add(PANEL_A, folder, valid_from="beginning")
        registry.runs.add(RUN, begin=AT)
        registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1, last_run=700)
        registry.tags.add("winter")
        yield registry


def build_values(location: RegistryLocation) -> dict[str, str]:
    """Return possible texts of the parameters that verbs need; one of a new name gets any text."""
    folder = location.folder
    return {
        **dict.fromkeys(("target", "panel", "panel_id", "panel_ids", "identifiers"), PANEL_A),
        **dict.fromkeys(("path", "tree", "directory"), f"{folder}/panel"),
        **dict.fromkeys(("version", "number", "before", "since", "as_of", "first_run"), "1"),
        **dict.fromkeys(("alias", "m_number"), "M068"),
        **dict.fromkeys(("folder", "output"), f"{folder}/out"),
        "after": "2",
        "dataset": RUN,
        "experiment": "xcsls3716",
        "source": SOURCE,
        "detector_id": PANEL_B,
        "valid_from": AT,
        "file": f"{folder}/snapshot.sqlite",
        "to": location.database,  # which is occupied
        "schema": "9999",
    }


def list_command_lines(values: dict[str, str], count: int) -> Iterator[list[str]]:
    """Yield command lines for every parameter of every verb, with some of the texts, each in turn."""
    texts = cycle(TEXTS)
    for path, verb in list_verbs().items():
        if path == ("demo",):  # it makes panels of full size, and runs the verbs of this table
            continue
        for parameter in verb.params:
            if parameter.name != "help" and not getattr(parameter, "is_flag", False):
                yield from ([*path, *_format(verb, parameter, text, values)] for text in islice(texts, count))


def _format(verb: Any, chosen: Any, text: str, values: dict[str, str]) -> list[str]:
    """Return the words that give one parameter a text, and the others that are needed possible ones."""
    options, arguments = [], []
    for parameter in verb.params:
        if parameter is not chosen and not parameter.required:
            continue
        value = text if parameter is chosen else values.get(parameter.name, "text")
        if parameter.param_type_name == "argument":
            arguments.append(value)
        else:
            options.append(f"{parameter.opts[-1]}={value}")
    return [*options, "--", *arguments]


def find_faults(calreg: Calreg, words: list[str], count_revisions: Callable[[], int]) -> Iterator[str]:
    """Yield what is wrong with the end of a command."""
    before = count_revisions()
    try:
        ended = calreg(*words)
    except Exception as error:  # noqa: BLE001 - any exception is a finding
        yield f"{type(error).__name__}: {str(error)[:200]}"
        return
    if ended.code not in EXIT_CODES:
        yield f"exit code {ended.code}: {ended.stderr[:200]}"
    if not all(line.isprintable() for line in (ended.stdout + ended.stderr).splitlines()):
        yield f"not printable: {ended.stderr[:200]!r}"
    if ended.code and count_revisions() != before:
        yield f"exit code {ended.code}, and something is recorded"


@pytest.mark.slow
@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("count", keep_first([1, len(TEXTS)]))
def test_no_text_of_any_argument_ends_in_a_traceback(
    calreg: Calreg, filled: Registry, location: RegistryLocation, count: int
) -> None:
    def count_revisions() -> int:
        return filled.log()[0].revision

    faults = [
        f"{words!r:.200}: {fault}"
        for words in list_command_lines(build_values(location), count)
        for fault in find_faults(calreg, words, count_revisions)
    ]
    assert faults == [], "\n".join(faults)
    assert filled.verify().problems == ()


SERVER = b"postgresql://127.0.0.1:1/"


@pytest.mark.slow
@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("code", "changed"),
    keep_first_rows(
        [
            (0, {b"USER": b"\xff", b"LOGNAME": b"\xff", b"HOME": b"/home/\xff"}),
            (0, {b"LC_ALL": b"C", b"PYTHONUTF8": b"0", b"PYTHONCOERCECLOCALE": b"0"}),
            (2, {b"CALREG_DATABASE": SERVER + b"\xff"}),
            (8, {b"CALREG_STORE": b"/nowhere/\xff"}),
            (0, {b"PYTHONIOENCODING": b"ascii"}),
            (0, {b"COLUMNS": b"-5", b"LINES": b"many", b"TERM": b"\xff", b"TMPDIR": b"/nowhere\xff"}),
            (2, {b"CALREG_TIMEZONE": b"\xff"}),
            (2, {b"CALREG_DATABASE": b"\xff"}),
            (2, {b"CALREG_DATABASE": SERVER + b"%00"}),
            (2, {b"CALREG_DATABASE": SERVER + b"x?options=%00"}),
            (8, {b"CALREG_DATABASE": b"sqlite:////nowhere/\xff"}),
            (8, {b"CALREG_DATABASE": SERVER + b"x", b"PGOPTIONS": b"\xff"}),
        ],
        count=4,
    ),
)
def test_an_odd_environment_is_answered_or_refused(
    calreg: Calreg, code: int, changed: dict[bytes, bytes]
) -> None:
    calreg.run("panel", "add", PANEL_A, "--comment", "\u03a9")
    ended = subprocess.run(
        [sys.executable, "-m", "registry", "log"],
        env={**os.environb, **changed},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False), ended.stderr
    # An encoding without the letter gets its escape.
    shown = b"\\u03a9" if {b"PYTHONIOENCODING", b"LC_ALL"} & set(changed) else b"\xce\xa9"
    assert (shown in ended.stdout) == (code == 0)
    assert calreg.run("log", "--json").json[0]["comment"] == "\u03a9"


@pytest.mark.slow
def test_a_registry_may_lie_in_a_folder_whose_name_is_not_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / f"data{BYTE}"))
    monkeypatch.chdir(tmp_path)
    calreg = Calreg(None, monkeypatch)
    calreg.run("init")
    calreg.run("panel", "add", PANEL_A)
    write_panel_folder(Path(f"panel{BYTE}"))
    calreg.run("version", "add", PANEL_A, f"panel{BYTE}", "--valid-from", "beginning")
    calreg.run("export", PANEL_A, "--at", AT, "--output", f"out{BYTE}")
    assert Path(f"out{BYTE}/pixel_gain.npy").is_file()
    calreg.run("provenance", "verify", f"out{BYTE}/provenance.json")
    assert calreg.run("verify", "--json").json["problems"] == []
