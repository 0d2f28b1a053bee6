"""Revisions: the log, the tags, and every answer as it was as of one of them."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry import instants
from registry.api import Registry
from registry.errors import ConflictError, InstantError, NotFoundError, RegistryError, RequestError
from registry.instants import BEGINNING, Instant, parse_instant
from registry.records import Tag
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

SOURCE = "XcsEndstation.0:Jungfrau.0"
FIRST = parse_instant("2020-01-01T00:00:00Z")
SECOND_LATER = Instant(FIRST + 1_000_000)
RECORDED = (FIRST, Instant(FIRST + 1), SECOND_LATER, SECOND_LATER, parse_instant("2021-07-01T12:00:00Z"))


@pytest.fixture
def dated(location: RegistryLocation) -> RegistryLocation:
    """Return a registry with five revisions of known instants, the third and fourth of the same."""
    engine = location.engine()
    for number, instant in enumerate(RECORDED, start=1):
        signature = {"author": "wilma", "host": "psana1", "software": "calreg 0"}
        with record_raw_revision(engine, recorded_at=int(instant), command=f"calreg {number}", **signature):
            pass
    engine.dispose()
    return location


def newest(registry: Registry, as_of: Any) -> int:
    return registry.log(as_of=as_of)[0].revision


def test_as_of_an_instant_is_the_last_revision_recorded_by_then(dated: RegistryLocation) -> None:
    with dated.open(timezone="America/Los_Angeles") as registry:
        for instant, number in (
            (FIRST, 1),
            (FIRST + 1, 2),
            (FIRST + 2, 2),
            (SECOND_LATER - 1, 2),
            (SECOND_LATER, 4),
            (SECOND_LATER + 1, 4),
            (RECORDED[4] - 1, 4),
            (RECORDED[4], 5),
            (RECORDED[4] + 1, 5),
        ):
            at = Instant(instant)
            for as_of in (at, str(at), at.datetime, str(at).replace("Z", "+00:00")):
                assert newest(registry, as_of) == number, as_of
        assert newest(registry, "20191231160000") == 1, "14 digits are local time"
        assert newest(registry, "20191231160001") == 4
        for before in (Instant(FIRST - 1), "20191231155959", "2019-12-31", BEGINNING):
            assert registry.log(as_of=before) == []
        for after in ("9999-01-01T00:00:00Z", Instant(instants.now() + 3_600_000_000)):
            with assert_refused(InstantError, as_of=str(after)):
                registry.panels.list(as_of=after)


def test_as_of_a_number_or_a_tag_is_that_revision(dated: RegistryLocation) -> None:
    with dated.open() as registry:
        assert [newest(registry, as_of) for as_of in (1, "1", 3, "3", "0005", None)] == [1, 1, 3, 3, 5, 5]
        for unknown in (0, -5, 6, "0", "6", 10**30, "9" * 13):
            with assert_refused(NotFoundError, revision=int(unknown), newest=5):
                registry.log(as_of=unknown)
        with assert_refused(NotFoundError, tag="spring", near=[]):
            registry.log(as_of="spring")
        registry.tags.add("spring-2020", as_of=2)
        registry.tags.add("spring-2021", as_of="2021-07-01T12:00:00Z")
        assert (newest(registry, "spring-2020"), newest(registry, "spring-2021")) == (2, 5)
        with assert_refused(NotFoundError, tag="spring-2022", near=["spring-2021", "spring-2020"]):
            registry.log(as_of="spring-2022")
        for text in ("2020-13-01T00:00:00Z", "2020-13-01", "20200101000061", "1" * 15, "1" * 10_000):
            with pytest.raises(InstantError):
                registry.log(as_of=text)


def test_an_empty_registry_has_no_revisions_to_name(registry: Registry) -> None:
    assert registry.log() == []
    with assert_refused(NotFoundError, revision=1, newest=0):
        registry.log(as_of=1)
    assert registry.log(as_of="20200101000000") == []
    with assert_refused(NotFoundError, revision=-1, newest=0):
        registry.log(as_of="-1")
    with assert_refused(RequestError, tag="empty"):
        registry.tags.add("empty")
    assert registry.log() == []


def test_a_tag_names_one_revision_for_ever(registry: Registry) -> None:
    registry.panels.add(PANEL_A)
    dry = registry.tags.add("spring", comment="before the beam time", dry_run=True)
    assert registry.tags.list() == []
    real = registry.tags.add("spring", comment="before the beam time")
    assert dry.facts == real.facts == ("+ tag spring: revision 1",)
    assert (dry.revision, real.revision) == (None, 2), "it names the one before its own"
    registry.tags.add("autumn")
    registry.tags.add("first", as_of=1)
    registry.tags.add("again", as_of="autumn")
    first, second = (registry.find_head(number).seal for number in (1, 2))
    assert registry.tags.list() == [
        Tag("first", 1, recorded_in=4, seal=first),
        Tag("spring", 1, recorded_in=2, seal=first),
        Tag("again", 2, recorded_in=5, seal=second),
        Tag("autumn", 2, recorded_in=3, seal=second),
    ]
    for as_of in (None, 1, 3):
        with assert_refused(ConflictError, tag="spring", revision=1):
            registry.tags.add("spring", as_of=as_of)
    with assert_refused(ConflictError, tag="first", revision=1):
        registry.tags.add("first")
    for name in (
        "3",
        "20200101000000",
        "2020-01-01T00:00:00Z",
        "1.0",
        "",
        "-x",
        "a b",
        "a/b",
        "x\n",
        "a" * 65,
        "now",
        "yesterday",
    ):
        with assert_refused(RequestError, tag=name):
            registry.tags.add(name)
    with assert_refused(NotFoundError, revision=6, newest=5):
        registry.tags.add("later", as_of=6)
    with assert_refused(NotFoundError, tag="sprong", near=["spring"]):
        registry.tags.add("later", as_of="sprong")
    assert len(registry.log()) == 5


def test_a_tag_that_is_made_again_is_found_done(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.panels.add(PANEL_A)
    registry.tags.add("spring", comment="why")
    for as_of in (None, 1):
        again = registry.tags.add("spring", as_of=as_of, comment="why")
        assert (again.revision, len(again.notes)) == (None, 1)
    for as_of, comment in ((None, None), (2, "why"), (1, "another reason")):
        with assert_refused(ConflictError, tag="spring", revision=1):
            registry.tags.add("spring", as_of=as_of, comment=comment)
    monkeypatch.setattr("registry.authorship._find_user_name", lambda: "somebody-else")
    with assert_refused(ConflictError, tag="spring", revision=1):
        registry.tags.add("spring", as_of=1, comment="why")
    registry.panels.add(PANEL_B)
    with assert_refused(ConflictError, tag="spring", revision=1):
        registry.tags.add("spring", comment="why")  # the newest revision is another one by now
    assert [tag.revision for tag in registry.tags.list()] == [1]


def test_the_log_tells_who_changed_what_and_from_where(
    registry: Registry, location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/calreg", "panel", "add", "two words"])
    before = instants.now()
    registry.panels.add(PANEL_A, comment="delivered")
    registry.panels.add(PANEL_A, comment="said again, so not recorded")
    registry.panels.add(PANEL_B)
    second, first = registry.log()
    assert (second.revision, first.revision) == (2, 1)
    assert before <= first.recorded_at <= second.recorded_at <= instants.now()
    assert (first.comment, second.comment) == ("delivered", None)
    assert first.author == pwd.getpwuid(os.getuid()).pw_name
    assert first.host == socket.gethostname()
    assert first.command == "calreg panel add 'two words'"
    assert first.software.startswith("calreg ")
    assert (first.database_role is None) is location.is_sqlite


@pytest.mark.slow
def test_the_log_has_a_line_for_every_change(registry: Registry, tmp_path: Path) -> None:
    folder = write_panel_folder(tmp_path / "one", kinds=["gain"])
    dataset = "exp=xcsls3716:run=631"
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, folder, valid_from="20180101000000", kinds=["gain"])
    registry.versions.gap(PANEL_A, valid_from="20190101000000", comment="in repair")
    registry.versions.withdraw(2, comment="repaired")
    registry.runs.add(dataset)
    registry.runs.add(dataset, begin="20180201000000")
    registry.detectors.configure("xcsls3716", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)
    registry.detectors.withdraw("xcsls3716", SOURCE, first_run=1, comment="wrong order")
    registry.aliases.withdraw("M068", PANEL_A, comment="mixed up")
    registry.tags.add("done")
    log = registry.log()
    detector = f"detector of xcsls3716 {SOURCE} runs 1-end: {PANEL_A}_{PANEL_B}"
    assert {revision.revision: revision.changes for revision in log} == {
        1: (f"+ panel {PANEL_A} (jungfrau)", f"+ alias M068 of {PANEL_A}"),
        2: (f"+ version 1: gain of {PANEL_A} from 2018-01-01T00:00:00Z",),
        3: (f"+ version 2: gap in gain of {PANEL_A} from 2019-01-01T00:00:00Z",),
        4: (f"- version 2: gap in gain of {PANEL_A} from 2019-01-01T00:00:00Z",),
        5: (f"+ run {dataset}, begin not known",),
        6: (f"- run {dataset}, begin not known", f"+ run {dataset}, begin 2018-02-01T00:00:00Z"),
        7: (f"+ panel {PANEL_B} (jungfrau)", f"+ {detector}"),
        8: (f"- {detector}",),
        9: (f"- alias M068 of {PANEL_A}",),
        10: ("+ tag done: revision 9",),
    }
    assert [revision.revision for revision in log] == list(range(10, 0, -1)), "the newest first"

    def revisions_of(target: str, as_of: int | None = None) -> list[int]:
        return [revision.revision for revision in registry.log(target, as_of=as_of)]

    assert revisions_of(PANEL_A) == [9, 8, 7, 4, 3, 2, 1]
    assert revisions_of(PANEL_B) == [8, 7]
    assert revisions_of(f"{PANEL_A}_{PANEL_B}") == revisions_of(PANEL_A)
    assert revisions_of("M068", as_of=7) == revisions_of(PANEL_A, as_of=7) == [7, 4, 3, 2, 1]
    assert revisions_of("M068") == revisions_of(PANEL_A), (
        "also what happened before the M-number was withdrawn"
    )
    with assert_refused(NotFoundError, alias="M069", near=[]):
        registry.log("M069")
    with assert_refused(NotFoundError, panels=[PANEL_B], near=[PANEL_A]):
        registry.log(PANEL_B, as_of=6)
    with assert_refused(NotFoundError, panels=[NEW_A]):
        registry.log(NEW_A)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_every_answer_stays_what_it_was_as_of_a_revision(registry: Registry, tmp_path: Path) -> None:
    one, other = (write_panel_folder(tmp_path / str(seed), seed) for seed in (1, 2))
    dataset = "exp=xcsls3716:run=631"
    location = ("xcsls3716", SOURCE)
    gain, start = ["gain"], "20180101000000"
    why = {"comment": "mended"}
    questions: list[Callable[..., Any]] = [
        registry.log,
        registry.panels.list,
        registry.aliases.list,
        lambda as_of: registry.aliases.list(as_of=as_of, withdrawn=True),
        registry.versions.list,
        lambda as_of: registry.versions.list(as_of=as_of, withdrawn=True),
        lambda as_of: registry.versions.show(1, as_of=as_of),
        lambda as_of: registry.validity("M068", as_of=as_of),
        lambda as_of: registry.validity("M068", at=start, as_of=as_of),
        lambda as_of: registry.validity(PANEL_A, kinds=gain, at="20180601000000", as_of=as_of),
        registry.runs.list,
        lambda as_of: registry.runs.show(dataset, as_of=as_of),
        registry.detectors.list,
        lambda as_of: registry.detectors.show(dataset, as_of=as_of),
        lambda as_of: registry.identify(one / "g0_gain.npy", as_of=as_of),
    ]

    def answers(as_of: int | None) -> list[Any]:
        outcomes = []
        for question in questions:
            try:
                outcomes.append(question(as_of=as_of))
            except RegistryError as refusal:
                outcomes.append((type(refusal), str(refusal)))
        return outcomes

    then = []
    for act in (
        lambda: registry.panels.add(PANEL_A, alias="M068"),
        lambda: registry.versions.add(PANEL_A, one, valid_from=start),
        lambda: registry.panels.add(NEW_A, alias="M068"),
        lambda: registry.versions.add("M068", other, valid_from="20180601000000", kinds=gain),
        lambda: registry.runs.add(dataset),
        lambda: registry.detectors.configure(*location, f"{PANEL_A}_{PANEL_B}", first_run=1),
        lambda: registry.runs.add(dataset, begin=start),
        lambda: registry.versions.add(PANEL_A, other, valid_from=start, kinds=gain, supersede=True, **why),
        lambda: registry.versions.gap(PANEL_A, valid_from="20180301000000", **why),
        lambda: registry.detectors.configure(*location, PANEL_B, first_run=600, supersede=True, **why),
        lambda: registry.runs.add(dataset, begin="20180102000000", supersede=True, **why),
        lambda: registry.versions.withdraw(3, **why),
        lambda: registry.aliases.withdraw("M068", PANEL_A, **why),
        lambda: registry.detectors.withdraw(*location, first_run=600, **why),
        lambda: registry.runs.withdraw(dataset, **why),
    ):
        assert act().revision == len(then) + 1
        then.append(answers(None))
    for number, answer in enumerate(then, start=1):
        for index, (now, before) in enumerate(zip(answers(number), answer, strict=True)):
            assert now == before, (number, index)
