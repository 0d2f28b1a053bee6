"""Configuration files: what they may have, who goes before whom, and how a wrong one is refused."""

import os
from pathlib import Path

import platformdirs
import pytest

from registry.configuration import FILE_NAME, user_file
from registry.errors import RequestError
from registry.settings import find_location, find_settings
from testing.panels import PANEL_A
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.test_cli import list_loaded_modules


def write_user_file(text: str) -> Path:
    path = user_file()
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def calreg(sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> Calreg:
    calreg = Calreg(sqlite_location, monkeypatch)
    monkeypatch.delenv("CALREG_TIMEZONE", raising=False)
    return calreg


def test_the_users_file_is_where_other_programs_have_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (os.environ["XDG_CONFIG_HOME"], "", "  "):
        monkeypatch.setenv("XDG_CONFIG_HOME", value)
        assert user_file() == platformdirs.user_config_path("calreg") / FILE_NAME


def test_the_environment_goes_before_the_users_file_and_an_option_before_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = write_user_file(f"database = 'sqlite:///{tmp_path}/a.sqlite'\nstore = '{tmp_path}/files'\n")
    database, store = find_location()
    assert (database.value, database.origin, database.where) == (
        f"sqlite:///{tmp_path}/a.sqlite",
        "user's file",
        str(file),
    )
    assert (store.value, store.origin) == (f"{tmp_path}/files", "user's file")
    monkeypatch.setenv("CALREG_DATABASE", f"sqlite:///{tmp_path}/b/b.sqlite")
    database, store = find_location()
    assert (database.origin, database.where) == ("environment", "CALREG_DATABASE")
    assert (store.value, store.origin) == (f"{tmp_path}/b/store", "default")  # not that of another database
    database, _ = find_location("sqlite:///c.sqlite")
    assert (database.value, database.origin) == ("sqlite:///c.sqlite", "option")


def test_a_store_without_a_database_in_the_users_file_is_that_of_any(tmp_path: Path) -> None:
    write_user_file(f"store = '{tmp_path}/files'\n")
    assert find_settings("postgresql://h/d").store == tmp_path / "files"


def test_a_user_without_a_home_needs_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "")
    assert find_settings(f"sqlite:///{tmp_path}/a.sqlite").store == tmp_path / "store"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("databse = 'sqlite:////x'\n", "'databse'"),
        ("local = 'yes'\n", "'local'"),
        ("local = 1\n", "'local'"),
        ("store = ''\n", "'store'"),
        ("store = 'files'\n", "'store'"),
        ("database = 'sqlite:///registry.sqlite'\n", "'database'"),
        ("format = 'xml'\n", "'format'"),
        ("[local]\nx = 1\n", "'local'"),
        ("local = true\nlocal = false\n", "line 2"),
        ("local = \n", "line 1"),
        ("\xff\xff", FILE_NAME),
        ("timezone = 'Mars/Olympus'\n", "'timezone'"),
        ("x = " + "[" * 5000, FILE_NAME),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_place(
    calreg: Calreg, text: str, expected: str
) -> None:
    file = write_user_file("")
    file.write_bytes(text.encode("latin-1"))
    error = calreg.assert_refused(2, "panel", "list")
    assert str(file) in error["message"]
    assert expected in error["message"]


def test_the_password_of_a_url_in_a_file_is_in_no_message(
    calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CALREG_DATABASE")
    for text in (
        "database = 'postgresql://ana:S3cret@h/d\n",
        "database = ['postgresql://ana:S3cret@h/d']\n",
        "databases = 'postgresql://ana:S3cret@h/d'\n",
        "store = 'postgresql://ana:S3cret@h/d'\n",
        "pager = 'x'\ndatabase = 'postgresql://ana:S3cret@127.0.0.1:1/d'\nstore='/x'\n",
        "database = 'mysql://ana:S3cret@h/d'\n",
        "timezone = 'postgresql://ana:S3cret@h/d'\ndatabase = 'sqlite:////x'\n",
    ):
        write_user_file(text)
        for words in (("panel", "list"), ("panel", "list", "--json")):
            ended = calreg(*words)
            assert ended.code in (2, 8), text
            assert "S3cret" not in ended.stdout + ended.stderr, text


def test_a_file_beside_the_registry_has_defaults_for_all_and_names_no_registry_and_no_program(
    calreg: Calreg, sqlite_location: RegistryLocation
) -> None:
    calreg.run("run", "add", "exp=e:run=1", "--begin", "2018-02-10T08:15:00Z")
    beside = sqlite_location.store.parent / FILE_NAME
    beside.write_text("local = true\ntimezone = 'America/Los_Angeles'\n")
    assert "2018-02-10T00:15:00-08:00" in calreg.run("run", "list").stdout
    write_user_file("local = false\n")  # goes before it
    assert "2018-02-10T08:15:00Z" in calreg.run("run", "list").stdout
    assert "2018-02-10T00:15:00-08:00" in calreg.run("run", "list", "--local").stdout
    for setting in ("database = 'sqlite:////x'", "store = '/x'", "pager = 'less'"):
        beside.write_text(f"{setting}\n")
        error = calreg.assert_refused(2, "panel", "list")
        assert error["setting"] == setting.split()[0]
        assert error["file"] == str(beside)


def test_a_pipe_a_folder_and_a_large_file_are_refused(calreg: Calreg) -> None:
    file = write_user_file("")
    file.unlink()
    os.mkfifo(file)
    assert calreg.assert_refused(2, "panel", "list")["message"]
    file.unlink()
    file.mkdir()
    assert calreg.assert_refused(2, "panel", "list")["message"]
    file.rmdir()
    file.write_text("#" * (1 << 21))
    assert calreg.assert_refused(2, "panel", "list")["message"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused_with_8(calreg: Calreg) -> None:
    write_user_file("local = true\n").chmod(0)
    calreg.assert_refused(8, "panel", "list")


def test_help_needs_no_configuration(calreg: Calreg) -> None:
    write_user_file("nonsense")
    assert calreg("--help").code == calreg("panel", "list", "--help").code == 0


def test_the_format_of_listings_can_be_configured_and_the_command_line_goes_before_it(calreg: Calreg) -> None:
    calreg.run("panel", "add", PANEL_A)
    write_user_file("format = 'csv'\n")
    assert calreg.run("panel", "list").stdout.startswith("panel,alias,")
    assert calreg.run("panel", "list", "--json").json[0]["panel"] == PANEL_A
    assert calreg.run("panel", "list", "--format", "table").stdout.startswith("panel  ")


@pytest.mark.slow
def test_a_look_up_without_a_configuration_imports_no_toml(calreg: Calreg) -> None:
    assert "tomllib" not in list_loaded_modules("panel", "list")
    write_user_file("local = true\n")
    assert "tomllib" in list_loaded_modules("panel", "list")


def test_python_finds_the_registry_of_the_users_file_too(tmp_path: Path) -> None:
    write_user_file(f"database = 'sqlite:///{tmp_path}/none.sqlite'\n")
    assert find_settings().database == f"sqlite:///{tmp_path}/none.sqlite"
    write_user_file("local = 3\n")
    with pytest.raises(RequestError, match="'local'"):
        find_settings()
