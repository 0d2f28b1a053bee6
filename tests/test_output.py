from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.cli import output
from registry.cli.folding import format_table
from registry.instants import BEGINNING, Instant
from registry.lookup.lazy_lines import LazyLines
from registry.records import Outcome, Tag
from registry.records.json import iterate_text, to_builtins


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
        "tags": [{"tag": "\x1b[31m", "revision": 1, "recorded_in": 2, "seal": None}],
        "starts": [None, "1970-01-01T00:00:00Z"],
        "path": "/store",
        "7": [],
    }
    assert to_builtins(answer) == json.loads(written)


def test_lines_that_are_written_when_they_are_read_become_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json(Outcome(1, facts=LazyLines(([1, 2], str))))
    assert json.loads(capsys.readouterr().out)["facts"] == ["1", "2"]


def test_an_iterator_becomes_a_list_whose_items_are_written_while_they_are_read() -> None:
    read: list[int] = []

    def count() -> Iterator[int]:
        for number in range(3):
            read.append(number)
            yield number

    written = ""
    for piece in iterate_text({"numbers": count(), "none": iter(())}):
        written += piece
        assert len(read) <= written.count("\n") - 1
    assert json.loads(written) == {"numbers": [0, 1, 2], "none": []}


def test_a_long_table_is_printed_in_blocks_whose_columns_only_grow() -> None:
    read: list[int] = []

    def make_rows() -> Iterator[list[str]]:
        yield ["N", "text"]
        for number in range(12_000):
            read.append(number)
            yield [str(number), "x"]

    lines = format_table(make_rows(), "", None)
    assert [next(lines), next(lines)] == ["N    text", "0    x"], "as wide as the first block needs"
    assert len(read) < 1000
    rest = list(lines)
    assert rest[997:1000] == ["998  x", "999   x", "1000  x"], "the second block starts at 999"
    assert rest[9997:10_000] == ["9998  x", "9999   x", "10000  x"]
    assert [line.split() for line in rest] == [[str(number), "x"] for number in range(1, 12_000)]


@pytest.mark.parametrize("width", [None, 80, 30])
def test_a_short_table_is_laid_out_as_a_whole(width: int | None) -> None:
    rows = [["panel", "comment"], ["1-2-3", "a" * 20], ["170505-149520170815-3d00b0", "b " * 30]]
    lines = list(format_table(rows, "  ", width))
    assert lines == list(format_table(iter(rows), "  ", width))
    assert ("comment" in lines[0]) is (width != 30)
