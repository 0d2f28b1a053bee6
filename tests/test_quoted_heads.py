"""Heads that people quote: the revision, and the seal that it must have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from registry import Head
from registry.api import Registry
from registry.cli.completion import complete
from registry.errors import ConflictError, CorruptionError, NotFoundError, RegistryError, Remedy, RequestError
from registry.heads import parse_head
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused
from tests.selection import keep_first
from tests.test_statements import record_statements

if TYPE_CHECKING:
    from tests.cli import Calreg

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

START = "2018-01-01T00:00:00Z"
LATER = "2019-01-01T00:00:00Z"
DATASET = "exp=xcsls3716:run=631"
SOURCE = "XcsEndstation.0:Jungfrau.0"
OTHER = "0123456789abcdef" * 4


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """Five revisions: two panels, constants of one of them, a run and its detector, and a tag."""
    folder = write_panel_folder(tmp_path / "one")
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, folder, valid_from=START)
    registry.runs.add(DATASET, begin=LATER)
    registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1)
    registry.tags.add("pub")
    return registry


def remove_seals(location: RegistryLocation, *numbers: int) -> None:
    """Remove seals behind the guards."""
    engine = location.engine()
    with engine.begin() as connection:
        guards: list[str] = []
        if location.is_sqlite:
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'seal'"
            for name, text in connection.execute(sa.text(query)).all():
                connection.execute(sa.text(f"DROP TRIGGER {name}"))
                guards.append(text)
        else:
            connection.execute(sa.text("ALTER TABLE seal DISABLE TRIGGER ALL"))
        for number in numbers:
            connection.execute(sa.text("DELETE FROM seal WHERE revision = :number"), {"number": number})
        for text in guards:
            connection.exec_driver_sql(text)
    engine.dispose()


def list_questions(registry: Registry, folder: Path) -> list[Callable[..., Any]]:
    """Return the methods that answer as of a revision."""
    lists = (
        registry.log,
        registry.panels.list,
        registry.aliases.list,
        registry.tags.list,
        registry.runs.list,
        registry.detectors.list,
        registry.versions.list,
        registry.exports.list,
    )
    return [
        *(lambda as_of, method=method: method(as_of=as_of) for method in lists),
        lambda as_of: registry.panels.find(PANEL_A, as_of=as_of),
        lambda as_of: registry.versions.show(1, as_of=as_of),
        lambda as_of: registry.versions.diff(1, 1, as_of=as_of),
        lambda as_of: registry.validity(PANEL_A, as_of=as_of),
        lambda as_of: registry.validity("M068", as_of=as_of),
        lambda as_of: registry.validity(PANEL_A, at=LATER, as_of=as_of).versions,
        lambda as_of: registry.runs.show(DATASET, as_of=as_of),
        lambda as_of: registry.detectors.show(DATASET, as_of=as_of),
        lambda as_of: registry.identify(folder / "one" / "g0_gain.npy", as_of=as_of),
        lambda as_of: registry.diff(DATASET, before=as_of, after=as_of),
        lambda as_of: registry.diff(DATASET, before=5, after=as_of),
        registry.list_affected_runs,
        lambda as_of: registry.list_affected_runs(1, as_of=as_of),
        lambda as_of: registry.constants(DATASET, as_of=as_of).provenance.resolution,
        lambda as_of: list(registry.iterate_changes(as_of)),
        registry.find_head,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("numbers", keep_first([(3,), (1, 2, 4, 5)]))
def test_a_head_names_its_revision_wherever_a_revision_is_named(
    filled: Registry, tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    seals = {number: filled.find_head(number).seal for number in numbers}
    for number, seal in seals.items():
        assert seal is not None
        for question in list_questions(filled, tmp_path):

            def ask(as_of: Any, question: Callable[..., Any] = question) -> Any:
                try:
                    return question(as_of)
                except RegistryError as refusal:
                    return type(refusal), str(refusal)

            answer = ask(number)
            quoted = (
                f"{number}:{seal}",
                f"{number}:{seal[:16]}",
                f"{number}:{seal.upper()}",
                Head(number, seal),
            )
            assert [ask(head) for head in quoted] == [answer] * len(quoted)
            with assert_refused(ConflictError, number, revision=number, seal=seal, quoted=OTHER):
                question(Head(number, OTHER))
            with assert_refused(NotFoundError, revision=6, newest=5):
                question(f"6:{seal}")


def test_the_head_is_the_newest_revision_with_its_seal(registry: Registry) -> None:
    empty = registry.head
    assert empty.number == 0
    assert registry.panels.list(as_of=empty) == registry.panels.list(as_of=str(empty)) == []
    outcome = registry.panels.add(PANEL_A)
    head = registry.head
    assert (head.number, head.seal) == (outcome.revision, outcome.seal)
    assert registry.log()[0].seal == head.seal
    assert parse_head(str(head)) == head
    assert registry.find_head(str(empty)) == empty
    assert registry.panels.list(as_of=head) == registry.panels.list()
    assert registry.group_affected_runs(empty).since == 0
    with assert_refused(ConflictError, 0, revision=0, seal=empty.seal, quoted=head.seal):
        registry.panels.list(as_of=f"0:{head.seal}")
    with assert_refused(NotFoundError, PANEL_A):
        registry.validity(PANEL_A, at=LATER, as_of=empty)


@pytest.mark.parametrize(
    "text",
    [
        "1:xyz",
        "1:",
        "1:0123456789abcde",
        f"1:{OTHER}0",
        f"12345678901:{OTHER}",
        f"1:{OTHER}\n",
        f"1: {OTHER}",
        "1:0123456789abcdeg",
        f"1:{OTHER[:16]}:",
        f"1:{OTHER[:16]}\0",
    ],
)
def test_what_begins_as_a_head_and_is_none_is_refused(registry: Registry, text: str) -> None:
    registry.panels.add(PANEL_A)
    with assert_refused(RequestError, head=text):
        registry.panels.list(as_of=text)
    with assert_refused(RequestError, head=text):
        registry.validity(PANEL_A, at=LATER, as_of=text)


def test_a_head_with_values_that_it_cannot_have_is_refused(registry: Registry) -> None:
    for head in (Head(-1, OTHER), Head(1, "xyz"), Head("one", OTHER), Head(1, 5)):  # type: ignore[arg-type]
        with pytest.raises(RequestError):
            registry.panels.list(as_of=head)


def test_a_look_up_as_of_a_head_takes_one_statement(filled: Registry) -> None:
    head = filled.find_head(3)
    for as_of in (head, str(head)):
        with record_statements(filled) as statements:
            assert len(filled.validity(PANEL_A, at=LATER, as_of=as_of).versions) == 2
        assert len(statements) == 1
        with record_statements(filled) as statements:
            assert len(filled.validity(PANEL_A, as_of=as_of).versions) == 2
        assert len(statements) == 1


@pytest.mark.on_both_databases
def test_a_tag_can_name_a_quoted_head_and_shows_its_seal(filled: Registry) -> None:
    head = filled.find_head(2)
    filled.tags.add("constants", as_of=head)
    assert {tag.tag: (tag.revision, tag.seal) for tag in filled.tags.list()} == {
        "constants": (2, head.seal),
        "pub": (4, filled.find_head(4).seal),
    }
    with assert_refused(ConflictError, 2, revision=2, quoted=OTHER):
        filled.tags.add("other", as_of=f"2:{OTHER}")
    assert [tag.tag for tag in filled.tags.list()] == ["constants", "pub"]


@pytest.mark.on_both_databases
def test_a_revision_without_a_seal_cannot_be_quoted(filled: Registry, location: RegistryLocation) -> None:
    remove_seals(location, 5)
    assert [revision.seal is None for revision in filled.log(limit=2)] == [True, False]
    assert filled.find_head(4).number == 4
    for question in (
        lambda: filled.head,
        lambda: filled.find_head(5),
        lambda: filled.log(as_of=f"5:{OTHER}"),
    ):
        with assert_refused(CorruptionError, 5, remedy=Remedy.SEAL_REVISION, revision=5):
            question()
    assert len(filled.validity(PANEL_A, at=LATER).versions) == 2, "what is valid is answered all the same"


def test_a_tag_from_before_there_were_seals_shows_that_of_its_revision(
    filled: Registry, location: RegistryLocation
) -> None:
    engine = location.engine()
    with engine.begin() as connection:
        off = "DROP TRIGGER tag_update" if location.is_sqlite else "ALTER TABLE tag DISABLE TRIGGER ALL"
        connection.execute(sa.text(off))
        connection.execute(sa.text("UPDATE tag SET seal = NULL"))
    engine.dispose()
    assert [tag.seal for tag in filled.tags.list()] == [filled.find_head(4).seal]


VERBS: tuple[tuple[str, ...], ...] = (
    ("validity", PANEL_A, "--at", LATER),
    ("validity", PANEL_A),
    ("panel", "list"),
    ("panel", "show", PANEL_A),
    ("alias", "list"),
    ("version", "list"),
    ("version", "show", "1"),
    ("run", "list"),
    ("run", "show", DATASET),
    ("detector", "list"),
    ("detector", "show", DATASET),
    ("exports",),
    ("tag", "list"),
    ("log",),
    ("log", "--head"),
    ("diff", DATASET),
    ("affected", "--since", "1"),
)


@pytest.mark.slow
@pytest.mark.parametrize("verbs", keep_first([VERBS[::5], VERBS]), ids=["some", "all"])
def test_the_command_line_prints_and_takes_heads(
    filled: Registry, calreg: Calreg, verbs: tuple[tuple[str, ...], ...]
) -> None:
    head = filled.head
    assert calreg.run("log", "--head").stdout == f"{head}\n"
    assert calreg.run("log", "--head", "--as-of", "pub").stdout == f"{filled.find_head('pub')}\n"
    assert calreg.run("log", "--head", "--json").json == {
        "revision": 5,
        "seal": head.seal,
        "head": str(head),
    }
    log = calreg.run("log", "--json").json
    assert [row["seal"] for row in log] == [filled.find_head(number).seal for number in (5, 4, 3, 2, 1)]
    assert f"seal {head.seal[:16]}" in calreg.run("log").stdout.splitlines()[0]
    assert max(map(len, calreg.run("tag", "list").stdout.splitlines())) < 80
    assert calreg.run("tag", "list", "--json").json[0]["seal"] == filled.find_head(4).seal
    for verb in verbs:
        number = calreg.run(*verb, "--as-of", "4")
        assert calreg.run(*verb, "--as-of", f"4:{filled.find_head(4).seal[:16]}") == number, verb
        assert calreg.assert_refused(5, *verb, "--as-of", f"4:{OTHER}")["quoted"] == OTHER
        assert calreg.assert_refused(3, *verb, "--as-of", f"9:{OTHER}")["newest"] == 5
        assert calreg.assert_refused(2, *verb, "--as-of", "4:xyz")["head"] == "4:xyz"
    for reference in (
        ("affected", "--since"),
        ("diff", DATASET, "--as-of", "1", "--against"),
        ("tag", "add", "x", "--as-of"),
    ):
        assert calreg.assert_refused(5, *reference, f"4:{OTHER}")["revision"] == 4
        assert calreg.assert_refused(3, *reference, f"9:{OTHER}")["revision"] == 9
        calreg.assert_refused(2, *reference, "4:xyz")
    for other in (("--limit", "1"), ("--before", "3"), (PANEL_A,)):
        calreg.assert_refused(2, "log", "--head", *other)


def test_the_head_of_an_empty_registry_is_printed_too(registry: Registry, calreg: Calreg) -> None:
    head = calreg.run("log", "--head").stdout.strip()
    assert head == str(registry.head)
    assert head.startswith("0:")
    assert calreg.run("panel", "list", "--as-of", head, "--json").json == []
    assert calreg.assert_refused(5, "panel", "list", "--as-of", f"0:{OTHER}")["seal"] == registry.head.seal


@pytest.mark.on_both_databases
def test_the_seal_of_a_quoted_revision_is_completed(
    filled: Registry, location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in location.environment.items():
        monkeypatch.setenv(name, value)

    def complete_head(prefix: str) -> list[str]:
        return [name.text for name in complete(["panel", "list", "--as-of"], prefix)[1]]

    head = str(filled.find_head(4))
    assert complete_head("4:") == complete_head(head[:9]) == [head]
    assert complete_head("4:zz") == complete_head("9:") == complete_head("0:") == complete_head("4") == []
    assert complete_head("p") == ["pub"]
