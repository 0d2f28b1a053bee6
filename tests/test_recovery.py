"""A database that was put back to an earlier state goes on beside its store, once somebody says what is lost."""

from __future__ import annotations

import pytest

from registry.errors import ConflictError, Remedy, RequestError
from registry.heads import Head, HeadFile, StoreHead
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.heads import (
    PANELS,
    Copy,
    head_of,
    list_broken_seals,
    read_chain,
    read_state,
    record,
    record_and_die,
)
from tests.refusals import assert_refused
from tests.selection import repeat_first

COMMENT = "the disk of the database was replaced"


@pytest.fixture
def old(location: RegistryLocation, copy_database: Copy) -> RegistryLocation:
    """A copy of the database at revision 1; the store is at revision 3."""
    record(location, 0)
    copy = copy_database(location)
    record(location, 1, 2)
    return copy


def test_a_database_that_was_put_back_goes_on_without_the_lost_head(
    location: RegistryLocation, old: RegistryLocation
) -> None:
    lost = head_of(location)
    with old.open() as registry:
        outcome = registry.recover(str(lost), comment=COMMENT)
        assert outcome.revision == 2
        assert list(outcome.facts) == [f"+ revisions after 1 up to the head {lost} were lost"]
        assert registry.log()[0].comment == COMMENT
    assert list_broken_seals(old) == []
    assert read_state(old) == StoreHead(head_of(old))
    record(old, 3)
    with (
        location.open() as registry,
        assert_refused(ConflictError, head_of(old), remedy=Remedy.USE_LIVE_DATABASE),
    ):
        registry.panels.add(PANELS[4])


@pytest.mark.sqlite_suffices
def test_a_recovery_is_tried_before_it_is_made(location: RegistryLocation, old: RegistryLocation) -> None:
    state = read_state(location)
    with old.open() as registry:
        assert registry.recover(str(state.committed), comment=COMMENT, dry_run=True).dry_run
    assert read_state(location) == state
    assert len(read_chain(old)) == 1
    record(location, 3)


def test_only_the_head_of_the_store_is_lost(location: RegistryLocation, old: RegistryLocation) -> None:
    state, chain = read_state(location), read_chain(location)
    with old.open() as registry:
        for wrong in (Head(2, chain[2]), Head(3, "ab" * 32), head_of(old)):
            with assert_refused(ConflictError, state.committed, store=str(state.committed)):
                registry.recover(str(wrong), comment=COMMENT)
        for text in (str(state.committed)[:30], "3", "newest", ""):
            with assert_refused(RequestError):
                registry.recover(text, comment=COMMENT)
        with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
            registry.recover(str(state.committed), comment=" ")
    assert len(read_chain(old)) == 1
    assert read_state(location) == state


def test_a_live_database_has_lost_nothing(location: RegistryLocation) -> None:
    record(location, 0)
    head = head_of(location)
    with location.open() as registry, assert_refused(ConflictError, head):
        registry.recover(str(head), comment=COMMENT)
    (location.store / "head.json").unlink()
    with location.open() as registry, assert_refused(ConflictError, head):
        registry.recover(str(head), comment=COMMENT)
    assert len(read_chain(location)) == 1


def test_a_database_with_other_revisions_recovers_from_them(
    location: RegistryLocation, copy_database: Copy
) -> None:
    record(location, 0)
    copy = copy_database(location)
    record(location, 1)
    lost = head_of(location)
    (location.store / "head.json").unlink()
    record(copy, 2, 3)
    HeadFile(location.store).write(StoreHead(lost))
    with copy.open() as registry:
        outcome = registry.recover(str(lost), comment=COMMENT)
        assert list(outcome.facts) == [f"+ another history up to the head {lost} was lost"]
    assert list_broken_seals(copy) == []


@pytest.mark.parametrize(
    "place", repeat_first(["after the commit", "before the commit", "while the head is written"])
)
def test_a_recovery_that_is_killed_is_repeated_or_was_made(
    location: RegistryLocation, old: RegistryLocation, place: str
) -> None:
    lost = head_of(location)
    record_and_die(old, 0, place, lost=str(lost))
    if place == "after the commit":
        record(old, 3)
    else:
        with assert_refused(ConflictError, lost):
            record(old, 3)
        with old.open() as registry:
            registry.recover(str(lost), comment=COMMENT)
            registry.panels.add(PANELS[3])
    assert read_state(old) == StoreHead(head_of(old))
    assert head_of(old).number == 3


@pytest.mark.sqlite_suffices
def test_a_recovery_that_is_made_again_is_found_done(
    location: RegistryLocation, old: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = str(head_of(location))
    record_and_die(old, 0, "after the commit", lost=lost)
    with old.open() as registry:
        for _ in range(2):
            again = registry.recover(lost, comment="killed")
            assert (again.revision, len(again.notes)) == (None, 1)
        with assert_refused(ConflictError):
            registry.recover(lost, comment="another reason")
        monkeypatch.setattr("registry.authorship._find_user_name", lambda: "somebody-else")
        with assert_refused(ConflictError):
            registry.recover(lost, comment="killed")
        assert registry.log()[0].revision == 2
        registry.panels.add(PANELS[3])


def test_the_live_database_goes_on_after_a_recovery_that_was_killed(
    location: RegistryLocation, old: RegistryLocation
) -> None:
    record_and_die(old, 0, "before the commit", lost=str(head_of(location)))
    record(location, 3)
    assert read_state(location) == StoreHead(head_of(location))


def test_the_command_line_recovers(
    location: RegistryLocation, old: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(old, monkeypatch)
    lost = str(head_of(location))
    advice = calreg("tag", "add", "spring").stderr
    assert f"calreg database recover --lost-head {lost} --comment TEXT" in advice
    assert calreg("database", "recover", "--lost-head", lost).code == 2
    calreg.assert_refused(2, "database", "recover", "--lost-head", lost[:40], "--comment", COMMENT)
    calreg.assert_refused(5, "database", "recover", "--lost-head", f"9:{'ab' * 32}", "--comment", COMMENT)
    assert lost in calreg.run("database", "recover", "--lost-head", lost, "--comment", COMMENT).stdout
    assert lost in calreg.run("log").stdout
    assert "note: " in calreg.run("database", "recover", "--lost-head", lost, "--comment", COMMENT).stderr
    calreg.assert_refused(5, "database", "recover", "--lost-head", lost, "--comment", "why")
    calreg.run("tag", "add", "spring")
