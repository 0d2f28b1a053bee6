"""``--format``: every listing as CSV, with the keys of its JSON."""

import csv
import io
import json
from typing import Any

import pytest

import registry.records
from registry.cli.formats import LISTINGS
from registry.instants import BEGINNING, Instant
from registry.records import Run, Tag
from registry.records.csv import iterate_lines
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.cli import Calreg, list_verbs


@pytest.fixture
def calreg(sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> Calreg:
    calreg = Calreg(sqlite_location, monkeypatch)
    calreg.run("panel", "add", PANEL_A, "--alias", "M068", "-m", 'a "quoted", two-line\ncomment')
    calreg.run("panel", "add", PANEL_B)
    calreg.run("version", "gap", PANEL_A, "--kind", "gain", "--valid-from", "beginning", "-m", "=1+1")
    calreg.run("run", "add", "exp=e:run=1", "--begin", "2018-02-10T08:15:00Z")
    calreg.run("detector", "configure", "e", "X.0:Jungfrau.0", f"{PANEL_A}_{PANEL_B}", "--first-run", "1")
    calreg.run("tag", "add", "spring")
    return calreg


ARGUMENTS = {"validity": ("M068",), "affected": ("--since", "1")}


def to_cell(value: Any) -> str:
    if value is None:
        return ""
    return value.replace("\n", "\\n") if isinstance(value, str) else json.dumps(value)


def test_every_listing_has_a_csv_whose_columns_are_the_keys_of_its_json(calreg: Calreg) -> None:
    for verb in LISTINGS:
        words = (*verb.split(), *ARGUMENTS.get(verb, ()))
        rows = list(csv.DictReader(io.StringIO(calreg.run(*words, "--format", "csv").stdout)))
        answer = calreg.run(*words, "--format", "json").json
        assert answer == calreg.run(*words, "--json").json
        expected = answer["problems"] if verb == "verify" else answer
        assert rows == [{name: to_cell(value) for name, value in row.items()} for row in expected], verb


def test_every_verb_that_lists_has_a_format_and_its_record_exists() -> None:
    listing = {" ".join(path) for path in list_verbs() if path[-1] == "list"}
    assert listing <= LISTINGS.keys() <= {" ".join(path) for path in list_verbs()}
    assert all(hasattr(registry.records, record) for record in LISTINGS.values())


def test_an_empty_listing_has_its_header(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    assert calreg.run("tag", "list", "--format", "csv").stdout == "tag,revision,recorded_in,seal\n"


def test_a_refusal_under_csv_is_a_sentence_and_two_formats_are_refused(calreg: Calreg) -> None:
    ended = calreg("validity", "M067", "--format", "csv")
    assert (ended.code, ended.stdout) == (3, "")
    assert ended.stderr.startswith("error: ")
    assert calreg("validity", "M067", "--format=json").error["code"] == 3
    assert calreg("panel", "list", "--json", "--format", "csv").code == 2
    assert calreg("panel", "list", "--format", "xml").code == 2


def test_lines_are_written_while_the_rows_are_read() -> None:
    read = []

    def make_rows() -> Any:
        for number in range(3):
            read.append(number)
            yield Tag("a\x1b[1m\n", number, None)

    lines = iterate_lines(("tag", "revision"), make_rows())
    assert next(lines) == "tag,revision\n"
    assert read == []
    assert next(lines) == "a\\x1b[1m\\n,0\n"
    assert read == [0]


def test_the_beginning_is_empty_and_instants_are_in_utc() -> None:
    rows = [Run("e", 1, Instant(0), None, 1, None), Run("e", 2, BEGINNING, None, 1, None)]
    lines = list(iterate_lines(("experiment", "run", "begin"), rows))
    assert lines[1:] == ["e,1,1970-01-01T00:00:00Z\n", "e,2,\n"]
