"""Times as people state them, wherever an instant is taken: resolved once, echoed, and never kept as words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry import instants, schema
from registry.api import Registry
from registry.api.stated_instants import state_start
from registry.authorship import build_signature
from registry.errors import InstantError, NotFoundError, NotValidError, RequestError
from registry.instants import Instant, parse_instant
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision
from tests.cli import Calreg
from tests.refusals import assert_refused
from tests.selection import keep_first

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

ZONE = "America/Los_Angeles"
RUN, UNTIMED = "exp=xcsx:run=5", "exp=xcsx:run=6"
SOURCE = "XcsEndstation.0:Jungfrau.0"
BEGIN = "2018-02-11T08:15:00Z"
DATE, DATE_READ = "2018-02-10", "2018-02-10T08:00:00Z"
NOTE = f"{DATE} is {DATE_READ} ({ZONE})"


@pytest.fixture
def calreg(calreg: Calreg, monkeypatch: pytest.MonkeyPatch) -> Calreg:
    """The command line, in the registry's own time zone."""
    monkeypatch.delenv("CALREG_TIMEZONE", raising=False)
    return calreg


@pytest.fixture
def filled(location: RegistryLocation, registry: Registry, tmp_path: Path) -> Registry:
    """A panel with constants from a date on, a run of it with a start, and one without: seven revisions."""
    registry.set_timezone(ZONE)
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "one"), valid_from="2018-01-01")
    registry.detectors.configure("xcsx", SOURCE, PANEL_A, first_run=1)
    registry.runs.add(RUN, begin=BEGIN)
    registry.runs.add(UNTIMED)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "two", seed=2), valid_from=RUN)
    return registry


@pytest.mark.on_both_databases
def test_a_run_stands_for_its_start_in_every_time(filled: Registry) -> None:
    newest = filled.versions.list()[-1]
    assert str(newest.valid_from) == BEGIN
    answer = filled.validity(PANEL_A, at=RUN)
    assert (str(answer.instant), answer.notes) == (BEGIN, (f"{RUN} is {BEGIN}",))
    with assert_refused(NotFoundError):
        filled.validity(PANEL_A, at="exp=xcsx:run=7777")
    with assert_refused(NotFoundError):
        filled.validity(PANEL_A, at="exp=nobody:run=1")
    with assert_refused(NotValidError, dataset=UNTIMED):
        filled.validity(PANEL_A, at=UNTIMED)
    with assert_refused(NotValidError, dataset=UNTIMED):
        filled.runs.add("exp=xcsx:run=8", begin=UNTIMED)
    filled.runs.add(RUN, begin="2018-02-12", supersede=True, comment="the clock was wrong")
    assert str(filled.validity(PANEL_A, at=RUN).instant) == "2018-02-12T08:00:00Z"
    assert str(filled.validity(PANEL_A, at=RUN, as_of=7).instant) == BEGIN


@pytest.mark.on_both_databases
def test_words_are_relative_to_one_present_however_long_a_write_waits(
    location: RegistryLocation, filled: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = 86_400_000_000
    first = parse_instant("2026-05-01T19:00:00Z")
    monkeypatch.setattr(instants, "now", lambda: first)
    stated = [
        state_start(filled._backend, text, any_time=False) for text in ("now", "3 days ago", "yesterday", RUN)
    ]
    monkeypatch.setattr(instants, "now", lambda: Instant(first + day))
    with location.open() as other:
        other.set_timezone("Europe/Zurich", comment="moved")
        other.runs.add(RUN, begin="2018-03-01T00:00:00Z", supersede=True, comment="wrong")
    with filled._backend.database.write_transaction(build_signature()) as change:
        read = [str(one.resolve(change)) for one in stated]
    assert read == [
        "2026-05-01T19:00:00Z",
        "2026-04-28T19:00:00Z",
        "2026-04-29T22:00:00Z",  # in the zone that the change sees
        "2018-03-01T00:00:00Z",
    ]
    assert len(change.notes) == 4


READS: dict[str, tuple[str, ...]] = {
    "validity": ("validity", PANEL_A, "--at", DATE),
    "validity of a run": ("validity", RUN, "--at", DATE),
    "validity as of": ("validity", PANEL_A, "--as-of", "today"),
    "log": ("log", "--as-of", "today"),
    "log head": ("log", "--head", "--as-of", "today"),
    "version list": ("version", "list", "--as-of", "today"),
    "panel show": ("panel", "show", PANEL_A, "--as-of", "now"),
    "alias list": ("alias", "list", "--as-of", "now"),
    "run list": ("run", "list", "--as-of", "now"),
    "detector list": ("detector", "list", "--as-of", "now"),
    "tag list": ("tag", "list", "--as-of", "now"),
    "exports": ("exports", "--as-of", "now"),
    "affected": ("affected", "--since", "now"),
    "diff": ("diff", RUN, "--as-of", "1 minute ago", "--against", "now", "--at", DATE),
    "export": ("export", RUN, "--at", DATE, "-o", "out"),
    "plot constants": ("plot", "constants", PANEL_A, "--at", DATE, "-o", "picture.png"),
    "plot validity": ("plot", "validity", PANEL_A, "--as-of", "now", "-o", "validity.png"),
    "run add": ("run", "add", "exp=xcsx:run=9", "--begin", DATE, "--end", "2018-02-10 00:30"),
    "version gap": ("version", "gap", PANEL_A, "--valid-from", DATE, "-m", "broken"),
    "tag add": ("tag", "add", "spring", "--as-of", "now"),
    "deploy": ("deploy", "xcsx", "--output", "calib", "--as-of", "now", "-n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("words", keep_first(READS.values(), count=5), ids=READS)
def test_every_verb_echoes_each_time_that_it_reads_once(
    filled: Registry,
    calreg: Calreg,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del filled
    monkeypatch.chdir(tmp_path)
    present = Instant(instants.now() + 1)
    monkeypatch.setattr(instants, "now", lambda: Instant(present + 86_400_000_000))
    result = calreg.run(*words)
    stated = [word for word in words if word in (DATE, "now", "today", "1 minute ago", "2018-02-10 00:30")]
    for word in stated:
        assert result.stderr.count(f"note: {word} is ") == 1, result.stderr
    assert (NOTE in result.stderr) == (DATE in stated)
    if "log" not in words and "exports" not in words:
        assert not any(f'"{word}"' in result.stdout for word in stated)


def test_a_document_keeps_instants_and_numbers_never_words(
    filled: Registry, calreg: Calreg, tmp_path: Path
) -> None:
    requests = (
        ("2018-02-11", "-1", ("2018-02-11T08:00:00Z", "6")),
        (RUN, "now", (BEGIN, None)),
        ("1 day ago", "7", (None, "7")),
    )
    for number, (at, as_of, kept) in enumerate(requests):
        out = tmp_path / f"out-{number}"
        calreg.run("export", RUN, "--at", at, "--as-of", as_of, "-o", str(out))
        document = json.loads((out / "provenance.json").read_text())
        request = document["request"]
        assert {request["at"], request["as_of"]}.isdisjoint({at, "-1", "now"})
        for value, expected in zip((request["at"], request["as_of"]), kept, strict=True):
            assert value == expected if expected else parse_instant(value) <= instants.now()
        assert calreg.run("provenance", "verify", str(out / "provenance.json"))
    del filled


@pytest.mark.parametrize(
    "text", keep_first(["2018-03-11 02:30", "tomorrow", "2018-11-04 01:30", "2018-02-30", "three days ago"])
)
def test_what_is_no_time_is_refused_by_every_verb(filled: Registry, calreg: Calreg, text: str) -> None:
    newest = filled.head
    calreg.assert_refused(2, "validity", PANEL_A, "--at", text)
    calreg.assert_refused(2, "export", RUN, "--at", text, "-o", "never")
    calreg.assert_refused(2, "run", "add", "exp=xcsx:run=9", "--begin", text)
    calreg.assert_refused(2, "version", "gap", PANEL_A, "--valid-from", text, "-m", "broken")
    calreg.assert_refused(2, "run", "add", "exp=xcsx:run=9", "--begin", "1970-01-01")
    calreg.assert_refused(2, "log", "--as-of", "2999-01-01")
    calreg.assert_refused(2, "run", "add", "exp=xcsx:run=9", "--begin", "9999999 hours ago")
    assert filled.head == newest


# As of


def test_as_of_counts_back_from_the_newest_revision(filled: Registry, calreg: Calreg) -> None:
    for as_of, number in (("-1", 6), (-1, 6), ("-6", 1), (-6, 1)):
        assert filled.log(as_of=as_of)[0].revision == number
    for as_of, number in (("-7", -7), (-7, -7), ("-9999999999999", -9999999999999)):
        with assert_refused(NotFoundError, revision=number, newest=7):
            filled.log(as_of=as_of)
    for words in (("--as-of", "-1"), ("--as-of=-1",)):
        assert [row["revision"] for row in calreg.run("log", *words, "--json").json] == [6, 5, 4, 3, 2, 1]
        assert len(calreg.run("validity", PANEL_A, *words, "--json").json) == 2
        assert len(calreg.run("validity", "M068", *words, "--json").json) == 2
    assert len(calreg.run("validity", PANEL_A, "--json").json) == 4
    calreg.assert_refused(3, "validity", PANEL_A, "--as-of", "-7")
    calreg.run("affected", "--since", "-2")
    calreg.run("tag", "add", "before", "--as-of", "-1")
    assert [(tag.tag, tag.revision) for tag in filled.tags.list()] == [("before", 6)]


@pytest.mark.sqlite_suffices
@pytest.mark.on_both_databases
def test_before_the_first_revision_the_registry_is_empty(
    filled: Registry, calreg: Calreg, tmp_path: Path
) -> None:
    before = "2018-02-10"
    for noun in ("panel", "alias", "version", "run", "detector", "tag"):
        assert calreg.run(noun, "list", "--as-of", before, "--json").json == []
    for words in (("log",), ("exports",)):
        assert calreg.run(*words, "--as-of", before, "--json").json == []
    for words in (
        ("validity", PANEL_A),
        ("validity", PANEL_A, "--at", "2018-02-01"),
        ("validity", "M068"),
        ("validity", "M0*"),
        ("validity", PANEL_A, PANEL_B),
        ("panel", "show", PANEL_A),
        ("version", "show", "1"),
        ("run", "show", RUN),
        ("detector", "show", RUN),
        ("export", RUN, "-o", str(tmp_path / "never")),
        ("log", PANEL_A),
        ("plot", "validity", PANEL_A, "-o", str(tmp_path / "never.png")),
    ):
        calreg.assert_refused(3, *words, "--as-of", before)
    calreg.assert_refused(2, "tag", "add", "nothing", "--as-of", before)
    assert len(filled.list_affected_runs(before)) == 1
    assert filled.diff(RUN, before=before).refused_before is not None


def test_a_word_cannot_be_a_tag_and_one_that_is_from_earlier_is_not_guessed_at(
    location: RegistryLocation, filled: Registry
) -> None:
    for word in ("now", "today", "yesterday", "-1", "3 days ago"):
        with assert_refused(RequestError):
            filled.tags.add(word)
    seal = filled.head.seal
    with record_raw_revision(location) as (connection, newest):
        row = {"name": "yesterday", "revision": 7, "recorded_in": newest, "seal": seal}
        connection.execute(schema.tag.insert(), row)
    for ask in AMBIGUOUS:
        with assert_refused(RequestError, tag="yesterday", revision=7):
            ask(filled)
    assert filled.log(as_of="today") == []
    assert [tag.tag for tag in filled.tags.list()] == ["yesterday"]


AMBIGUOUS: list[Callable[[Registry], Any]] = [
    lambda registry: registry.log(as_of="yesterday"),
    lambda registry: registry.validity(PANEL_A, as_of="yesterday"),
    lambda registry: registry.validity(PANEL_A, at=BEGIN, as_of="yesterday"),
    lambda registry: registry.diff(RUN, before="yesterday"),
]


def test_an_instant_is_read_as_a_text_only_where_texts_are_taken(filled: Registry) -> None:
    with assert_refused(InstantError):
        filled.validity(PANEL_A, at="beginning")
    with assert_refused(InstantError):
        filled.runs.add("exp=xcsx:run=9", begin="beginning")
