from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.cli import output
from registry.instants import BEGINNING, Instant
from registry.lookup.lazy_lines import LazyLines
from registry.records import Outcome, Tag
from registry.records.json import to_builtins


def test_records_become_json_objects_and_instants_iso_texts(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {
        "tags": (Tag("\x1b[31m", 1, 2),),
        "starts": [BEGINNING, Instant(0)],
        "path": Path("/store"),
        7: set(),
    }
    output.print_json(answer)
    written = capsys.readouterr().out
    assert "\x1b" not in written
    assert json.loads(written) == {
        "tags": [{"tag": "\x1b[31m", "revision": 1, "recorded_in": 2}],
        "starts": [None, "1970-01-01T00:00:00Z"],
        "path": "/store",
        "7": [],
    }
    assert to_builtins(answer) == json.loads(written)


def test_lines_that_are_written_when_they_are_read_become_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json(Outcome(1, facts=LazyLines(([1, 2], str))))
    assert json.loads(capsys.readouterr().out)["facts"] == ["1", "2"]
