"""Panels and the M-numbers that they bear: recorded once, refused where they contradict what is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.api import Registry
from registry.errors import ConflictError, IdentifierError, NotFoundError, Remedy, RequestError
from registry.records import Alias, Panel
from registry.registration.aliases import add_aliases
from registry.registration.borne_ranges import AliasStatement
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels


def test_a_panel_is_recorded_once(registry: Registry) -> None:
    added = registry.panels.add(PANEL_A, comment="from the first delivery")
    assert (added.revision, added.facts) == (1, (f"+ panel {PANEL_A} (jungfrau)",))
    again = registry.panels.add(PANEL_A)
    assert (again.revision, again.facts) == (None, ())
    assert registry.panels.list() == [Panel(PANEL_A, None, "jungfrau", recorded_in=1)]
    assert [(entry.revision, entry.comment) for entry in registry.log()] == [(1, "from the first delivery")]


def test_a_panel_is_recorded_with_its_m_number_or_receives_it_later(registry: Registry) -> None:
    both = registry.panels.add(PANEL_A, alias="M068")
    assert both.facts == (f"+ panel {PANEL_A} (jungfrau)", f"+ alias M068 of {PANEL_A}")
    assert registry.panels.add(PANEL_A, alias="M068").revision is None
    assert registry.panels.add(PANEL_A).revision is None, "saying less takes nothing away"

    registry.panels.add(PANEL_B)
    later = registry.panels.add(PANEL_B, alias="M088")
    assert (later.revision, later.facts) == (3, (f"+ alias M088 of {PANEL_B}",))
    assert registry.aliases.list() == [
        Alias("M068", PANEL_A, recorded_in=1, withdrawn_in=None),
        Alias("M088", PANEL_B, recorded_in=3, withdrawn_in=None),
    ]
    assert registry.panels.find(PANEL_B) == Panel(PANEL_B, "M088", "jungfrau", recorded_in=2)


def test_a_name_that_is_not_canonical_is_refused_wherever_it_is_given(
    registry: Registry, tmp_path: Path
) -> None:
    upper, canonical = "170505-149520170815-3D00B0", PANEL_A
    for call in (
        lambda: registry.panels.add(upper),
        lambda: registry.panels.find(upper),
        lambda: registry.aliases.add("M068", [upper]),
        lambda: registry.aliases.withdraw("M068", upper, comment="no"),
        lambda: registry.versions.add(upper, tmp_path, valid_from="beginning"),
        lambda: registry.versions.gap(upper, valid_from="beginning", comment="no"),
        lambda: registry.validity(upper),
        lambda: registry.log(upper),
    ):
        with assert_refused(IdentifierError, canonical=canonical):
            call()
    for name, named in {
        "170505-149520170815-03d00b0": f"write {canonical}",
        "170505-149520170815-": "write 170505-149520170815-0",
        "../../etc/passwd": "'../../etc/passwd'",
        "170505-149520170815-3d00b0\n": "hexadecimal",
        "1" * 10_000: "(10000 characters)",
        "1-2-" + "f" * 10_000: "64 bits",
        f"{PANEL_A}_{PANEL_B}": PANEL_B,
        "": "''",
    }.items():
        with assert_refused(IdentifierError, named) as caught:
            registry.panels.add(name, alias="M068")
        assert len(str(caught.value)) < 400
        assert str(caught.value).isprintable()
    for alias in ("m68", "M68", "M0068"):
        with assert_refused(IdentifierError, canonical="M068"):
            registry.panels.add(PANEL_A, alias=alias)
    with assert_refused(IdentifierError):
        registry.panels.add(PANEL_A, alias="")
    assert registry.log() == []
    assert registry.panels.list() == []


def test_an_m_number_is_given_to_known_panels_only(registry: Registry) -> None:
    registry.panels.add(PANEL_A)
    with assert_refused(NotFoundError, PANEL_A, problems=2, panels=[NEW_A, PANEL_C]):
        registry.aliases.add("M068", [PANEL_A, NEW_A, PANEL_C])
    with assert_refused(NotFoundError, PANEL_B, PANEL_A):
        registry.aliases.add("M088", [PANEL_B])
    assert registry.aliases.list() == []
    assert len(registry.log()) == 1


def test_a_panel_bears_one_m_number_and_a_serial_number_belongs_to_one(registry: Registry) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(NEW_A)
    registry.panels.add(PANEL_B)
    for call in (
        lambda: registry.panels.add(PANEL_A, alias="M088"),
        lambda: registry.aliases.add("M088", [PANEL_A]),
    ):
        with assert_refused(ConflictError, PANEL_A, "M068", "M088", problems=1):
            call()
    with assert_refused(ConflictError, NEW_A, "M088", PANEL_A, "M068", problems=1):
        registry.aliases.add("M088", [NEW_A])
    with assert_refused(ConflictError, problems=2):
        registry.aliases.add("M088", [PANEL_B, PANEL_A, NEW_A])
    never_met = "180101-149520170815-3d00b0"
    with assert_refused(ConflictError, never_met, PANEL_A):
        registry.panels.add(never_met, alias="M088")
    assert [panel.panel for panel in registry.panels.list()] == [PANEL_A, NEW_A, PANEL_B]
    assert [alias.panel for alias in registry.aliases.list()] == [PANEL_A], (
        "not even the good ones of a batch"
    )
    assert len(registry.log()) == 3

    assert registry.aliases.add("M068", [NEW_A, NEW_A, PANEL_A]).facts == (f"+ alias M068 of {NEW_A}",)


def test_a_batch_of_aliases_that_contradicts_itself_is_refused_as_a_whole(registry: Registry) -> None:
    for panel in (PANEL_A, NEW_A, PANEL_B):
        registry.panels.add(panel)
    for pairs, names in (
        ([("M088", PANEL_B), ("M068", PANEL_B)], (PANEL_B, "M088", "M068")),
        ([("M088", PANEL_B), ("M068", PANEL_A), ("M044", NEW_A)], (NEW_A, "M044", PANEL_A, "M068")),
    ):
        with assert_refused(ConflictError, *names, problems=1):
            statements = [AliasStatement(*pair) for pair in pairs]
            registry._backend.record_revision(
                lambda change, statements=statements: add_aliases(change, statements)
            )
    assert registry.aliases.list() == []
    assert len(registry.log()) == 3


def test_a_panel_that_gets_an_m_number_later_inherits_nothing(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    folder = write_panel_folder(tmp_path / "M068", kinds=["gain"])
    registry.versions.add("M068", folder, valid_from="beginning", kinds=["gain"])
    registry.panels.add(NEW_A)
    registry.aliases.add("M068", [NEW_A])
    assert {version.panel for version in registry.validity("M068").versions} == {PANEL_A}
    assert registry.versions.list(NEW_A) == []
    validity = registry.validity("M068", kinds=["gain"], at="20180101000000")
    assert [version.panel for version in validity.versions] == [PANEL_A]
    (sentence,) = validity.without
    assert all(name in sentence for name in ("gain", NEW_A, "2018-01-01T00:00:00Z"))


def test_an_m_number_is_withdrawn_once_and_may_be_given_again(registry: Registry) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(NEW_A, alias="M068")
    with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        registry.aliases.withdraw("M068", PANEL_A, comment=" ")
    with assert_refused(NotFoundError, PANEL_A, "M069", "M068"):
        registry.aliases.withdraw("M069", PANEL_A, comment="mixed up")
    with assert_refused(NotFoundError, PANEL_B, PANEL_A):
        registry.aliases.withdraw("M068", PANEL_B, comment="mixed up")
    assert len(registry.log()) == 2

    outcome = registry.aliases.withdraw("M068", PANEL_A, comment="mixed up")
    assert (outcome.revision, outcome.facts) == (3, (f"- alias M068 of {PANEL_A}",))
    assert registry.panels.find(PANEL_A).alias is None
    assert [alias.panel for alias in registry.aliases.list()] == [NEW_A]
    with assert_refused(ConflictError, "M068", PANEL_A, withdrawn_in=3):
        registry.aliases.withdraw("M068", PANEL_A, comment="again")
    with assert_refused(ConflictError, NEW_A):
        registry.aliases.add("M088", [PANEL_A])

    assert registry.aliases.add("M068", [PANEL_A]).revision == 4
    assert registry.aliases.withdraw("M068", PANEL_A, comment="and off again").revision == 5
    registry.aliases.withdraw("M068", NEW_A, comment="the other one too")
    with assert_refused(NotFoundError, "M068"):
        registry.validity("M068")
    assert registry.aliases.add("M088", [PANEL_A, NEW_A]).revision == 7, "the serial number is free now"


def test_panels_and_aliases_are_shown_as_of_a_revision(registry: Registry) -> None:
    registry.panels.add(PANEL_A)
    registry.aliases.add("M068", [PANEL_A])
    registry.panels.add(PANEL_B, alias="M088")
    registry.aliases.withdraw("M068", PANEL_A, comment="mixed up")
    registry.aliases.add("M069", [PANEL_A])
    answers = [
        {panel.panel: panel.alias for panel in registry.panels.list(as_of=number)} for number in range(1, 6)
    ]
    assert answers == [
        {PANEL_A: None},
        {PANEL_A: "M068"},
        {PANEL_A: "M068", PANEL_B: "M088"},
        {PANEL_A: None, PANEL_B: "M088"},
        {PANEL_A: "M069", PANEL_B: "M088"},
    ]
    assert registry.panels.find(PANEL_A, as_of=3).alias == "M068"
    with assert_refused(NotFoundError, PANEL_B):
        registry.panels.find(PANEL_B, as_of=2)
    with assert_refused(NotFoundError, "M068", "M088"):
        registry.validity("M068", as_of=4)
    assert registry.validity("M068", as_of=3).versions == ()
    assert registry.aliases.list(as_of=1) == []
    mixed_up = Alias("M068", PANEL_A, recorded_in=2, withdrawn_in=None)
    assert mixed_up in registry.aliases.list(as_of=3)
    assert mixed_up in registry.aliases.list(as_of=3, withdrawn=True), "it was not withdrawn yet"
    assert mixed_up not in registry.aliases.list(as_of=4)
    assert Alias("M068", PANEL_A, 2, withdrawn_in=4) in registry.aliases.list(withdrawn=True)


def test_a_dry_run_shows_what_the_real_run_records_and_records_nothing(registry: Registry) -> None:
    registry.panels.add(NEW_A)
    for act in (
        lambda dry_run: registry.panels.add(PANEL_A, alias="M068", dry_run=dry_run),
        lambda dry_run: registry.aliases.add("M068", [PANEL_A, NEW_A], dry_run=dry_run),
        lambda dry_run: registry.aliases.withdraw("M068", NEW_A, comment="no", dry_run=dry_run),
    ):
        before = registry.panels.list(), registry.aliases.list(withdrawn=True), registry.log()
        dry = act(True)
        assert (registry.panels.list(), registry.aliases.list(withdrawn=True), registry.log()) == before
        real = act(False)
        assert dry.dry_run
        assert dry.revision is None
        assert (dry.facts, dry.notes) == (real.facts, real.notes)
        assert real.facts == registry.log()[0].changes
    with pytest.raises(ConflictError):
        registry.panels.add(PANEL_A, alias="M088", dry_run=True)
    assert len(registry.log()) == 4
