"""Seals: every revision is as it was sealed, and whatever is edited behind the guards is found, with its revision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harnesses.tampering import tamper
from registry.database import seal_text
from registry.database.engine import make_engine
from registry.errors import RequestError
from registry.heads import HeadFile, StoreHead, parse_head
from registry.lookup.broken_seals import find_broken_seals
from registry.lookup.sealed_rows import SealedRows
from registry.parallel import no_progress
from registry.records import Problem, Verification
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import DATABASES, RegistryFactory, RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused
from tests.selection import repeat_first

pytestmark = pytest.mark.small_panels

SOURCE = "XcsEndstation.0:Jungfrau.0"
EARLY, LATE = "2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


def fill(location: RegistryLocation, folder: Path) -> None:
    """Record something of every table in revisions 1 to 10; exports 1 and 2 come before revision 10, 3 after it."""
    with location.open() as registry:
        registry.set_timezone("America/Los_Angeles", comment="the beamline's")  # 1
        registry.panels.add(PANEL_A, alias="M068")  # 2
        registry.panels.add(PANEL_B)  # 3
        for seed, panel in enumerate((PANEL_A, PANEL_B)):  # 4, 5
            arrays = write_panel_folder(folder / panel, seed)
            registry.versions.add(
                panel, arrays, valid_from=EARLY, kinds=["gain", "offset"], comment="émile ☃"
            )
        registry.runs.add("exp=xcsls3716:run=1", begin=LATE)  # 6
        registry.detectors.configure("xcsls3716", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)  # 7
        registry.export(PANEL_A, folder / "one", at=LATE)
        registry.versions.gap(PANEL_B, valid_from=LATE, kinds=["gain"], comment="warm")  # 8
        registry.export(PANEL_A, folder / "two", at=LATE)
        registry.versions.withdraw(5, comment="it was not")  # 9
        registry.tags.add("publication")  # 10
        registry.export("exp=xcsls3716:run=1", folder / "three")


@pytest.fixture(scope="module", params=DATABASES)
def template(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _panel_shape: None
) -> tuple[RegistryFactory, RegistryLocation]:
    factory: RegistryFactory = request.getfixturevalue(f"{request.param}_factory")
    location = factory.make(request.param, tmp_path_factory.mktemp("filled"))
    fill(location, tmp_path_factory.mktemp("arrays"))
    return factory, location


@pytest.fixture(scope="module")
def unguarded(
    template: tuple[RegistryFactory, RegistryLocation], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.Engine]:
    """An engine of a copy without triggers, on which foreign keys are not checked."""
    factory, location = template
    copy = factory.copy(location, tmp_path_factory.mktemp("unguarded"))
    engine = make_engine(copy.database)

    @sa.event.listens_for(engine, "connect")
    def switch_off(connection: Any, _record: object) -> None:
        connection.execute(
            "PRAGMA foreign_keys = OFF" if copy.is_sqlite else "SET session_replication_role = replica"
        )

    with engine.begin() as connection:
        if copy.is_sqlite:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            query = "SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger'"
        else:
            query = (
                "SELECT 'ALTER TABLE ' || tablename || ' DISABLE TRIGGER ALL' FROM pg_tables"
                " WHERE schemaname = 'public'"
            )
        for statement in connection.execute(sa.text(query)).scalars().all():
            connection.exec_driver_sql(statement)
    yield engine
    engine.dispose()
    if not copy.is_sqlite:
        factory.drop_database(copy.database)


@pytest.fixture
def filled(template: tuple[RegistryFactory, RegistryLocation], tmp_path: Path) -> Iterator[RegistryLocation]:
    factory, location = template
    copy = factory.copy(location, tmp_path)
    yield copy
    if not copy.is_sqlite:
        factory.drop_database(copy.database)


def verify(location: RegistryLocation, *heads: str) -> Verification:
    with location.open() as registry:
        return registry.verify(heads=heads)


def broken(location: RegistryLocation) -> list[Problem]:
    return [problem for problem in verify(location).problems if problem.revision is not None]


def read(location: RegistryLocation, statement: str) -> list[tuple[object, ...]]:
    engine = location.engine()
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]
    finally:
        engine.dispose()


EDITS: dict[str, tuple[tuple[str, ...], int | None, str]] = {
    # What is edited: the statements, the revision that is named, and what of it.
    "start dated back": (
        ("UPDATE version SET valid_from = valid_from - 1000000 WHERE id = 3",),
        5,
        "version",
    ),
    "comment": (("UPDATE version SET comment = 'as good as new' WHERE id = 1",), 4, "version"),
    "comment of a revision": (("UPDATE revision SET comment = 'x' WHERE number = 8",), 8, "revision"),
    "author": (("UPDATE revision SET author = 'somebody' WHERE number = 2",), 2, "revision"),
    "instant of a revision": (
        ("UPDATE revision SET recorded_at = recorded_at + 1 WHERE number = 2",),
        2,
        "revision",
    ),
    "start time of a run": (("UPDATE run SET begin_at = begin_at + 1",), 6, "run"),
    "whose constants": (
        ("UPDATE version SET constants_id = 4 - constants_id WHERE id IN (1, 3)",),
        4,
        "version",
    ),
    "alias": (("UPDATE alias SET m_number = 'M069'",), 2, "alias"),
    "panel": (("UPDATE panel SET serial_number = '3d00b9' WHERE id = 2",), 3, "panel"),
    "mark": (("UPDATE version SET nonfinite_allowed = (1 = 1) WHERE id = 2",), 4, "version"),
    "statistic": (("UPDATE blob SET median = median + 1e-9 WHERE recorded_in = 5",), 5, "blob"),
    "file of constants": (
        ("UPDATE constants_file SET gain_range = 7 WHERE gain_range = 2",),
        4,
        "constants_file",
    ),
    "place of a panel": (("UPDATE configuration_panel SET segment = position",), 7, "configuration_panel"),
    "runs of a configuration": (("UPDATE configuration SET last_run = 9",), 7, "configuration"),
    "time zone": (("UPDATE timezone SET name = 'Europe/Rome'",), 1, "timezone"),
    "tag": (("UPDATE tag SET revision = 8",), 10, "tag"),
    "withdrawal cleared": (("UPDATE version SET withdrawn_in = NULL",), 9, "withdrawn version (0 of 1 row)"),
    "withdrawal added": (("UPDATE alias SET withdrawn_in = 9",), 9, "withdrawn alias (1 of 0 rows)"),
    "withdrawal in the future": (("UPDATE alias SET withdrawn_in = 99",), 99, "withdrawn alias"),
    "fact of another revision": (
        ("UPDATE version SET recorded_in = 4 WHERE id = 4",),
        4,
        "version (3 of 2 rows)",
    ),
    "fact of revision 0": (("UPDATE version SET recorded_in = 0 WHERE id = 4",), 0, "version"),
    "fact of a negative revision": (("UPDATE version SET recorded_in = -9 WHERE id = 4",), -9, "version"),
    "fact of a future revision": (
        ("UPDATE version SET recorded_in = 2000000000 WHERE id = 4",),
        2000000000,
        "version",
    ),
    "fact removed": (("DELETE FROM version WHERE id = 2",), 4, "version (1 of 2 rows)"),
    "fact added": (
        ("INSERT INTO run (id, recorded_in, experiment, number) VALUES (2, 4, 'xcsls3716', 2)",),
        4,
        "run (1 of 0 rows)",
    ),
    "part without a parent": (
        ("INSERT INTO configuration_panel (configuration_id, position, panel_id) VALUES (9, 0, 1)",),
        None,
        "configuration_panel: 1 row ",
    ),
    "parent removed": (("DELETE FROM constants WHERE id = 2",), 4, "constants"),
    "revision removed": (("DELETE FROM revision WHERE number = 7",), 7, "revision (0 of 1 row)"),
    "everything of a revision removed": (
        (
            "DELETE FROM configuration_panel",
            "DELETE FROM configuration",
            "DELETE FROM seal WHERE revision = 7",
            "DELETE FROM revision WHERE number = 7",
        ),
        7,
        "revision 7 is missing",
    ),
    "seal removed": (("DELETE FROM seal WHERE revision = 7",), 7, "revision 7 has no seal"),
    "newest seal removed": (("DELETE FROM seal WHERE revision = 10",), 10, "revision 10 has no seal"),
    "seal altered": ((f"UPDATE seal SET digest = '{'0' * 64}' WHERE revision = 7",), 7, "the seal is not"),
    "text altered": (("UPDATE seal SET text = text || 'x' WHERE revision = 7",), 7, "its text"),
    "text of no form": (("UPDATE seal SET text = 'late' WHERE revision = 7",), 7, "the seal is not"),
    "text empty": (("UPDATE seal SET text = '' WHERE revision = 10",), 10, "the seal is not"),
    "text of another seal": (
        ("UPDATE seal SET text = (SELECT text FROM seal s WHERE s.revision = 6) WHERE revision = 7",),
        7,
        "its text",
    ),
    "seals exchanged": (
        (
            "UPDATE seal SET revision = -1 WHERE revision = 6",
            "UPDATE seal SET revision = 6 WHERE revision = 7",
            "UPDATE seal SET revision = 7 WHERE revision = -1",
        ),
        6,
        "revision 6",
    ),
    "seal of revision 0": (
        (f"INSERT INTO seal (revision, digest, text) VALUES (0, '{'0' * 64}', '')",),
        0,
        "there is no revision 0",
    ),
    "seal of the future": (
        (f"INSERT INTO seal (revision, digest, text) VALUES (99, '{'0' * 64}', '')",),
        11,
        "revisions 11 to 98 are missing",
    ),
    "seal later": (("UPDATE seal SET late = '{broken' WHERE revision = 7",), 7, "late (1 of 0 rows)"),
    "exports of a seal": (("UPDATE seal SET export = 1 WHERE revision = 9",), 9, "the exports until then"),
    "no exports of a seal": (
        ("UPDATE seal SET export = NULL WHERE revision = 9",),
        9,
        "the exports until then",
    ),
    "path of an export": (("UPDATE export_output SET path = 'x' WHERE export_id = 1",), 8, "export 1 is not"),
    "command of an export": (("UPDATE export SET command = 'x' WHERE id = 2",), 9, "export 2 is not"),
    "newest export": (("UPDATE export SET command = 'x' WHERE id = 3",), None, "export 3 is not"),
    "input of an export removed": (("DELETE FROM export_input WHERE export_id = 2",), 9, "export 2 is not"),
    "export removed": (
        (
            "DELETE FROM export_input WHERE export_id = 1",
            "DELETE FROM export_output WHERE export_id = 1",
            "DELETE FROM export WHERE id = 1",
        ),
        8,
        "export 1 is missing",
    ),
    "export removed with its link": (
        (
            "DELETE FROM export_input WHERE export_id = 1",
            "DELETE FROM export_output WHERE export_id = 1",
            "DELETE FROM export WHERE id = 1",
            "DELETE FROM export_seal WHERE export = 1",
        ),
        8,
        "export 1 is missing",
    ),
    "link removed": (("DELETE FROM export_seal WHERE export = 3",), None, "export 3 has no seal"),
    "links exchanged": (
        (
            "UPDATE export_seal SET export = -1 WHERE export = 1",
            "UPDATE export_seal SET export = 1 WHERE export = 2",
            "UPDATE export_seal SET export = 2 WHERE export = -1",
        ),
        8,
        "export 1 is not",
    ),
    "link altered": ((f"UPDATE export_seal SET link = '{'0' * 64}' WHERE export = 1",), 8, "does not follow"),
    "digest of an export": (
        (f"UPDATE export_seal SET digest = '{'0' * 64}' WHERE export = 1",),
        8,
        "export 1 is not",
    ),
    "link of export 0": (
        (f"INSERT INTO export_seal VALUES (0, '{'0' * 64}', '{'0' * 64}')",),
        8,
        "there is no export 0",
    ),
    "link of the future": (
        (f"INSERT INTO export_seal VALUES (2000000000, '{'0' * 64}', '{'0' * 64}')",),
        None,
        "exports 4 to 1999999999 are missing",
    ),
    "creation of the registry": (
        ("UPDATE registry SET created_at = created_at - 1",),
        0,
        "the registry is not",
    ),
    "lineage": (
        (f"INSERT INTO lineage VALUES (1, 4, 'loss', NULL, 'x', 3, '{'0' * 64}')",),
        4,
        "lineage (1 of 0 rows)",
    ),
}
_GARBAGE = "CAST(x'ff' AS TEXT)"
SQLITE_EDITS: dict[str, tuple[tuple[str, ...], int | None, str]] = {
    "start that is a text": (("UPDATE version SET valid_from = 'early' WHERE id = 1",), 4, "version"),
    "start that is a fraction": (("UPDATE version SET valid_from = 1.5 WHERE id = 1",), 4, "version"),
    "start that is infinite": (("UPDATE version SET valid_from = 9e999 WHERE id = 1",), 4, "version"),
    "text that is a blob": (("UPDATE version SET comment = x'00ff' WHERE id = 1",), 4, "version"),
    "text that is not UTF-8": ((f"UPDATE version SET comment = {_GARBAGE} WHERE id = 1",), 4, "version"),
    "text with a surrogate": (
        ("UPDATE version SET comment = CAST(x'eda080' AS TEXT) WHERE id = 1",),
        4,
        "version",
    ),
    "statistic that is a text": (("UPDATE blob SET median = 'x' WHERE recorded_in = 4",), 4, "blob"),
    "mark that is a text": (("UPDATE version SET nonfinite_allowed = 'x' WHERE id = 1",), 4, "version"),
    "mark that is 2": (("UPDATE version SET nonfinite_allowed = 2 WHERE id = 1",), 4, "version"),
    "revision that is a text": (
        ("UPDATE version SET recorded_in = 'x' WHERE id = 4",),
        5,
        "version (1 of 2 rows)",
    ),
    "revision that is a blob": (
        ("UPDATE version SET recorded_in = x'05' WHERE id = 4",),
        5,
        "version (1 of 2 rows)",
    ),
    "revision that is a fraction": (
        ("UPDATE version SET recorded_in = 5.5 WHERE id = 4",),
        5,
        "version (1 of 2 rows)",
    ),
    "revision that is huge": (
        (f"UPDATE version SET recorded_in = {2**62} WHERE id = 4",),
        5,
        "version (1 of 2 rows)",
    ),
    "withdrawn in a text": (("UPDATE version SET withdrawn_in = 'x' WHERE id = 5",), 9, "withdrawn version"),
    "seal that is a blob": (
        (
            "PRAGMA ignore_check_constraints = ON",
            "UPDATE seal SET digest = CAST(digest AS BLOB) WHERE revision = 7",
        ),
        7,
        "the seal is not",
    ),
    "text of a seal that is a blob": (
        ("UPDATE seal SET text = CAST(text AS BLOB) WHERE revision = 7",),
        7,
        "the seal",
    ),
    "text of a seal that is not UTF-8": (
        (f"UPDATE seal SET text = {_GARBAGE} WHERE revision = 7",),
        7,
        "the seal",
    ),
    "text of a seal that is a number": (("UPDATE seal SET text = 7 WHERE revision = 7",), 7, "the seal"),
    "export of a seal that is a text": (
        ("UPDATE seal SET export = 'x' WHERE revision = 9",),
        9,
        "the exports",
    ),
    "late seal that is a blob": (("UPDATE seal SET late = x'ff' WHERE revision = 7",), 7, "late"),
    "late seal that is not UTF-8": ((f"UPDATE seal SET late = {_GARBAGE} WHERE revision = 7",), 7, "late"),
    "link that is a number": (
        ("PRAGMA ignore_check_constraints = 1", "UPDATE export_seal SET link = 7 WHERE export = 1"),
        8,
        "export 1",
    ),
    "creation that is a text": (("UPDATE registry SET created_at = 'x'",), 0, "the registry is not"),
    "export that is a text": (
        ("UPDATE export_output SET export_id = 'x' WHERE export_id = 1",),
        8,
        "export 1 is not",
    ),
}


def test_a_registry_of_everything_is_as_it_was_sealed(filled: RegistryLocation) -> None:
    result = verify(filled)
    assert (result.problems, result.notes) == ((), ())
    ((seal,),) = read(filled, "SELECT digest FROM seal WHERE revision = 10")
    assert result.head == f"10:{seal}"


def find_broken(engine: sa.Engine, statements: Sequence[str]) -> list[tuple[int | None, str]]:
    """Return what is found after the statements, which are rolled back."""
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        named = find_broken_seals(connection, no_progress)
        connection.rollback()
    return [(one.revision, one.problem) for one in named]


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("name", EDITS)
def test_every_edit_behind_the_guards_is_found_with_its_revision(unguarded: sa.Engine, name: str) -> None:
    statements, revision, words = EDITS[name]
    named = find_broken(unguarded, statements)
    assert [one for one in named if one[0] == revision and words in one[1]], named
    assert len(named) <= 6
    assert find_broken(unguarded, ()) == []


@pytest.mark.parametrize(
    "name",
    repeat_first(["comment", "seal removed", "export removed", "links exchanged", "seal of the future"], 2),
)
def test_a_registry_with_an_edit_behind_the_guards_is_not_verified(
    filled: RegistryLocation, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements, revision, words = EDITS[name]
    tamper(filled, statements)
    result = Calreg(filled, monkeypatch)("verify", "--json")
    assert result.code == 6
    named = [(one["revision"], one["problem"]) for one in result.json["problems"]]
    assert [one for one in named if one[0] == revision and words in one[1]], named
    assert result.json["head"] is None


@pytest.mark.parametrize("name", SQLITE_EDITS)
def test_every_value_that_sqlite_takes_is_found_with_its_revision(
    template: tuple[RegistryFactory, RegistryLocation],
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory, location = template
    if not location.is_sqlite:
        pytest.skip("PostgreSQL keeps no value of another type")
    copy = factory.copy(location, tmp_path)
    statements, revision, words = SQLITE_EDITS[name]
    tamper(copy, statements)
    result = Calreg(copy, monkeypatch)("verify", "--json")
    assert result.code == 6
    named = [(problem["revision"], problem["problem"]) for problem in result.json["problems"]]
    assert [problem for problem in named if problem[0] == revision and words in problem[1]], named
    assert result.json["head"] is None


def set_head(location: RegistryLocation, committed: str, coming: str | None = None) -> None:
    head = StoreHead(parse_head(committed), None if coming is None else parse_head(coming))
    assert HeadFile(location.store).write(head)


def cut_tail(location: RegistryLocation, number: int) -> None:
    """Remove every trace of the revisions from this one on."""
    parts = {"configuration_panel": "configuration", "detector_name_panel": "detector_name"}
    owned = {
        part: f"{whole}_id IN (SELECT id FROM {whole} WHERE recorded_in >= {{0}})"
        for part, whole in parts.items()
    }
    facts = ("configuration", "detector_name", "run", "version", "alias", "timezone")
    tables = ("tag", *parts, *facts, "panel")
    tamper(
        location,
        (
            "DELETE FROM export_input",
            "DELETE FROM export_output",
            "DELETE FROM export",
            f"UPDATE seal SET export = NULL WHERE revision >= {number}",
            *(
                f"DELETE FROM {table} WHERE {owned.get(table, 'recorded_in >= {0}').format(number)}"
                for table in tables
            ),
            *(f"UPDATE {table} SET withdrawn_in = NULL WHERE withdrawn_in >= {number}" for table in facts),
            f"DELETE FROM seal WHERE revision >= {number}",
            "DELETE FROM export_seal",
            f"DELETE FROM revision WHERE number >= {number}",
        ),
    )


@pytest.mark.slow
def test_a_tail_that_was_cut_off_is_found_by_the_head_of_the_store(
    filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = verify(filled).head
    assert head is not None
    cut_tail(filled, 8)
    (problem,) = verify(filled).problems
    assert (problem.revision, problem.path) == (10, str(filled.store / "head.json"))
    assert head in problem.problem
    assert "7:" in problem.problem
    assert "tail was cut off" in problem.problem
    assert Calreg(filled, monkeypatch)("verify").code == 6
    # Who has quoted a head needs no store to know.
    (filled.store / "head.json").unlink()
    result = verify(filled)
    assert result.problems == ()
    assert len(result.notes) == 1
    (problem,) = verify(filled, head).problems
    assert problem.revision == 10


def reseal(location: RegistryLocation, number: int) -> None:
    """Seal a revision as it is now, as somebody would who owns the database."""
    ((text,),) = read(location, f"SELECT text FROM seal WHERE revision = {number}")
    engine = location.engine()
    with engine.connect() as connection:
        parts = dict(SealedRows(connection, lambda _=1: None).read_facts())[number]
    engine.dispose()
    lines = [
        line
        for line in str(text).splitlines()
        if line.split(" ")[0] in {"calreg", "number", "previous", "exports"}
    ]
    own = [f"{name} {digest}" for name, digest in sorted(parts.items()) if name != "revision"]
    lines[3:3] = [f"revision {parts['revision']}", *own]
    new = "".join(f"{line}\n" for line in lines)
    seal = seal_text.seal_text(new)
    tamper(location, (f"UPDATE seal SET text = '{new}', digest = '{seal}' WHERE revision = {number}",))


@pytest.mark.slow
def test_a_revision_that_was_sealed_again_is_found_by_the_next_one_the_newest_by_the_head_of_the_store(
    filled: RegistryLocation,
) -> None:
    head = verify(filled).head
    assert head is not None
    for number in (5, 10):
        before = broken(filled)
        tamper(filled, (f"UPDATE revision SET comment = 'better' WHERE number = {number}",))
        reseal(filled, number)
        named = [problem for problem in broken(filled) if problem not in before]
        assert [problem.revision for problem in named] == [number]
    assert "revision 6 follows another seal" in before[0].problem
    assert named[0].path == str(filled.store / "head.json")
    assert "the histories differ" in named[0].problem
    assert [problem.revision for problem in verify(filled, head).problems] == [5, 10, 10]


@pytest.mark.slow
def test_quoted_heads_are_looked_for_in_the_history(
    filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seals = {number: str(seal) for number, seal in read(filled, "SELECT revision, digest FROM seal")}
    quoted = [f"{number}:{seal}" for number, seal in seals.items()]
    assert verify(filled, *quoted, f"4:{seals[4][:16]}", f"4:{seals[4].upper()}").problems == ()
    absent = [f"4:{seals[5]}", f"11:{seals[10]}", f"0:{seals[1]}", f"9999999999:{seals[1]}"]
    problems = verify(filled, *quoted, *absent).problems
    assert [problem.revision for problem in problems] == [4, 11, 0, 9999999999]
    assert all(head in problem.problem for head, problem in zip(absent, problems, strict=True))
    for wrong in (
        "4",
        "4:",
        f"4:{seals[4][:15]}",
        f":{seals[4]}",
        f"-4:{seals[4]}",
        f"4:{seals[4]}0",
        "pub",
        "4:" + "g" * 64,
    ):
        with assert_refused(RequestError, head=wrong):
            verify(filled, wrong)
    calreg = Calreg(filled, monkeypatch)
    assert (
        calreg.run("verify", "--head", quoted[0], "--head", quoted[1]).stdout.splitlines()[1]
        == f"head {quoted[-1]}"
    )
    assert calreg("verify", "--head", absent[0]).code == 6
    calreg.assert_refused(2, "verify", "--head", "4")


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_the_head_of_the_store_is_compared_with_the_history(filled: RegistryLocation) -> None:
    seals = {number: str(seal) for number, seal in read(filled, "SELECT revision, digest FROM seal")}
    other, path = "0" * 64, filled.store / "head.json"
    newest, earlier = f"10:{seals[10]}", f"4:{seals[4]}"
    for committed, coming, revision, notes in (
        (newest, None, None, 0),
        (earlier, None, None, 0),  # somebody recorded who may not write the store
        (newest, f"11:{other}", None, 1),
        (earlier, f"5:{seals[5]}", None, 0),
        (earlier, f"5:{other}", 5, 0),
        (f"4:{other}", None, 4, 0),
        (f"11:{other}", None, 11, 0),
    ):
        set_head(filled, committed, coming)
        result = verify(filled)
        assert [(problem.revision, problem.path) for problem in result.problems] == (
            [(revision, str(path))] if revision else []
        )
        assert len(result.notes) == notes
    path.write_bytes(b"")  # a power cut: as if it were missing
    assert (verify(filled).problems, len(verify(filled).notes)) == ((), 1)
    for damaged in (
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 1, "committed": {"number": 9999999999, "seal": "00"}}',
        b"[" * 9999,
    ):
        path.write_bytes(damaged)
        (problem,) = verify(filled).problems
        assert problem.path == str(path)
        assert path.read_bytes() == damaged


@pytest.mark.slow
def test_a_standby_that_lags_behind_is_noted(
    template: tuple[RegistryFactory, RegistryLocation], filled: RegistryLocation
) -> None:
    if filled.is_sqlite:
        pytest.skip("SQLite has no standby")
    set_head(filled, f"11:{'0' * 64}")
    tamper(
        filled,
        (
            "CREATE SCHEMA standby",
            "CREATE FUNCTION standby.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        ),
    )
    url = sa.make_url(filled.database).update_query_dict(
        {"options": "-c search_path=public,standby,pg_catalog"}
    )
    standby = RegistryLocation(url.render_as_string(hide_password=False), filled.store)
    result = verify(standby)
    assert result.problems == ()
    assert len(result.notes) == 1
    assert "standby" in result.notes[0]
    assert len(verify(filled).problems) == 1


@pytest.mark.slow
def test_a_moved_registry_and_a_snapshot_may_be_behind_the_head_of_their_store(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    fill(sqlite_location, tmp_path / "arrays")
    snapshot = RegistryLocation(f"sqlite:///{tmp_path / 'snapshot.sqlite'}", sqlite_location.store)
    with sqlite_location.open() as registry:
        registry.snapshot(tmp_path / "snapshot.sqlite", as_of=8, store=sqlite_location.store)
    result = verify(snapshot)
    assert result.problems == ()
    assert len(result.notes) == 1
    assert result.head is not None
    assert result.head.startswith("8:")


def test_an_export_that_no_snapshot_leaves_out_is_missed_whatever_the_closure_says(
    filled: RegistryLocation,
) -> None:
    closure = (
        "INSERT INTO closure (number, reason, place, closed_at, author, host, command, software)"
        " VALUES (7, 'snapshot', 'p', 0, 'a', 'h', 'c', 's')"
    )
    tables = ("export_output", "export_input", "export")
    tamper(filled, (*(f"DELETE FROM {table}" for table in tables), closure))
    assert any("export 1 is missing" in problem.problem for problem in broken(filled))
