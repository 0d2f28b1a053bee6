"""A revision that raw SQL left without a seal: nothing is recorded after it until somebody seals it as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from registry.database.guards.installation import disable_guards
from registry.errors import ConflictError, CorruptionError, NotFoundError, Remedy, RequestError
from registry.heads import Head, HeadFile, StoreHead
from registry.lookup.sealed_rows import digest_revision, read_facts
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.copies import fill_registry
from tests.heads import PANELS, Copy, head_of, list_broken_seals, read_chain, read_state, record
from tests.refusals import assert_refused
from tests.selection import repeat_first_rows

COMMENT = "of a tool that was killed"


@contextmanager
def change_behind_guards(location: RegistryLocation) -> Iterator[sa.Connection]:
    engine = location.engine()
    with engine.begin() as connection, disable_guards(connection):
        yield connection
    engine.dispose()


def record_unsealed(location: RegistryLocation, number: int) -> None:
    """Record a tag by raw SQL."""
    with change_behind_guards(location) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO revision (number, recorded_at, author, host, command, software, comment)"
                " VALUES (:number, 1900000000000000, 'ana', 'lab', 'psql', 'none', 'raw')"
            ),
            {"number": number},
        )
        connection.execute(
            sa.text("INSERT INTO tag (name, revision, recorded_in) VALUES (:name, :number, :number)"),
            {"number": number, "name": f"raw{number}"},
        )


def test_an_unsealed_revision_is_sealed_as_it_is(location: RegistryLocation) -> None:
    record(location, 0)
    record_unsealed(location, 2)
    with location.open() as registry:
        with assert_refused(CorruptionError, 2, remedy=Remedy.SEAL_REVISION, revision=2):
            registry.panels.add(PANELS[2])
        assert list_broken_seals(location) == ["revision 2 has no seal"]
        outcome = registry.seal_revision(2, comment=COMMENT)
        assert (outcome.revision, outcome.seal) == (2, read_chain(location)[2])
        assert read_state(location) == StoreHead(head_of(location))
        registry.panels.add(PANELS[2])
    assert list_broken_seals(location) == []
    engine = location.engine()
    with engine.connect() as connection:
        text, late = connection.execute(sa.text("SELECT text, late FROM seal WHERE revision = 2")).one()
    engine.dispose()
    values = json.loads(late)
    assert sorted(values) == ["author", "command", "comment", "host", "sealed_at", "software"]
    assert late == json.dumps(values, sort_keys=True, separators=(",", ":"))
    assert values["comment"] == COMMENT
    line = hashlib.sha256(late.encode() + b"\n").hexdigest()
    assert text.endswith(f"late 1 {line}\n")
    assert hashlib.sha256(text.encode()).hexdigest() == outcome.seal


@pytest.mark.sqlite_suffices
def test_the_first_revision_is_sealed_late(location: RegistryLocation) -> None:
    record_unsealed(location, 1)
    with location.open() as registry:
        registry.seal_revision(1, comment=COMMENT)
        registry.panels.add(PANELS[1])
    assert list_broken_seals(location) == []


@pytest.mark.sqlite_suffices
def test_a_late_seal_that_was_edited_is_told_by_verify(location: RegistryLocation) -> None:
    record_unsealed(location, 1)
    with location.open() as registry:
        registry.seal_revision(1, comment=COMMENT)
    with change_behind_guards(location) as connection:
        connection.execute(sa.text("UPDATE seal SET late = replace(late, 'killed', 'paused')"))
    assert [problem for problem in list_broken_seals(location) if "late" in problem]


@pytest.mark.parametrize(
    ("number", "error_class"),
    repeat_first_rows([(1, ConflictError), (0, NotFoundError), (-1, NotFoundError), (3, NotFoundError)]),
)
def test_only_the_newest_revision_is_sealed_late(
    location: RegistryLocation, number: int, error_class: type[NotFoundError | ConflictError]
) -> None:
    record(location, 0)
    record_unsealed(location, 2)
    chain, state = read_chain(location), read_state(location)
    with location.open() as registry, assert_refused(error_class, number, revision=number):
        registry.seal_revision(number, comment=COMMENT)
    assert (read_chain(location), read_state(location)) == (chain, state)


def test_a_revision_that_has_a_seal_is_not_sealed_again(location: RegistryLocation) -> None:
    record(location, 0, 1)
    for number in (1, 2):
        with (
            location.open() as registry,
            assert_refused(ConflictError, number, seal=read_chain(location)[number]),
        ):
            registry.seal_revision(number, comment=COMMENT)


def test_a_seal_that_is_made_again_is_found_done(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_unsealed(location, 1)
    with location.open() as registry:
        registry.seal_revision(1, comment=COMMENT)
        chain = read_chain(location)
        again = registry.seal_revision(1, comment=COMMENT)
        assert (again.revision, len(again.notes)) == (None, 1)
        with assert_refused(ConflictError, seal=chain[1]):
            registry.seal_revision(1, comment="another reason")
        monkeypatch.setattr("registry.authorship._find_user_name", lambda: "somebody-else")
        with assert_refused(ConflictError, seal=chain[1]):
            registry.seal_revision(1, comment=COMMENT)
    assert read_chain(location) == chain


def test_a_revision_between_others_is_not_sealed(location: RegistryLocation) -> None:
    record_unsealed(location, 1)
    record_unsealed(location, 2)
    with location.open() as registry:
        with assert_refused(ConflictError, 1, 2, newest=2):
            registry.seal_revision(1, comment=COMMENT)
        with assert_refused(CorruptionError, 1, revision=1):
            registry.seal_revision(2, comment=COMMENT)
    assert read_chain(location) == {}


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("comment", ["", "  "])
def test_a_late_seal_needs_a_comment(location: RegistryLocation, comment: str) -> None:
    record_unsealed(location, 1)
    with location.open() as registry, assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        registry.seal_revision(1, comment=comment)
    assert read_chain(location) == {}


def test_a_stale_copy_seals_nothing(location: RegistryLocation, copy_database: Copy) -> None:
    record(location, 0)
    copy = copy_database(location)
    record(location, 1)
    record_unsealed(copy, 2)
    state = read_state(location)
    with (
        copy.open() as registry,
        assert_refused(ConflictError, state.committed, remedy=Remedy.USE_LIVE_DATABASE),
    ):
        registry.seal_revision(2, comment=COMMENT)
    assert len(read_chain(copy)) == 1
    assert read_state(location) == state


def test_a_revision_with_every_sort_of_row_is_digested_by_itself(
    location: RegistryLocation, small_panels: None, tmp_path: object
) -> None:
    with location.open() as registry:
        fill_registry(registry, tmp_path)  # type: ignore[arg-type]
    engine = location.engine()
    with engine.connect() as connection:
        for number, facts in read_facts(connection, lambda _rows=1: None):
            assert digest_revision(connection, number) == facts
    engine.dispose()


def test_the_command_line_seals_a_revision(calreg: Calreg, location: RegistryLocation) -> None:
    record_unsealed(location, 1)
    message = calreg("panel", "add", PANELS[1])
    assert (message.code, "calreg database seal 1 --comment" in message.stderr) == (6, True)
    calreg.assert_refused(2, "database", "seal", "1", "--comment", "")
    assert calreg("database", "seal", "1").code == 2
    calreg.assert_refused(3, "database", "seal", "2", "--comment", COMMENT)
    result = calreg.run("database", "seal", "1", "--comment", COMMENT)
    assert str(head_of(location)) in result.stdout
    assert "note: " in calreg.run("database", "seal", "1", "--comment", COMMENT).stderr
    assert calreg.assert_refused(5, "database", "seal", "1", "--comment", "why")["revision"] == 1
    calreg.run("panel", "add", PANELS[1])


def test_the_head_of_a_store_that_is_coming_is_resolved_by_a_late_seal(location: RegistryLocation) -> None:
    record(location, 0)
    HeadFile(location.store).write(StoreHead(head_of(location), Head(2, "ab" * 32)))
    record_unsealed(location, 2)
    with location.open() as registry:
        registry.seal_revision(2, comment=COMMENT)
    assert read_state(location) == StoreHead(head_of(location))
