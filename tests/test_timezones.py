"""The registry's own time zone: a fact, in which stamps are read unless the user says otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry import instants, schema
from registry.api import Registry, create_registry
from registry.api.backups import restore_registry
from registry.api.copies import copy_registry
from registry.api.export_verification import verify_export
from registry.api.stated_instants import state_start
from registry.authorship import build_signature
from registry.database.engine import make_engine
from registry.errors import (
    ConflictError,
    ImportHazardError,
    InstantError,
    NotFoundError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.timezones import find_zone
from testing.panels import NEW_A, PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision
from tests.cli import Calreg
from tests.copies import read_rows
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

LOS_ANGELES = "America/Los_Angeles"
STAMP, UTC_TEXT, LOS_ANGELES_TEXT = "20171025000000", "2017-10-25T00:00:00Z", "2017-10-25T07:00:00Z"
NOTE = f"{STAMP} is {LOS_ANGELES_TEXT} ({LOS_ANGELES})"
NOT_UTC_COMMENT = "the stamps of this beamline are local times"


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    return write_panel_folder(tmp_path / "arrays")


@pytest.fixture
def local_registry(registry: Registry) -> Registry:
    """A registry with its own time zone, and a panel."""
    registry.set_timezone(LOS_ANGELES)
    registry.panels.add(PANEL_A)
    return registry


def execute(location: RegistryLocation, statement: str) -> None:
    engine = make_engine(location.database)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


# The fact


def test_a_new_registry_has_utc_and_records_nothing(location: RegistryLocation) -> None:
    create_registry(location.database, location.store, timezone="UTC")
    with location.open() as registry:
        assert registry.timezone == "UTC"
        assert registry.log() == []


@pytest.mark.slow
def test_a_registry_is_created_with_its_time_zone_as_first_revision(tmp_path: Path) -> None:
    location = RegistryLocation.in_folder(tmp_path / "new")
    create_registry(location.database, location.store, timezone=LOS_ANGELES)
    with location.open() as registry:
        assert registry.timezone == LOS_ANGELES
        (revision,) = registry.log()
        assert (revision.revision, revision.changes) == (1, (f"+ time zone {LOS_ANGELES}",))
        assert registry.verify().problems == ()


def test_a_registry_that_holds_nothing_yet_gets_a_time_zone_without_a_comment(registry: Registry) -> None:
    outcome = registry.set_timezone(LOS_ANGELES)
    assert (outcome.revision, outcome.facts) == (1, (f"+ time zone {LOS_ANGELES}",))
    assert registry.timezone == LOS_ANGELES


def test_the_same_time_zone_again_is_no_change(location: RegistryLocation, registry: Registry) -> None:
    registry.set_timezone(LOS_ANGELES)
    assert registry.set_timezone(LOS_ANGELES).revision is None
    create_registry(location.database, location.store, timezone=LOS_ANGELES)
    assert len(registry.log()) == 1


def test_a_comment_without_a_time_zone_is_refused(location: RegistryLocation, calreg: Calreg) -> None:
    with assert_refused(RequestError, "time zone"):
        create_registry(location.database, location.store, comment=NOT_UTC_COMMENT)
    calreg.assert_refused(2, "init", "--comment", NOT_UTC_COMMENT)


@pytest.mark.slow
def test_another_time_zone_needs_a_comment_and_replaces_the_former(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A)
    for comment in (None, " "):
        with assert_refused(RequestError, "UTC", remedy=Remedy.GIVE_COMMENT):
            registry.set_timezone(LOS_ANGELES, comment=comment)
        with assert_refused(RequestError, "UTC", remedy=Remedy.GIVE_COMMENT):
            create_registry(location.database, location.store, timezone=LOS_ANGELES, comment=comment)
    assert (registry.timezone, len(registry.log())) == ("UTC", 1)
    create_registry(location.database, location.store, timezone=LOS_ANGELES, comment=NOT_UTC_COMMENT)
    assert registry.log()[0].changes == (f"+ time zone {LOS_ANGELES}",)
    assert registry.log()[0].comment == NOT_UTC_COMMENT
    outcome = registry.set_timezone("Europe/Zurich", comment="moved")
    assert outcome.facts == (f"- time zone {LOS_ANGELES}", "+ time zone Europe/Zurich")
    assert [note for note in outcome.notes if LOS_ANGELES in note and "Europe/Zurich" in note]
    registry.set_timezone("UTC", comment="moved again")
    assert registry.timezone == "UTC"
    assert registry.verify().problems == ()


def test_a_dry_run_changes_no_time_zone(registry: Registry) -> None:
    outcome = registry.set_timezone(LOS_ANGELES, dry_run=True)
    assert (outcome.revision, outcome.facts) == (None, (f"+ time zone {LOS_ANGELES}",))
    assert (registry.timezone, registry.log()) == ("UTC", [])


@pytest.mark.parametrize(
    "name", ["localtime", "right/America/Los_Angeles", "utc", "", "Mars/Olympus", "x" * 99]
)
def test_a_registry_is_not_created_with_a_name_that_is_not_a_zone_everywhere(
    tmp_path: Path, name: str
) -> None:
    location = RegistryLocation.in_folder(tmp_path / "new")
    with assert_refused(InstantError, timezone=name):
        create_registry(location.database, location.store, timezone=name)
    assert not location.folder.exists()


def test_such_a_name_is_refused_for_a_registry_and_a_session_too(
    location: RegistryLocation, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with assert_refused(InstantError, timezone="localtime"):
        registry.set_timezone("localtime", comment="here")
    for name in ("localtime", ""):
        with assert_refused(InstantError, timezone=name):
            location.open(timezone=name)
    monkeypatch.setenv("CALREG_TIMEZONE", "posixrules")
    with assert_refused(InstantError, timezone="posixrules"):
        location.open()
    assert registry.log() == []


def test_a_zone_that_this_machine_lacks_is_refused_by_name_where_a_stamp_is_read(
    location: RegistryLocation, registry: Registry, arrays: Path
) -> None:
    registry.set_timezone(LOS_ANGELES)
    registry.panels.add(PANEL_A)
    with record_raw_revision(location) as (connection, newest):
        row = {"id": 2, "recorded_in": newest, "name": "Mars/Olympus_Mons"}
        connection.execute(schema.timezone.insert(), row)
    assert registry.timezone == "Mars/Olympus_Mons"
    with assert_refused(UnavailableError, timezone="Mars/Olympus_Mons"):
        registry.versions.add(PANEL_A, arrays, valid_from=STAMP)
    with assert_refused(UnavailableError, timezone="Mars/Olympus_Mons"):
        registry.validity(PANEL_A, at=STAMP)
    assert registry.versions.add(PANEL_A, arrays, valid_from=UTC_TEXT).notes == ()
    with location.open(timezone=LOS_ANGELES) as chosen:
        assert str(chosen.validity(PANEL_A, at=STAMP).instant) == LOS_ANGELES_TEXT


# Reading stamps


WRITES: dict[str, Callable[[Registry, Path], Any]] = {
    "version add": lambda registry, arrays: registry.versions.add(PANEL_A, arrays, valid_from=STAMP),
    "version gap": lambda registry, _: registry.versions.gap(
        PANEL_A, valid_from=STAMP, kinds=["gain"], comment="broken"
    ),
    "panel add": lambda registry, _: registry.panels.add(NEW_A, carry_from=PANEL_A, valid_from=STAMP),
    "panel add --alias": lambda registry, _: registry.panels.add(NEW_A, alias="M068", alias_from=STAMP),
    "alias add": lambda registry, _: registry.aliases.add("M068", PANEL_A, valid_from=STAMP),
    "run add": lambda registry, _: registry.runs.add("exp=xcsls3716:run=1", begin=STAMP),
    "run add --end": lambda registry, _: registry.runs.add(
        "exp=xcsls3716:run=1", begin="2017-01-01T00:00:00Z", end=STAMP
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_write_reads_a_stamp_in_the_registrys_zone_and_says_so(
    local_registry: Registry, arrays: Path, write: Callable[[Registry, Path], Any]
) -> None:
    local_registry.versions.add(PANEL_A, arrays, valid_from="beginning")
    outcome = write(local_registry, arrays)
    assert NOTE in outcome.notes
    assert outcome.notes.count(NOTE) == 1
    assert [fact for fact in outcome.facts if LOS_ANGELES_TEXT in fact]


def test_a_text_with_its_offset_is_echoed_without_a_zone_and_one_in_utc_not_at_all(
    local_registry: Registry, arrays: Path
) -> None:
    add = local_registry.versions.add
    outcome = add(PANEL_A, arrays, valid_from="2017-10-25T00:00:00-0700")
    assert outcome.notes == (f"2017-10-25T00:00:00-0700 is {LOS_ANGELES_TEXT}",)
    again = add(PANEL_A, arrays, valid_from="2017-10-25T00:00:00-0700")
    assert (again.revision, again.notes) == (None, outcome.notes)
    assert add(PANEL_A, arrays, valid_from=UTC_TEXT).notes == ()
    assert add(PANEL_A, arrays, valid_from="beginning").notes == ()


def test_the_option_goes_before_the_environment_and_that_before_the_registry(
    location: RegistryLocation, local_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> str:
        with location.open() as registry:
            return registry.runs.add("exp=x1:run=1", begin=STAMP, dry_run=True).notes[0]

    assert read() == NOTE
    monkeypatch.setenv("CALREG_TIMEZONE", "Europe/Zurich")
    assert read() == f"{STAMP} is 2017-10-24T22:00:00Z (Europe/Zurich)"
    with location.open(timezone="UTC") as registry:
        assert registry.runs.add("exp=x1:run=1", begin=STAMP, dry_run=True).notes[0].endswith("(UTC)")
    monkeypatch.setenv("CALREG_TIMEZONE", "")
    assert read() == NOTE


def test_an_open_registry_reads_stamps_in_the_zone_that_another_process_has_recorded(
    location: RegistryLocation, registry: Registry, arrays: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, arrays, valid_from=UTC_TEXT)
    assert str(registry.validity(PANEL_A, at=STAMP).instant) == UTC_TEXT
    with location.open() as other:
        other.set_timezone(LOS_ANGELES, comment=NOT_UTC_COMMENT)
    answer = registry.validity(PANEL_A, at=STAMP)
    assert (str(answer.instant), answer.notes) == (LOS_ANGELES_TEXT, (NOTE,))
    assert registry.runs.add("exp=xcsls3716:run=1", begin=STAMP).notes == (NOTE,)


def test_a_write_reads_a_stamp_in_the_zone_that_its_own_transaction_sees(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A)
    stated = state_start(registry._backend, STAMP, any_time=False)
    assert str(stated.instant) == UTC_TEXT
    with location.open() as other:
        other.set_timezone(LOS_ANGELES, comment=NOT_UTC_COMMENT)
    with registry._backend.database.write_transaction(build_signature()) as change:
        assert str(stated.resolve(change)) == LOS_ANGELES_TEXT


def test_the_newest_zone_reads_the_stamps_of_a_question_as_of_an_earlier_revision(
    registry: Registry, arrays: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, arrays, valid_from=UTC_TEXT)
    registry.set_timezone(LOS_ANGELES, comment=NOT_UTC_COMMENT)
    assert str(registry.validity(PANEL_A, at=STAMP, as_of=2).instant) == LOS_ANGELES_TEXT


AS_OF_READS: dict[str, Callable[[Registry, str], Any]] = {
    "log": lambda registry, as_of: registry.log(as_of=as_of),
    "validity": lambda registry, as_of: registry.validity(PANEL_A, as_of=as_of),
    "validity at": lambda registry, as_of: registry.validity(PANEL_A, at=STAMP, as_of=as_of),
    "version list": lambda registry, as_of: registry.versions.list(as_of=as_of),
    "run list": lambda registry, as_of: registry.runs.list(as_of=as_of),
    "affected": lambda registry, as_of: registry.list_affected_runs(as_of),
    "diff": lambda registry, as_of: registry.diff(PANEL_A, before=as_of, at=STAMP),
    "tag add": lambda registry, as_of: registry.tags.add("spring", as_of=as_of),
    "export": lambda registry, as_of: registry.constants(PANEL_A, at=STAMP, as_of=as_of),
}


@pytest.mark.slow
@pytest.mark.parametrize("read", AS_OF_READS.values(), ids=AS_OF_READS)
def test_a_stamp_that_names_a_revision_is_read_in_the_registrys_zone(
    location: RegistryLocation, local_registry: Registry, read: Callable[[Registry, str], Any]
) -> None:
    in_its_zone = instants.parse_instant(LOS_ANGELES_TEXT)
    local_registry.panels.add(NEW_A)
    readings: list[str] = []
    with location.open(note=readings.append) as registry:
        try:
            notes = list(getattr(read(registry, STAMP), "notes", ()))
        except (NotFoundError, RequestError) as error:  # before the first revision nothing is known
            notes = [NOTE] if str(in_its_zone) in str(error) else []
    assert NOTE in [*readings, *notes]


def test_a_snapshot_as_of_a_stamp_reads_it_in_the_registrys_zone(
    location: RegistryLocation, local_registry: Registry, tmp_path: Path
) -> None:
    with location.open(note=(readings := []).append) as registry:
        registry.snapshot(tmp_path / "snapshot.sqlite", as_of=STAMP)
    assert NOTE in readings


@contextmanager
def _change_zone_meanwhile(location: RegistryLocation, description: str, total: int) -> Iterator[Any]:
    if description == "checking modules":
        with location.open() as other:
            other.set_timezone(LOS_ANGELES, comment=NOT_UTC_COMMENT)
    yield lambda _steps=1: None


def write_tree(folder: Path, stamp: str = STAMP) -> Path:
    write_panel_folder(folder / "M068")
    (folder / f"{PANEL_A}-{stamp}").symlink_to("M068")
    return folder


@pytest.mark.slow
def test_an_import_is_refused_if_the_zone_is_changed_while_it_reads_the_tree(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    tree = write_tree(tmp_path / "tree")

    def progress(description: str, total: int) -> Any:
        return _change_zone_meanwhile(location, description, total)

    with assert_refused(ConflictError, timezone=LOS_ANGELES):
        registry.import_tree(tree, progress=progress)
    assert registry.versions.list() == []
    outcome = registry.import_tree(tree)
    assert {str(version.valid_from) for version in outcome.versions} == {LOS_ANGELES_TEXT}


def test_an_import_in_another_zone_than_the_registrys_says_how_later_stamps_are_read(
    location: RegistryLocation, tmp_path: Path
) -> None:
    with location.open(timezone=LOS_ANGELES) as registry:
        outcome = registry.import_tree(write_tree(tmp_path / "tree"))
    assert {str(version.valid_from) for version in outcome.versions} == {LOS_ANGELES_TEXT}
    (note,) = [note for note in outcome.notes if LOS_ANGELES in note]
    assert "UTC, the registry's time zone" in note


def test_an_import_in_the_registrys_zone_names_it(local_registry: Registry, tmp_path: Path) -> None:
    outcome = local_registry.import_tree(write_tree(tmp_path / "tree"))
    assert {str(version.valid_from) for version in outcome.versions} == {LOS_ANGELES_TEXT}
    assert [note for note in outcome.notes if f"{LOS_ANGELES}, the registry's time zone" in note]
    assert local_registry.compare_tree(tmp_path / "tree").links == ()


def test_an_export_keeps_its_meaning_when_the_zone_is_changed(
    location: RegistryLocation, arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = "Pacific/Kiritimati"  # today's stamps there are tomorrow's in UTC
    present, minute = instants.now(), 60_000_000
    monkeypatch.setattr(instants, "now", lambda: instants.Instant(present - 30 * minute))
    with location.open() as registry:
        registry.set_timezone(zone)
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, arrays, valid_from=STAMP)
        monkeypatch.undo()
        as_of = instants.Instant(present - 20 * minute).datetime.replace(microsecond=0)
        stamp = as_of.astimezone(find_zone(zone)).strftime("%Y%m%d%H%M%S")
        export = registry.export(PANEL_A, tmp_path / "out", at="20180101000000", as_of=stamp)
        request = json.loads(Path(export.provenance).read_text())["request"]
        assert (request["as_of"], request["at"]) == (f"{as_of:%Y-%m-%dT%H:%M:%SZ}", "2017-12-31T10:00:00Z")
        registry.set_timezone("UTC", comment="back")
    assert verify_export(export.provenance, location.database, location.store).problems == ()


# Copies


@pytest.mark.slow
def test_a_snapshot_of_an_earlier_revision_reads_stamps_as_the_registry_does_today(
    location: RegistryLocation, registry: Registry, arrays: Path, tmp_path: Path
) -> None:
    registry.set_timezone("Europe/Zurich")
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, arrays, valid_from=UTC_TEXT)
    registry.set_timezone("Asia/Tokyo", comment="wrong")
    registry.set_timezone(LOS_ANGELES, comment=NOT_UTC_COMMENT)
    for revision in (1, 3, 4, 5):
        file = tmp_path / f"{revision}.sqlite"
        registry.snapshot(file, as_of=revision, store=location.store)
        with RegistryLocation(f"sqlite:///{file}", location.store).open() as taken:
            assert taken.timezone == LOS_ANGELES
            assert taken.verify().problems == ()
            if revision >= 3:
                assert str(taken.validity(PANEL_A, at=STAMP).instant) == LOS_ANGELES_TEXT


@pytest.mark.slow
def test_a_backup_and_a_moved_registry_keep_the_zone(
    location: RegistryLocation, local_registry: Registry, tmp_path: Path
) -> None:
    local_registry.backup(tmp_path / "backup")
    restored = RegistryLocation.in_folder(tmp_path / "restored")
    restore_registry(tmp_path / "backup", restored.database, restored.store)
    moved = RegistryLocation.in_folder(tmp_path / "moved")
    copy_registry(moved.database, moved.store, database=location.database, store=location.store)
    for copy in (restored, moved):
        assert read_rows(copy.database)["timezone"] == read_rows(location.database)["timezone"]
        with copy.open() as opened:
            assert opened.timezone == LOS_ANGELES


# Years that cannot be meant


UNLIKELY: dict[str, Callable[..., Any]] = {
    "version add": lambda registry, arrays, at, **more: registry.versions.add(
        PANEL_A, arrays, valid_from=at, **more
    ),
    "version gap": lambda registry, _, at, **more: registry.versions.gap(
        PANEL_A, valid_from=at, kinds=["gain"], comment="broken", **more
    ),
    "alias add": lambda registry, _, at, **more: registry.aliases.add("M068", PANEL_A, valid_from=at, **more),
    "panel add": lambda registry, _, at, **more: registry.panels.add(
        NEW_A, carry_from=PANEL_A, valid_from=at, **more
    ),
    "run add": lambda registry, _, at, **more: registry.runs.add("exp=x1:run=1", begin=at, **more),
    "run add --end": lambda registry, _, at, **more: registry.runs.add("exp=x1:run=1", end=at, **more),
}


@pytest.mark.parametrize("write", UNLIKELY.values(), ids=UNLIKELY)
@pytest.mark.parametrize("at", ["02171025000000", "1970-01-01T00:00:00Z", "21171025000000"])
def test_a_year_that_cannot_be_meant_is_not_recorded_unless_the_user_insists(
    local_registry: Registry, arrays: Path, at: str, write: Callable[..., Any]
) -> None:
    local_registry.versions.add(PANEL_A, arrays, valid_from="beginning")
    newest = len(local_registry.log())
    with assert_refused(InstantError, remedy=Remedy.ALLOW_ANY_TIME):
        write(local_registry, arrays, at)
    assert len(local_registry.log()) == newest
    assert write(local_registry, arrays, at, any_time=True).revision == newest + 1


def test_any_year_can_be_asked_about(local_registry: Registry, arrays: Path) -> None:
    local_registry.versions.add(PANEL_A, arrays, valid_from="beginning")
    assert len(local_registry.validity(PANEL_A, at="1066-10-14T09:00:00Z").versions) == 2
    assert len(local_registry.validity(PANEL_A, at="30000101000000").versions) == 2


@pytest.mark.slow
def test_a_link_with_such_a_year_is_a_hazard_like_others(registry: Registry, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", "02171025000000")
    (tree / f"{PANEL_A}-{STAMP}").symlink_to("M068")
    with assert_refused(ImportHazardError, "02171025000000", problems=1, remedies=[Remedy.ALLOW_ANY_TIME]):
        registry.import_tree(tree)
    assert registry.log() == []
    assert len(registry.import_tree(tree, skip_bad=True).versions) == 2
    assert len(registry.import_tree(tree, any_time=True).versions) == 2
    assert registry.compare_tree(tree).hazards == ()


def test_a_logbook_with_such_years_is_refused_with_all_of_them(registry: Registry, tmp_path: Path) -> None:
    logbook = tmp_path / "runs.json"
    times = [1438740615, 86400, 4102444800]
    logbook.write_text(
        json.dumps([{"run_num": number, "begin_time": at} for number, at in enumerate(times, 1)])
    )
    with assert_refused(RequestError, "run 2", "run 3", problems=2, remedy=Remedy.ALLOW_ANY_TIME):
        registry.runs.import_logbook(logbook, "xcs1")
    assert registry.log() == []
    registry.runs.import_logbook(logbook, "xcs1", any_time=True)
    assert len(registry.runs.list()) == 3


# The command line


@pytest.fixture
def shell(calreg: Calreg, monkeypatch: pytest.MonkeyPatch) -> Calreg:
    """The command line of an empty registry, without a time zone in the environment."""
    monkeypatch.delenv("CALREG_TIMEZONE")
    return calreg


@pytest.mark.slow
def test_init_and_database_check_show_the_zone(shell: Calreg, location: RegistryLocation) -> None:
    assert shell.run("init", "--json").json["timezone"] == "UTC"
    assert shell.run("init", "--timezone", LOS_ANGELES, "--json").json["timezone"] == LOS_ANGELES
    assert shell.run("init").stdout.splitlines()[-1].split() == ["timezone", LOS_ANGELES]
    assert shell.run("database", "check", "--json").json == {
        "differences": [],
        "mended": [],
        "schema": None if location.is_sqlite else "public",
        "timezone": LOS_ANGELES,
    }
    assert LOS_ANGELES in shell.run("database", "check").stdout
    assert f"+ time zone {LOS_ANGELES}" in shell.run("log").stdout


@pytest.mark.slow
def test_init_refuses_another_zone_without_a_comment(shell: Calreg) -> None:
    shell.run("init", "--timezone", LOS_ANGELES)
    shell.assert_refused(2, "init", "--timezone", "UTC")
    shell.assert_refused(2, "init", "--timezone", "localtime", "--comment", "here")
    assert shell.run("init", "--timezone", LOS_ANGELES, "--json").json["timezone"] == LOS_ANGELES
    assert len(shell.run("log", "--json").json) == 1
    done = shell.run("init", "--timezone", "UTC", "--comment", "a mistake", "--json").json
    assert done["timezone"] == "UTC"
    assert shell.run("log", "--json").json[0]["changes"] == [f"- time zone {LOS_ANGELES}", "+ time zone UTC"]


def test_init_does_not_use_the_zone_of_the_environment(
    shell: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Europe/Zurich", "localtime"):
        monkeypatch.setenv("CALREG_TIMEZONE", name)
        assert shell.run("init", "--json").json["timezone"] == "UTC"


@pytest.mark.parametrize("name", ["localtime", "right/UTC", "posix/UTC", "posixrules", "", "utc", "x" * 100])
def test_a_zone_that_is_not_the_same_everywhere_is_refused_by_every_verb(shell: Calreg, name: str) -> None:
    shell.assert_refused(2, "log", "--timezone", name)
    shell.assert_refused(2, "validity", PANEL_A, "--at", UTC_TEXT, "--timezone", name)
    shell.assert_refused(2, "init", "--timezone", name)


@pytest.mark.slow
def test_an_import_names_the_command_that_changes_the_zone(shell: Calreg, tmp_path: Path) -> None:
    tree = str(write_tree(tmp_path / "tree"))
    command = f"calreg init --timezone {LOS_ANGELES} --comment TEXT"
    assert command in shell.run("import", tree, "--timezone", LOS_ANGELES, "--dry-run").stderr
    assert command in shell.run("import", tree, "--timezone", LOS_ANGELES).stderr
    shell.run("init", "--timezone", LOS_ANGELES, "--comment", NOT_UTC_COMMENT)
    again = shell.run("import", tree)
    assert command not in again.stderr
    assert "nothing to change" in again.stdout
    shell.run("version", "gap", "M068", "--valid-from", "20180101000000", "--comment", "broken")
    shown = shell.run("version", "list", PANEL_A, "--json").json
    assert {row["valid_from"] for row in shown} == {LOS_ANGELES_TEXT, "2018-01-01T08:00:00Z"}


@pytest.mark.slow
def test_verbs_echo_how_a_stamp_was_read(shell: Calreg, tmp_path: Path) -> None:
    shell.run("init", "--timezone", LOS_ANGELES)
    shell.run("panel", "add", PANEL_A)
    arrays = str(write_panel_folder(tmp_path / "arrays"))
    add = ("version", "add", PANEL_A, arrays, "--valid-from", STAMP)
    assert f"note: {NOTE}" in shell.run(*add).stderr
    assert f"note: {NOTE}" in shell.run(*add).stderr  # no change, and still told
    assert f"note: {NOTE}" in shell.run("validity", PANEL_A, "--at", STAMP).stderr
    assert NOTE in shell.run("run", "add", "exp=x1:run=1", "--begin", STAMP, "--json").json["notes"]


@pytest.mark.slow
def test_years_that_cannot_be_meant_need_an_option(shell: Calreg, tmp_path: Path) -> None:
    shell.run("panel", "add", PANEL_A)
    arrays = str(write_panel_folder(tmp_path / "arrays"))
    add = ("version", "add", PANEL_A, arrays, "--valid-from", "02171025000000")
    error = shell.assert_refused(2, *add)
    assert "--any-time" in error["message"]
    shell.run(*add, "--any-time")
    run = ("run", "add", "exp=x1:run=1", "--begin", "1970-01-01T00:00:00Z")
    assert "--any-time" in shell.assert_refused(2, *run)["message"]
    shell.run(*run, "--any-time")
    tree = str(write_tree(tmp_path / "tree", "19700101000000"))
    shell.assert_refused(2, "import", tree)
    shell.run("import", tree, "--any-time")
    shell.assert_refused(2, "import", tree, "--compare", "--any-time")


@pytest.mark.slow
@pytest.mark.parametrize("zone", [LOS_ANGELES, "Asia/Tokyo", "Pacific/Kiritimati"])
def test_a_directory_is_not_imported_again_in_another_time_zone(
    location: RegistryLocation, registry: Registry, tmp_path: Path, zone: str
) -> None:
    tree = write_tree(tmp_path / "tree", STAMP)
    registry.import_tree(tree)
    newest = len(registry.log())
    link = f"{PANEL_A}-{STAMP}"
    with location.open(zone) as elsewhere:
        for options in ({}, {"skip_bad": True}, {"gap_bad": True, "dry_run": True}):
            with assert_refused(ConflictError, link, remedy=Remedy.GIVE_TIMEZONE, links=[link]):
                elsewhere.import_tree(tree, **options)
        assert len(registry.log()) == newest
        registry.versions.withdraw(1, 2, comment="read in the wrong time zone")
        assert len(elsewhere.import_tree(tree).versions) == 2
    with assert_refused(ConflictError, link, remedy=Remedy.GIVE_TIMEZONE):
        registry.import_tree(tree)


@pytest.mark.slow
def test_links_a_few_hours_apart_are_not_taken_for_one_in_another_time_zone(
    registry: Registry, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", "20180101000000")
    registry.import_tree(tree)
    (tree / f"{PANEL_A}-20180101080000").symlink_to("M068")
    assert len(registry.import_tree(tree).versions) == 2
    assert registry.import_tree(tree).revision is None
