"""Settings from arguments, environment and defaults, in this order; databases on network file systems."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest
from typer.testing import CliRunner

from registry.api import Registry
from registry.cli import app
from registry.errors import Remedy, RequestError
from registry.settings import Settings, find_settings, network_file_system, sqlite_file
from testing.panels import PANEL_A
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

POSTGRESQL = "postgresql://ana:s3cret@host/db"
MOUNTS = r"""/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local xfs rw 0 0
//server/share /mnt/with\040space cifs rw 0 0
me@host:/data /mnt/ssh fuse.sshfs rw 0 0
/dev/sdc1 /mnt/stacked ext4 rw 0 0
mds:/stacked /mnt/stacked lustre rw 0 0
short line
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("CALREG_DATABASE", raising=False)
    monkeypatch.delenv("CALREG_STORE", raising=False)
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / "share" / name)


def refusal(call, *args) -> str:
    with pytest.raises(RequestError) as caught:
        call(*args)
    assert caught.value.code == 2
    return str(caught.value)


def test_the_default_is_a_sqlite_file_in_the_users_data_directory_with_the_store_beside_it(tmp_path) -> None:
    settings = find_settings()
    assert settings.database == f"sqlite:///{tmp_path}/share/calreg/registry.sqlite"
    assert settings.store == tmp_path / "share" / "calreg" / "store"


def test_the_environment_takes_precedence_over_the_default(monkeypatch) -> None:
    monkeypatch.setenv("CALREG_DATABASE", "sqlite:////data/r.sqlite")
    monkeypatch.setenv("CALREG_STORE", "/data/files")
    assert find_settings() == Settings("sqlite:////data/r.sqlite", Path("/data/files"))


def test_arguments_take_precedence_over_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("CALREG_DATABASE", POSTGRESQL)
    monkeypatch.setenv("CALREG_STORE", "/data/files")
    chosen = find_settings("sqlite:////mine/r.sqlite", Path("/mine/files"))
    assert chosen == Settings("sqlite:////mine/r.sqlite", Path("/mine/files"))


def test_an_empty_variable_counts_as_none(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CALREG_DATABASE", "")
    monkeypatch.setenv("CALREG_STORE", "")
    assert find_settings().store == tmp_path / "share" / "calreg" / "store"


def test_the_store_lies_beside_the_sqlite_file_that_is_given(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_settings("sqlite:////data/r.sqlite").store == Path("/data/store")
    assert find_settings("sqlite:///here/r.sqlite").store == tmp_path / "here" / "store"


def test_the_store_is_an_absolute_path(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ana")
    assert find_settings(store="files").store == tmp_path / "files"
    assert find_settings(store="~/files").store == Path("/home/ana/files")


def test_postgresql_needs_a_store_and_the_refusal_advises_to_give_one() -> None:
    with assert_refused(RequestError, remedy=Remedy.GIVE_STORE):
        find_settings(POSTGRESQL)


def test_postgresql_with_a_store_is_taken_as_it_stands() -> None:
    assert find_settings(POSTGRESQL, "/data/files").database == POSTGRESQL


@pytest.mark.parametrize("store", [None, "/data/files"])
@pytest.mark.parametrize(
    "url",
    [
        "/data/registry.sqlite",
        "registry.sqlite",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:r.sqlite?mode=memory",
        "sqlite:///r.sqlite?timeout=1",
        "sqlite:///r\x00.sqlite",
        "SQLITE:///r.sqlite",
        "postgre://host/db",
        "mysql://host/db",
        "postgresql+asyncpg://host/db",
        "\x1b[31mpostgresql://host/db",
        "-",
    ],
)
def test_any_other_database_is_refused_with_the_two_forms(url: str, store: str | None) -> None:
    message = refusal(find_settings, url, store)
    assert "write sqlite:///FILE" in message
    assert message.isprintable()
    assert refusal(sqlite_file, url) == message


def test_options_of_a_sqlite_url_are_not_repeated() -> None:
    message = refusal(find_settings, "sqlite:///r.sqlite?password=S3cret")
    assert "sqlite:///FILE" in message
    assert "S3cret" not in message
    assert "password" not in message


def test_a_file_whose_name_has_what_looks_like_an_option_is_taken_where_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite?name=front"
    refusal(find_settings, f"sqlite:///{file}")
    file.touch()
    assert sqlite_file(f"sqlite:///{file}") == file


def test_of_a_refused_url_only_its_start_is_shown() -> None:
    message = refusal(find_settings, "mysql://ana:s3 cr@t@host/db")
    assert message.startswith("a URL that begins with 'mysql://' is not a database")
    assert "s3" not in message


def test_settings_are_shown_without_their_password() -> None:
    settings = find_settings(POSTGRESQL, "/data/files")
    assert repr(settings) == "Settings(database='postgresql://ana:***@host/db', store='/data/files')"
    assert "s3cret" not in f"{settings} {settings!r} {[settings]}"


def test_a_store_with_a_nul_in_its_name_is_refused() -> None:
    assert r"'st\x00re'" in refusal(find_settings, None, "st\0re")


@pytest.mark.parametrize(
    ("database", "store"), [(None, "~nobody-of-that-name/x"), ("sqlite:///~nobody-of-that-name/x", None)]
)
def test_the_home_of_an_unknown_user_is_refused(database: str | None, store: str | None) -> None:
    assert "'~nobody-of-that-name/x'" in refusal(find_settings, database, store)


def test_the_file_of_a_sqlite_url_is_an_absolute_path(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ana")
    assert sqlite_file("sqlite:///r.sqlite") == tmp_path / "r.sqlite"
    assert sqlite_file("sqlite:////data/a b/r.sqlite") == Path("/data/a b/r.sqlite")
    assert sqlite_file("sqlite:///~/r.sqlite") == Path("/home/ana/r.sqlite")


@pytest.mark.parametrize("url", [POSTGRESQL, "postgresql+psycopg://host/db"])
def test_postgresql_has_no_file(url: str) -> None:
    assert sqlite_file(url) is None


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mounts"
    file.write_text(MOUNTS)
    return file


@pytest.mark.parametrize(
    ("file", "file_system"),
    [
        ("/data/registry.sqlite", None),
        ("/home/me/registry.sqlite", "nfs4"),
        ("/homeless/registry.sqlite", None),
        ("/home/local/registry.sqlite", None),
        ("/home/local/../me/registry.sqlite", "nfs4"),
        ("/mnt/with space/registry.sqlite", "cifs"),
        ("/mnt/ssh/deep/down/registry.sqlite", "fuse.sshfs"),
        ("/mnt/stacked/registry.sqlite", "lustre"),
    ],
)
def test_the_deepest_and_last_mount_decides(mounts: Path, file: str, file_system: str | None) -> None:
    assert network_file_system(Path(file), mounts) == file_system


def test_a_system_without_a_list_of_mounts_gives_no_warning(tmp_path: Path) -> None:
    assert network_file_system(tmp_path / "registry.sqlite", tmp_path / "none") is None


@pytest.mark.slow
def test_init_writes_and_verify_warn_of_a_network(
    sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/ / nfs rw 0 0\n")
    monkeypatch.setattr(
        "registry.settings.network_file_system", lambda file: network_file_system(file, mounts)
    )
    warning = (
        f"{sqlite_location.file} lies on nfs, a file system of a network, where SQLite's locks may not hold"
    )
    for verb in (["init"], ["panel", "add", PANEL_A], ["verify"]):
        result = CliRunner().invoke(app, verb, env=sqlite_location.environment)
        assert result.exit_code == 0, result.output
        assert warning in result.stderr, verb


def test_postgresql_and_local_disks_are_not_warned_about(registry: Registry) -> None:
    assert registry.panels.add(PANEL_A).warnings == ()
