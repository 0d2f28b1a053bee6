"""Lists of numbers on the command line: ranges, lists and several words; nothing huge is expanded."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.api import Registry
from registry.cli.number_lists import parse_numbers
from registry.errors import RequestError
from testing.panels import PANEL_A, write_panel_folder
from tests.cli import Calreg
from tests.refusals import assert_refused


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["410"], [410]),
        (["401-404,410"], [401, 402, 403, 404, 410]),
        (["410", "401-404"], [410, 401, 402, 403, 404]),
        (["7-7", "7", "6-8"], [7, 6, 8]),
    ],
)
def test_numbers_ranges_and_lists_are_read_in_their_order(words: list[str], numbers: list[int]) -> None:
    assert parse_numbers(words, "versions") == numbers


@pytest.mark.parametrize(
    "word", ["404-401", "1-", "1,,2", "", ",", "1--3", "1-2-3", "a", "0x10", "1 2", "٣", "1-end", "9" * 5000]
)
def test_what_is_not_a_list_of_numbers_is_refused(word: str) -> None:
    with assert_refused(RequestError):
        parse_numbers([word], "versions")


@pytest.mark.parametrize(
    "words", [["1-9999999999"], ["1-99999999999999999999"], ["1-6000", "7000-12000"], ["0-10000"]]
)
def test_a_huge_range_is_refused_and_not_expanded(words: list[str]) -> None:
    with assert_refused(RequestError, words[-1], 10_000):
        parse_numbers(words, "versions")


@given(st.lists(st.integers(0, 300), min_size=1))
def test_every_list_of_numbers_is_read_as_it_was_written(numbers: list[int]) -> None:
    assert parse_numbers([",".join(map(str, numbers))], "versions") == list(dict.fromkeys(numbers))


@pytest.mark.small_panels
def test_ranges_of_versions_are_withdrawn_in_one_revision(
    registry: Registry, calreg: Calreg, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    for year in (2015, 2016, 2017):
        folder = write_panel_folder(tmp_path / f"maps-{year}", year)
        registry.versions.add(PANEL_A, folder, valid_from=f"{year}-01-01T00:00:00Z")
    answer = calreg.run("version", "withdraw", "5-6,1", "3", "--comment", "cold", "--json").json
    assert [version["version"] for version in answer["withdrawn"]] == [1, 3, 5, 6]
    assert answer["revision"] == 5
    error = calreg.assert_refused(5, "version", "withdraw", "1-4", "--comment", "cold")
    assert error["versions"] == [1, 3]
    error = calreg.assert_refused(3, "version", "withdraw", "1-9", "--comment", "cold")
    assert (error["versions"], error["largest"]) == ([7, 8, 9], 6)
    calreg.assert_refused(2, "version", "withdraw", "4-2", "--comment", "cold")
    assert len(registry.versions.list()) == 2
