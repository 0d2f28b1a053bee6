"""``create_registry``, the function behind ``calreg init``: a database and a store that belong together, or nothing."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

import registry as package
from registry import create_registry, open_registry
from registry.cli import app
from registry.errors import ConflictError, CorruptionError, Remedy, RequestError, UnavailableError
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

ROOT = Path(__file__).parent.parent


@pytest.fixture(params=["sqlite", "postgresql"])
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> RegistryLocation:
    """A place where nothing is yet: no SQLite file, a PostgreSQL database without tables; no store."""
    url = (
        request.getfixturevalue("empty_postgres")
        if request.param == "postgresql"
        else f"sqlite:///{tmp_path / 'database' / 'registry.sqlite'}"
    )
    return RegistryLocation(url, tmp_path / "far" / "store")


def _refuse_remains(location: RegistryLocation) -> None:
    """Assert that the database was not made."""
    if location.is_sqlite:
        assert not list(location.file.parent.glob("*"))
        return
    engine = location.engine()
    assert sa.inspect(engine).get_table_names() == []
    with engine.connect() as connection:
        functions = connection.execute(sa.text("SELECT proname FROM pg_proc WHERE proname LIKE 'calreg%'"))
        assert functions.all() == []
    engine.dispose()


@pytest.mark.slow
def test_init_makes_a_database_and_a_store_that_belong_together(nowhere: RegistryLocation) -> None:
    created = create_registry(nowhere.database, nowhere.store)
    assert str(uuid.UUID(created)) == created
    assert json.loads((nowhere.store / "registry.json").read_text()) == {"registry": created, "format": 1}
    assert (nowhere.store / "objects").is_dir()
    with nowhere.open() as registry:
        assert registry.id == created
        assert registry.log() == []
        assert registry.differences() == []
        assert registry.panels.add(PANEL_A).revision == 1


@pytest.mark.slow
def test_a_sqlite_registry_lets_readers_and_a_writer_work_side_by_side(tmp_path: Path) -> None:
    location = RegistryLocation(f"sqlite:///{tmp_path / 'registry.sqlite'}", tmp_path / "store")
    create_registry(location.database, location.store)
    engine = location.engine()
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
    engine.dispose()


@pytest.mark.slow
def test_init_again_changes_nothing_and_keeps_the_id(location: RegistryLocation) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        first, log = registry.id, registry.log()
    marker = (location.store / "registry.json").read_bytes()
    assert create_registry(location.database, location.store) == first
    result = CliRunner().invoke(app, ["init", "--json"], env=location.environment)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["registry"] == first
    assert (location.store / "registry.json").read_bytes() == marker
    with location.open() as registry:
        assert (registry.id, registry.log()) == (first, log)


def test_init_creates_a_lost_store_again(location: RegistryLocation) -> None:
    shutil.rmtree(location.store)
    with assert_refused(UnavailableError, remedy=Remedy.CREATE_REGISTRY, path=str(location.store)):
        location.open()
    created = create_registry(location.database, location.store)
    with location.open() as registry:
        assert registry.id == created


@pytest.mark.slow
def test_the_store_of_another_registry_is_refused_and_no_database_made(
    nowhere: RegistryLocation, tmp_path: Path
) -> None:
    other = create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", nowhere.store)
    with assert_refused(ConflictError, store=other, database=None):
        create_registry(nowhere.database, nowhere.store)
    _refuse_remains(nowhere)
    result = CliRunner().invoke(app, ["init"], env=nowhere.environment)
    assert (result.exit_code, result.stdout) == (5, "")
    _refuse_remains(nowhere)
    assert create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", nowhere.store) == other


def test_a_store_of_another_registry_is_refused_with_this_database(
    location: RegistryLocation, tmp_path: Path
) -> None:
    other = create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "elsewhere")
    with location.open() as registry:
        ours = registry.id
    with assert_refused(ConflictError, store=other, database=ours):
        create_registry(location.database, tmp_path / "elsewhere")
    with assert_refused(ConflictError, store=other, database=ours):
        open_registry(location.database, tmp_path / "elsewhere")
    assert create_registry(location.database, location.store) == ours


def test_a_store_with_a_damaged_marker_is_refused_and_no_database_made(nowhere: RegistryLocation) -> None:
    nowhere.store.mkdir(parents=True)
    (nowhere.store / "registry.json").write_text('{"registry": ')
    with assert_refused(CorruptionError, path=str(nowhere.store / "registry.json")):
        create_registry(nowhere.database, nowhere.store)
    _refuse_remains(nowhere)


def test_a_store_that_cannot_be_written_is_refused(location: RegistryLocation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with assert_refused(UnavailableError):
        create_registry(location.database, tmp_path / "file" / "store")
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_database_that_cannot_be_written_is_refused_and_no_store_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    url = f"sqlite:///{tmp_path / 'file' / 'deep' / 'registry.sqlite'}"
    with assert_refused(UnavailableError):
        create_registry(url, tmp_path / "store")
    with assert_refused(UnavailableError):
        create_registry(f"sqlite:///{tmp_path}", tmp_path / "store")
    result = CliRunner().invoke(app, ["--database", url, "--store", str(tmp_path / "store"), "init"])
    assert (result.exit_code, result.stdout) == (8, "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_new_sqlite_registry_whose_store_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with assert_refused(UnavailableError):
        create_registry(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path / "file" / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_postgresql_without_a_store_is_refused(empty_postgres: str) -> None:
    with assert_refused(RequestError, remedy=Remedy.GIVE_STORE):
        create_registry(empty_postgres)
    result = CliRunner().invoke(app, ["--database", empty_postgres, "init"])
    assert (result.exit_code, result.stdout) == (2, "")
    _refuse_remains(RegistryLocation(empty_postgres, Path("unused")))


def test_by_default_a_registry_is_in_the_users_data_directory() -> None:
    home = Path(os.environ["XDG_DATA_HOME"]) / "calreg"
    result = CliRunner().invoke(app, ["init", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["database"] == f"sqlite:///{home / 'registry.sqlite'}"
    assert answer["store"] == str(home / "store")
    assert sorted(path.name for path in home.iterdir()) == ["registry.sqlite", "store"]
    with open_registry() as registry:
        assert registry.id == answer["registry"]


@pytest.mark.slow
def test_init_prints_where_the_registry_is_without_the_password(empty_postgres: str, tmp_path: Path) -> None:
    url = sa.make_url(empty_postgres).set(password="s3kret").render_as_string(hide_password=False)  # noqa: S106
    result = CliRunner().invoke(app, ["--database", url, "--store", str(tmp_path / "store"), "init"])
    assert result.exit_code == 0, result.output
    labels = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert labels == ["registry", "database", "store", "timezone"]
    assert ":***@" in result.stdout
    assert "s3kret" not in result.output


USE = """
import sys
from pathlib import Path
import registry
from registry import open_registry
from registry.database.migrations import migrations_folder
print(Path(registry.__file__).parent)
print(migrations_folder())
with open_registry() as opened:
    print(opened.id, opened.panels.add(sys.argv[1]).revision, opened.differences())
"""


@pytest.mark.slow
def test_an_installed_wheel_makes_a_registry(tmp_path: Path) -> None:
    wheels, site, elsewhere = tmp_path / "wheels", tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    build = ["wheel", str(ROOT), "--no-deps", "--quiet", "--wheel-dir", str(wheels)]
    _pip([*build, *_build_tools()])
    (wheel,) = wheels.glob("calreg-*.whl")
    _pip(["install", str(wheel), "--no-deps", "--no-compile", "--quiet", "--target", str(site)])

    # -S keeps the checkout's own installation out: its .pth file is read by the module `site` alone.
    dependencies = Path(sa.__file__).parent.parent
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(site), str(dependencies)]),
        "CALREG_DATABASE": f"sqlite:///{tmp_path / 'registry.sqlite'}",
        "CALREG_STORE": str(tmp_path / "store"),
    }

    def python(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-S", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=elsewhere,
            env=environment,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    created = json.loads(python("-m", "registry", "init", "--json"))
    assert (tmp_path / "registry.sqlite").is_file()
    used, migrations, answer = python("-c", USE, PANEL_A).splitlines()
    assert Path(used) == site / "registry"
    assert Path(used) != Path(package.__file__).parent
    assert Path(migrations) == site / "registry" / "migrations"
    assert answer == f"{created['registry']} 1 []"
    assert python("-m", "registry", "--version").startswith("calreg ")
    names = {path.relative_to(site).parts[0] for path in site.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"registry", "bin"}, (
        "nothing else lands"
    )


def _build_tools() -> list[str]:
    """Return the options that spare pip the download of the build backend, where it is installed."""
    try:
        import hatchling  # noqa: F401
    except ModuleNotFoundError:
        return []
    return ["--no-build-isolation"]


def _pip(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    if "No matching distribution found for hatchling" in output or "No module named pip" in output:
        pytest.skip(
            "a wheel cannot be built here: pip, or the network from which it fetches hatchling, is missing"
        )
    assert done.returncode == 0, output


def test_init_creates_no_empty_store_for_a_registry_that_has_files(
    location: RegistryLocation, tmp_path: Path
) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
    location.store.rename(tmp_path / "unmounted")
    with assert_refused(UnavailableError):
        create_registry(location.database, location.store)
    assert not location.store.exists()
    (tmp_path / "unmounted").rename(location.store)
    create_registry(location.database, location.store)
