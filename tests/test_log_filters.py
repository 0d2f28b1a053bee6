"""The log by time, panel, experiment and author, and between two revisions."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from registry.api import Registry
from registry.errors import InstantError, NotFoundError, RequestError
from registry.instants import Instant
from testing.panels import NEW_A, PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

SOURCE = "XcsEndstation.0:Jungfrau.0"


@pytest.fixture
def history(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Ten revisions of two authors, about three panels, two experiments and their runs."""
    for author, record in (
        ("ana", lambda: registry.panels.add(PANEL_A, alias="M068")),
        ("ben", lambda: registry.panels.add(PANEL_B, alias="M088")),
        ("ana", lambda: registry.detectors.configure("xcsx", SOURCE, PANEL_A, first_run=1)),
        ("ben", lambda: registry.runs.add("exp=xcsx:run=5", begin="2018-01-01")),
        ("ana", lambda: registry.detectors.configure("mfxy", SOURCE, PANEL_B, first_run=1)),
        ("ben", lambda: registry.versions.gap(PANEL_A, valid_from="2018-02-01", kinds=["gain"], comment="x")),
        ("ana", lambda: registry.runs.add("exp=mfxy:run=1", begin="2018-01-01")),
        ("ben", lambda: registry.detectors.name("front", f"{PANEL_B}_{PANEL_A}")),
        ("ana", lambda: registry.tags.add("spring")),
        ("ben", lambda: registry.runs.withdraw("exp=xcsx:run=5", comment="never taken")),
    ):
        monkeypatch.setattr("registry.authorship._find_user_name", lambda author=author: author)
        record()
    return registry


def numbers(registry: Registry, target: str | None = None, **filters: Any) -> list[int]:
    return [revision.revision for revision in registry.log(target, **filters)]


def test_a_log_is_of_what_came_after_a_revision_up_to_another(history: Registry, calreg: Calreg) -> None:
    assert numbers(history, after=3, as_of=6) == [6, 5, 4]
    assert numbers(history, after="-3", as_of="-1") == [9, 8]
    assert numbers(history, after=10) == numbers(history, after=3, as_of=3) == []
    assert numbers(history, after="spring") == [10, 9]
    with assert_refused(RequestError, after=6, as_of=3):
        history.log(after=6, as_of=3)
    for text, expected in (
        ("3..6", [6, 5, 4]),
        ("8..", [10, 9]),
        ("..2", [2, 1]),
        ("-3..-1", [9, 8]),
        ("-1..", [10]),
        ("..-9", [1]),
        ("spring..now", [10, 9]),
        ("2018-01-01..1", [1]),
        (f"{history.find_head(2)}..4", [4, 3]),
    ):
        assert [row["revision"] for row in calreg.run("log", text, "--json").json] == expected, text
        assert [row["revision"] for row in calreg.run("log", "--json", text).json] == expected, text
    assert [row["revision"] for row in calreg.run("log", "M068", "2..7", "--json").json] == [6, 3]
    calreg.assert_refused(2, "log", "6..3")
    calreg.assert_refused(2, "log", "1..2", "3..4")
    calreg.assert_refused(2, "log", "1..2", "--as-of", "3")
    calreg.assert_refused(2, "log", "..")
    calreg.assert_refused(2, "log", "1...3")
    calreg.assert_refused(3, "log", "1..77")
    calreg.assert_refused(3, "log", "-77..")
    calreg.assert_refused(3, "log", "nothing..")
    assert calreg("validity", "-1").code == 2  # only verbs of revisions take it


def test_a_log_is_of_panels_experiments_and_authors(history: Registry, calreg: Calreg) -> None:
    assert numbers(history, PANEL_A) == numbers(history, panels=["M068"]) == [8, 6, 3, 1]
    assert numbers(history, panels=["M0*"]) == numbers(history, "front") == [8, 6, 5, 3, 2, 1]
    assert numbers(history, "exp=mfxy:run=1") == numbers(history, PANEL_B) == [8, 5, 2]
    assert numbers(history, experiment="xcsx") == [10, 4, 3]
    assert numbers(history, experiment="xcsx", panels=[PANEL_A]) == [3]
    assert numbers(history, experiment="xcsx", panels=[PANEL_B]) == []
    assert numbers(history, author="ana") == [9, 7, 5, 3, 1]
    assert numbers(history, author="nobody") == []
    assert numbers(history, PANEL_A, author="ben") == [8, 6]
    assert numbers(history, author="ben", limit=2) == [10, 8]
    assert numbers(history, experiment="xcsx", author="ben", limit=1, before=10) == [4]
    (row,) = history.log(experiment="mfxy", as_of=7, after=5)
    assert row.changes == ("+ run exp=mfxy:run=1, begin 2018-01-01T00:00:00Z",)
    result = calreg.run(
        "log", "--experiment", "xcsx", "--author", "ben", "--panel", PANEL_A, "--panel", "M088", "--json"
    )
    assert result.json == []
    for unknown in (("--panel", NEW_A), ("--experiment", "nobody"), ("--panel", "M9*")):
        calreg.assert_refused(3, "log", *unknown)
    calreg.assert_refused(2, "log", "--panel", "what!")
    calreg.assert_refused(2, "log", "--head", "--since", "today")


def test_a_log_is_of_a_time_with_both_its_ends(
    location: RegistryLocation, registry: Registry, calreg: Calreg
) -> None:
    first = 1_577_836_800_000_000  # 2020-01-01
    for second in range(6):
        with record_raw_revision(location, recorded_at=first + second // 2 * 1_000_000):
            pass
    at = [str(Instant(first + second * 1_000_000)) for second in range(-1, 4)]
    assert numbers(registry, since=at[1], until=at[1]) == [2, 1]
    assert numbers(registry, since=at[2]) == [6, 5, 4, 3]
    assert numbers(registry, until=at[2]) == [4, 3, 2, 1]
    assert numbers(registry, until=at[0]) == numbers(registry, since=at[4]) == []
    assert numbers(registry, since=at[0], until="2999-01-01", after=2, limit=2) == [6, 5]
    with assert_refused(RequestError):
        registry.log(since=at[2], until=at[1])
    with assert_refused(InstantError):
        registry.log(since="whenever")
    with assert_refused(NotFoundError):
        registry.log(since="exp=xcsx:run=1")
    result = calreg.run("log", "--since", "2020-01-01 00:00:01", "--until", at[2], "--json")
    assert [row["revision"] for row in result.json] == [4, 3]
    assert "note: 2020-01-01 00:00:01 is 2020-01-01T00:00:01Z (UTC)" in result.stderr


@pytest.mark.slow
def test_pages_of_a_filtered_log_are_the_whole_of_it(
    history: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.api.pages.PAGE_SIZE", 2)
    for panels, experiment, author, after in product(
        ((), (PANEL_A,)), (None, "xcsx"), (None, "ana", "ben"), (None, 2)
    ):
        filters = {"panels": panels, "experiment": experiment, "author": author, "after": after}
        paged = numbers(history, **filters)
        monkeypatch.setattr("registry.api.pages.PAGE_SIZE", 500)
        assert paged == numbers(history, **filters)
        monkeypatch.setattr("registry.api.pages.PAGE_SIZE", 2)
        assert paged == sorted(set(paged), reverse=True)


@pytest.mark.sqlite_suffices
def test_diff_takes_its_revisions_as_words_too(history: Registry, calreg: Calreg) -> None:
    del history
    question = ("diff", PANEL_A, "--at", "2018-03-01", "--json")
    by_options = calreg("diff", PANEL_A, "--as-of", "5", "--against", "6", *question[2:])
    for words in (("5", "6"), ("-5", "-4"), ("--", "-5", "-4")):
        result = calreg("diff", "--at", "2018-03-01", "--json", PANEL_A, *words)
        assert (result.code, result.error) == (by_options.code, by_options.error)
    calreg.assert_refused(2, "diff", PANEL_A)
    calreg.assert_refused(2, "diff", PANEL_A, "--against", "6")
    calreg.assert_refused(2, "diff", PANEL_A, "5", "--against", "6")
    calreg.assert_refused(2, "diff", PANEL_A, "5", "6", "--as-of", "3")
    calreg.assert_refused(3, "diff", PANEL_A, "-77")
