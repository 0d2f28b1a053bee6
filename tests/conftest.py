"""Fixtures: a fresh registry for every test, on SQLite and on a real PostgreSQL.

``location`` names an empty registry, made by the migrations (once, then copied); ``registry`` is it, opened.
Both run every test that asks for them on both databases. ``CALREG_TEST_POSTGRES`` names an existing server
(the URL of a database that may create databases); without it a server is started from a wheel.
"""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from registry.api import Registry
from testing.buckets import BucketServer, run_seaweed
from testing.panels import use_small_panels, write_panel_folder
from testing.programs import MissingProgramError
from testing.registries import DATABASES, PostgresServer, RegistryFactory, RegistryLocation
from testing.servers import Pooler, Standby
from tests.selection import READERS, examples, select_exhaustive
from tests.shared_work import (
    forgo_the_disk,
    share_migrations,
    share_program,
    share_reflections,
    share_statements,
)

if TYPE_CHECKING:
    from tests.cli import Calreg

# Every example makes its own registry inside the one of the test, and these machines are slow at times. No examples
# are kept: a run depends on nothing but the code.
settings.register_profile(
    "calreg",
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("calreg")
share_statements()
share_program()
share_migrations()
share_reflections()
# No test cuts the power: those of durability watch the calls of fsync, and nothing else needs to wait for the disk.
os.fsync = lambda _: None
forgo_the_disk()
# Without compiled files every process that a test starts would compile calreg again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# Modules whose tests run on both databases also when slow ones are left out.
QUICK_ON_POSTGRESQL = {"test_validity"}
# What the source distribution runs with other versions of Python and of the packages: quick tests of every area, and
# of every package that calreg needs or can use.
CORE = {
    *("test_arrays", "test_cli", "test_configurations", "test_database", "test_dataset_table", "test_export"),
    *(
        "test_extras",
        "test_formats",
        "test_help",
        "test_import",
        "test_init",
        "test_instants",
        "test_migrations",
    ),
    *(
        "test_output",
        "test_patterns",
        "test_plots",
        "test_prov_json",
        "test_records",
        "test_replay",
        "test_runs",
    ),
    *("test_schema", "test_settings", "test_store", "test_terminal", "test_validity", "test_versions"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let exhaustive tests be asked for."""
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="run also the tests that repeat a guarantee over many kills, users, servers, words or registries, and"
        " those on PostgreSQL for which SQLite suffices otherwise",
    )
    parser.addoption(
        "--through-service",
        action="store_true",
        help="run the modules of READERS in tests/selection.py, or those that are named, ask every question of an open"
        " registry once more through a service, and compare the answers",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let hypothesis try a quarter of its examples, the same in each run, unless all tests are asked for."""
    is_exhaustive = config.getoption("--exhaustive")
    if is_exhaustive:
        select_exhaustive()
    settings.register_profile(
        "calreg", settings.get_profile("calreg"), max_examples=examples(100), derandomize=not is_exhaustive
    )
    settings.load_profile("calreg")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let each of several processes import another part of the tests first, if all are collected.

    An import rewrites the assertions of a module, which takes longer than all else of a collection, and keeps the
    result. In the same order every process would rewrite every module.
    """
    worker = getattr(session.config, "workerinput", None)
    folder = Path(__file__).parent
    if worker is None or [Path(argument).resolve() for argument in session.config.args] != [folder]:
        return
    modules = sorted(path.stem for path in folder.glob("test_*.py"))
    start = len(modules) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for module in (*modules[start:], *modules[:start]):
        with suppress(
            Exception, pytest.skip.Exception
        ):  # the collection imports it again, and says what is wrong
            import_module(f"tests.{module}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests, leave out the exhaustive ones unless they are asked for, and start with the longest tests."""
    is_exhaustive = config.getoption("--exhaustive")
    chosen: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        module = item.path.stem
        parts = item.callspec.id.split("-") if hasattr(item, "callspec") else []
        is_repeated = "postgresql" in parts
        suffices = item.get_closest_marker("sqlite_suffices") and not item.get_closest_marker(
            "on_both_databases"
        )
        databases = [part for part in parts if part in DATABASES]
        is_within_one = databases[1:] == databases[:-1] and len(databases) > 1
        if (is_repeated and suffices) or (is_within_one and item.get_closest_marker("different_databases")):
            item.add_marker(pytest.mark.exhaustive)
        is_left_out = item.get_closest_marker("exhaustive") is not None
        if is_left_out or (is_repeated and module not in QUICK_ON_POSTGRESQL):
            item.add_marker(pytest.mark.slow)
        if module in CORE and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.core)
        is_compared = module in READERS or any(module in argument for argument in config.args)
        is_chosen = is_compared or not config.getoption("--through-service")
        chosen[is_chosen and (is_exhaustive or not is_left_out)].append(item)
    config.hook.pytest_deselected(items=chosen[False])
    items[:] = sorted(chosen[True], key=lambda item: item.path.stem != "test_harnesses")


def pytest_collection_finish() -> None:
    """Let there be a tenth of the rounds of garbage collection, which visits what was imported again and again.

    Not `gc.freeze`: hypothesis looks among the objects that are collected for who refers to its random numbers.
    """
    gc.set_threshold(7000)
    if processes := sys.modules.get("harnesses.processes"):
        processes.CONTEXT.set_forkserver_preload([*processes.PRELOADED_MODULES, "tests.undurable"])


@pytest.fixture(scope="session")
def _seaweed() -> Iterator[BucketServer]:
    try:
        with run_seaweed() as server:
            yield server
    except MissingProgramError as error:
        pytest.skip(str(error))


@pytest.fixture
def bucket_server(_seaweed: BucketServer, monkeypatch: pytest.MonkeyPatch) -> BucketServer:
    """Return a server of objects, which this process uses by its variables."""
    for name, value in _seaweed.list_variables().items():
        monkeypatch.setenv(name, value)
    return _seaweed


@pytest.fixture(scope="session", autouse=True)
def _fonts_of_pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let matplotlib keep its list of fonts outside the folders of tests, which compare what is in them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("fonts")))
        yield


@pytest.fixture(autouse=True)
def _isolated_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep tests away from the registry of the person who runs them."""
    variables = ("DATABASE", "STORE", "TIMEZONE", "PAGER", "CACHE", "CACHE_LIMIT", "PIN", "OFFLINE")
    for name in variables:
        monkeypatch.delenv(f"CALREG_{name}", raising=False)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "user-configuration" / "aws"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "user-configuration" / "aws-keys"))
    monkeypatch.setenv("PAGER", "cat")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user-configuration"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture(autouse=True)
def _compare_with_service(request: pytest.FixtureRequest) -> Iterator[None]:
    if not request.config.getoption("--through-service"):
        yield
        return
    from testing.through_service import Comparison

    with Comparison().compare():
        yield


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> str:
    """The URL of a PostgreSQL database from which databases can be created."""
    url = os.environ.get("CALREG_TEST_POSTGRES")
    return url or request.getfixturevalue("own_postgres_server").url


@pytest.fixture(scope="session")
def own_postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the tests themselves."""
    try:
        # Not below pytest's folder, which other runs of pytest tidy up; and a socket's path must be short.
        server = PostgresServer(Path(tempfile.mkdtemp(prefix="calreg-postgres-")), durable=False)
    except PermissionError as error:
        pytest.fail(
            f"PostgreSQL cannot be started: {error.filename} belongs to another user; remove it, or set"
            " CALREG_TEST_POSTGRES to the URL of a server"
        )
    with server:
        yield server


def _refuse_foreign_server() -> None:
    if os.environ.get("CALREG_TEST_POSTGRES"):
        pytest.skip("the server of CALREG_TEST_POSTGRES is not one that the tests may put others beside")


@pytest.fixture(scope="session")
def standby(own_postgres_server: PostgresServer) -> Iterator[Standby]:
    """A hot standby of the server of the tests."""
    _refuse_foreign_server()
    with Standby(own_postgres_server) as started:
        yield started


@pytest.fixture(scope="session")
def pooler(own_postgres_server: PostgresServer) -> Iterator[Pooler]:
    """PgBouncer before the server of the tests, which pools transactions."""
    _refuse_foreign_server()
    try:
        started = Pooler(own_postgres_server)
    except MissingProgramError as error:
        pytest.skip(str(error))
    with started:
        yield started


@pytest.fixture(scope="session")
def sqlite_factory(tmp_path_factory: pytest.TempPathFactory) -> RegistryFactory:
    return RegistryFactory(tmp_path_factory.mktemp("registries"))


@pytest.fixture(scope="session")
def postgresql_factory(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryFactory]:
    with RegistryFactory(tmp_path_factory.mktemp("registries"), postgres_server, prefix="calreg") as factory:
        yield factory


@pytest.fixture
def empty_postgres(postgresql_factory: RegistryFactory) -> Iterator[str]:
    """The URL of a PostgreSQL database that holds nothing."""
    url = postgresql_factory.create_database()
    yield url
    postgresql_factory.drop_database(url)


@pytest.fixture(params=DATABASES)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    """An empty registry, on each of the two databases."""
    yield from make_location(request, tmp_path, request.param)


@pytest.fixture
def sqlite_location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    """An empty registry on SQLite, for tests that do not depend on the database."""
    yield from make_location(request, tmp_path, "sqlite")


def make_location(request: pytest.FixtureRequest, folder: Path, dialect: str) -> Iterator[RegistryLocation]:
    """Yield a new registry in a folder; its PostgreSQL database is emptied for another test afterwards."""
    factory: RegistryFactory = request.getfixturevalue(f"{dialect}_factory")
    location = factory.make(dialect, folder)
    yield location
    factory.give_back(location)


@pytest.fixture
def calreg(location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> "Calreg":
    """The command line of an empty registry, on each of the two databases."""
    from tests.cli import Calreg

    return Calreg(location, monkeypatch)


@pytest.fixture
def sqlite_calreg(sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> "Calreg":
    """The command line of an empty registry on SQLite, for tests that do not depend on the database."""
    from tests.cli import Calreg

    return Calreg(sqlite_location, monkeypatch)


@pytest.fixture
def registry(location: RegistryLocation) -> Iterator[Registry]:
    """An empty registry, opened, on each of the two databases."""
    with location.open() as opened:
        yield opened


@pytest.fixture
def sample(
    request: pytest.FixtureRequest, location: RegistryLocation, tmp_path: Path
) -> Iterator[RegistryLocation]:
    """A registry with a row of every sort and small panels, on each of the two databases; filled once, and copied."""
    from tests.copies import fill_registry

    dialect = "sqlite" if location.is_sqlite else "postgresql"
    factory: RegistryFactory = request.getfixturevalue(f"{dialect}_factory")

    def fill(folder: Path, opened: Registry) -> None:
        with use_small_panels():
            fill_registry(opened, folder / "made")

    copied = factory.make_filled(dialect, fill_registry.__name__, fill, tmp_path / "sample")
    yield copied
    if not copied.is_sqlite:
        factory.drop_database(copied.database)


@pytest.fixture
def filled(sample: RegistryLocation) -> Iterator[Registry]:
    """A registry with a row of every sort, opened, on each of the two databases."""
    with sample.open() as opened:
        yield opened


@pytest.fixture
def copy_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[RegistryLocation], RegistryLocation]]:
    """Return a function that copies the database of a registry as it is, beside the same store."""
    urls: list[str] = []

    def copy(location: RegistryLocation) -> RegistryLocation:
        if location.file is not None:
            file = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}.sqlite"
            shutil.copy(location.file, file)
            return RegistryLocation(f"sqlite:///{file}", location.store)
        factory: RegistryFactory = request.getfixturevalue("postgresql_factory")
        urls.append(factory.create_database(location.database))
        return RegistryLocation(urls[-1], location.store)

    yield copy
    for url in urls:
        request.getfixturevalue("postgresql_factory").drop_database(url)


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a small file system in memory."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        location = tmp_path / "mounted"
        location.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", location]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("this system has no mount command")
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        mounted.append(location)
        return location

    yield mount
    for location in mounted:
        subprocess.run(["umount", "--lazy", location], check=True)  # a failed test may still hold it


@contextmanager
def act_as_ordinary_user() -> Iterator[None]:
    """Drop the rights of root, whom permissions do not stop, for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can read: pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def _panel_shape(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let panels have 4 x 6 pixels in a module that is marked with ``small_panels``."""
    with use_small_panels() if request.node.get_closest_marker("small_panels") else nullcontext():
        yield


@pytest.fixture
def small_panels() -> Iterator[None]:
    """Panels of 4 x 6 pixels, for tests in which the size of the arrays is not the point."""
    with use_small_panels():
        yield


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of three modules, as a legacy directory has them."""
    folder = tmp_path_factory.mktemp("modules")
    for seed, name in enumerate(("M044", "M068", "M088")):
        write_panel_folder(folder / name, seed)
    return folder
