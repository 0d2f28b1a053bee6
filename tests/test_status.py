"""``calreg status``: of a registry as it should be, and of one that is not, or cannot be opened."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry import read_status, schema
from registry.api import open_registry
from registry.configuration import user_file
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.cli import Calreg


@pytest.fixture
def calreg(location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> Calreg:
    calreg = Calreg(location, monkeypatch)
    monkeypatch.delenv("CALREG_TIMEZONE")
    return calreg


def test_an_empty_registry_says_where_it_is_and_that_nothing_is_recorded(
    calreg: Calreg, location: RegistryLocation
) -> None:
    status = calreg.run("status", "--json").json
    assert status["store"] == str(location.store)
    assert (status["revision"], status["timezone"], status["problems"], status["refusal"]) == (
        0,
        "UTC",
        [],
        None,
    )
    assert status["schema"] == status["software_schema"] == schema.REVISION
    assert status["counts"] == {
        "panels": 0,
        "versions": 0,
        "runs": 0,
        "exports": 0,
        "files": 0,
        "file_bytes": 0,
    }
    assert status["database_bytes"] > 0
    assert "nothing is recorded yet" in calreg.run("status").stdout


def test_what_is_live_is_counted_and_the_newest_revision_has_its_seal(
    calreg: Calreg, location: RegistryLocation
) -> None:
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    calreg.run("panel", "add", PANEL_B)
    for kind in ("gain", "offset"):
        calreg.run("version", "gap", PANEL_A, "--kind", kind, "--valid-from", "beginning", "-m", "x")
    calreg.run("version", "withdraw", "1", "-m", "x")
    calreg.run("run", "add", "exp=e:run=1", "--begin", "2018-02-10T08:15:00Z")
    status = calreg.run("status", "--json").json
    assert {name: status["counts"][name] for name in ("panels", "versions", "runs")} == {
        "panels": 2,
        "versions": 1,
        "runs": 1,
    }
    with location.open() as registry:
        assert (status["revision"], status["seal"]) == (registry.head.number, registry.head.seal)
    shown = calreg.run("status").stdout
    assert "2 panels, 1 version, 1 run, 0 exports, 0 files" in shown
    assert max(map(len, shown.splitlines())) < 200


def test_each_setting_has_its_origin(
    calreg: Calreg, location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = user_file()
    assert users is not None
    users.parent.mkdir(parents=True)
    users.write_text("format = 'csv'\n")
    beside = location.store.parent / "calreg.toml"
    beside.write_text("local = true\nformat = 'table'\n")
    monkeypatch.setenv("CALREG_TIMEZONE", "Europe/Zurich")
    settings = {
        row["name"]: row
        for row in calreg.run("--store", str(location.store), "status", "--json").json["settings"]
    }
    assert (settings["database"]["origin"], settings["database"]["place"]) == (
        "environment",
        "CALREG_DATABASE",
    )
    assert settings["store"]["origin"] == "option"
    assert settings["format"] == {
        "name": "format",
        "value": "csv",
        "origin": "user's file",
        "place": str(users),
    }
    assert settings["local"] == {
        "name": "local",
        "value": "true",
        "origin": "registry's file",
        "place": str(beside),
    }
    assert (settings["timezone"]["value"], settings["timezone"]["origin"]) == ("Europe/Zurich", "environment")
    monkeypatch.delenv("CALREG_TIMEZONE")
    zone = next(row for row in read_status().settings if row.name == "timezone")
    assert (zone.value, zone.origin) == ("UTC", "registry")


def test_a_stale_copy_and_missing_guards_are_named(sqlite_location: RegistryLocation, tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite"
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
    assert sqlite_location.file is not None
    engine = sqlite_location.engine()
    with engine.begin() as connection:
        connection.execute(sa.text("VACUUM INTO :file"), {"file": str(old)})
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_B)
    status = read_status(f"sqlite:///{old}", sqlite_location.store)
    assert ["older copy" in problem for problem in status.problems] == [True]
    with engine.begin() as connection:
        name = connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalar()
        connection.execute(sa.text(f"DROP TRIGGER {name}"))
    engine.dispose()
    status = read_status(sqlite_location.database, sqlite_location.store)
    assert len(status.problems) == 1
    assert str(name) in status.problems[0]


def test_a_closed_database_says_so(
    sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.snapshot(tmp_path / "shot" / "s.sqlite")
    status = read_status(f"sqlite:///{tmp_path}/shot/s.sqlite")
    assert ["snapshot" in problem for problem in status.problems] == [True]


def test_a_store_of_another_registry_is_told_with_all_that_the_database_knows(
    sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    calreg.run("panel", "add", PANEL_A)
    for make_wrong, code in (
        (lambda: shutil.rmtree(sqlite_location.store), 8),
        (lambda: _make_other(calreg, tmp_path), 5),
    ):
        make_wrong()
        ended = calreg("status", "--json")
        assert ended.code == code
        assert ended.json["revision"] == 1
        assert ended.error["code"] == code
        assert ended.json["refusal"] in ended.error["message"]
        text = calreg("status")
        assert (text.code, "it cannot be opened" in text.stdout) == (code, True)


def _make_other(calreg: Calreg, folder: Path) -> None:
    calreg.run(
        "--database", f"sqlite:///{folder}/other/registry.sqlite", "--store", f"{folder}/other/store", "init"
    )
    shutil.copytree(folder / "other" / "store", folder / "store")


def test_a_database_that_is_missing_or_does_not_answer_is_told_with_where_it_was_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(None, monkeypatch)
    missing = calreg("--database", f"sqlite:///{tmp_path}/none.sqlite", "status", "--json")
    assert (missing.code, missing.json["revision"]) == (8, None)
    assert not (tmp_path / "none.sqlite").exists()
    url = "postgresql://ana:S3cret@127.0.0.1:1/calreg"
    silent = calreg("--database", url, "--store", str(tmp_path), "status")
    assert silent.code == 8
    assert "postgresql://ana:***@127.0.0.1:1/calreg" in silent.stdout
    assert "S3cret" not in silent.stdout + silent.stderr


def test_an_old_schema_is_told_with_the_newest_revision(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(location, monkeypatch)
    calreg.run("panel", "add", PANEL_A)
    calreg.run("database", "downgrade", "0008")
    ended = calreg("status", "--json")
    assert (ended.code, ended.json["schema"], ended.json["revision"]) == (7, "0008", 1)
    assert ended.json["registry"] is None
    with pytest.raises(Exception, match="0008"):
        open_registry()
