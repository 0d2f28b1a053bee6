"""The documents show what happens: every command and program, and what they print.

``CALREG_UPDATE_DOCS=1 pytest tests/test_documents.py tests/test_reference.py tests/test_cli.py`` rewrites the outputs.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from unittest import mock

import pytest
import sqlalchemy as sa

from registry import create_registry, open_registry, sample
from registry.api import Registry
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.expert import make_expert_registry
from tests.measurements import write_measurement
from tests.sessions import Session, find_blocks, is_updating

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
HOME = "/home/ana/calreg"
"""The folder in which the pages work."""


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with which pages start, each a copy of the one before it and more."""
    root = tmp_path_factory.mktemp("templates")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CALREG_")}
    template = root / "nothing"
    (template / ".zfunc").mkdir(parents=True)
    (template / ".config" / "fish" / "completions").mkdir(parents=True)
    for name, add in TEMPLATES.items():
        template = copy_template(template, root / name)
        # The fixture of a module is set up before that of each test, which keeps the environment apart.
        with chdir(template), mock.patch.dict(os.environ, plain, clear=True):
            add()
    return root


def copy_template(template: Path, folder: Path) -> Path:
    """Copy a folder; arrays, which nothing changes, are linked."""

    def copy_file(source: str, target: str) -> None:
        (os.link if source.endswith(".npy") else shutil.copy2)(source, target)

    return shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True, copy_function=copy_file)


def add_sample_files() -> None:
    """Make what ``calreg demo`` makes, and the files of three other measurements."""
    sample.write_legacy_tree(Path("tree"))
    sample.write_dataset_table(Path("datasets.txt"))
    write_measurement(Path("remeasured"), "M068")
    write_measurement(Path("flat-field"), "M068", 1.03)
    write_measurement(Path("after-upgrade"), "M088")


def open_sample() -> Registry:
    return open_registry("sqlite:///registry.sqlite", timezone="America/Los_Angeles")


def add_empty_registry() -> None:
    create_registry("sqlite:///registry.sqlite")


def import_sample() -> None:
    with open_sample() as registry:
        registry.import_tree("tree")
        registry.runs.import_table("datasets.txt")


def add_start_time() -> None:
    with open_sample() as registry:
        registry.runs.add("exp=xcsls3716:run=631", begin="2018-02-10T08:15:00Z")


def add_second_start_time() -> None:
    with open_sample() as registry:
        registry.runs.add("exp=xppls2416:run=247", begin="2018-02-12T08:15:00Z")


TEMPLATES: dict[str, Callable[[], None]] = {
    "sample files": add_sample_files,
    "empty registry": add_empty_registry,
    "imported sample": import_sample,
    "a run with a start time": add_start_time,
    "two runs with start times": add_second_start_time,
}
PAGES = {
    "README.md": "sample files",
    "docs/install.md": "nothing",
    "docs/how-to/a-beamline-scientists-day.md": "a run with a start time",
    "docs/how-to/a-copy-a-fork-a-lost-database.md": "a run with a start time",
    "docs/how-to/a-wrong-map-found-late.md": "a run with a start time",
    "docs/how-to/an-administrators-day.md": "a run with a start time",
    "docs/how-to/deploy-an-experiment.md": "a run with a start time",
    "docs/how-to/files-of-another-module.md": "a run with a start time",
    "docs/how-to/firmware-upgrade.md": "a run with a start time",
    "docs/how-to/follow-another-registry.md": "a run with a start time",
    "docs/how-to/move-from-the-directory.md": "empty registry",
    "docs/how-to/offline-laptop.md": "a run with a start time",
    "docs/python.md": "imported sample",
    "docs/questions.md": "a run with a start time",
    "docs/time-machine.md": "two runs with start times",
    "docs/time-zones.md": "a run with a start time",
    "docs/tutorial.md": "nothing",
}
TESTED_ELSEWHERE = {
    *("docs/plots.md", "docs/formats.md", "docs/formats-inputs.md", "docs/seals.md"),
    *("docs/notebooks/constants.md", "docs/how-to/serve.md", "docs/how-to/constants-in-a-psana2-job.md"),
}
OF_SMALL_PANELS = {"docs/how-to/a-delivery.md"}
ON_A_SERVER = {
    "docs/how-to/facility-on-postgresql.md",
    "docs/how-to/work-offline.md",
    "docs/operations.md",
}


def start_session(template: Path, folder: Path, stand_ins: dict[str, str]) -> Session:
    """Return a session in a folder that holds what the template does."""
    session = Session(copy_template(template, folder), {**stand_ins, HOME: str(folder)})
    session.environment["HOME"] = str(folder)
    session.environment.pop("XDG_CONFIG_HOME", None)
    return session


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.slow
def test_a_page_shows_what_happens(page: str, templates: Path, tmp_path: Path) -> None:
    start_session(templates / PAGES[page], tmp_path, {}).run_document(ROOT / page)


@pytest.mark.slow
def test_the_page_of_a_delivery_shows_what_happens(
    small_panels: None, templates: Path, tmp_path: Path
) -> None:
    session = start_session(templates / "nothing", tmp_path / "calreg", {})
    make_expert_registry(tmp_path / "calreg")
    session.run_document(DOCS / "how-to" / "a-delivery.md")


def test_every_page_with_a_session_or_a_program_is_run() -> None:
    shown = {
        str(page.relative_to(ROOT))
        for page in (ROOT / "README.md", *DOCS.rglob("*.md"))
        if find_blocks(page, "console") or find_blocks(page, "python")
    }
    assert shown == {*PAGES, *TESTED_ELSEWHERE, *OF_SMALL_PANELS, *ON_A_SERVER}


def execute(server: str, statements: str) -> None:
    """Execute SQL as the server's administrator."""
    engine = sa.create_engine(
        sa.make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture
def roles(postgres_server: str) -> Iterator[dict[str, str]]:
    """The names here of the page's roles; they and the database are removed at the end."""
    names = {f"calreg_{role}": f"facility_{role}_{os.getpid()}" for role in ("owner", "writer", "reader")}
    yield names
    execute(postgres_server, f"DROP DATABASE IF EXISTS calreg_facility_{os.getpid()} WITH (FORCE)")
    for name in names.values():
        execute(postgres_server, f"DROP ROLE IF EXISTS {name}")


@pytest.mark.slow
def test_the_page_of_a_facility_on_postgresql_shows_what_happens(
    roles: dict[str, str], postgres_server: str, templates: Path, tmp_path: Path
) -> None:
    page = DOCS / "how-to" / "facility-on-postgresql.md"
    (statements,) = find_blocks(page, "sql")
    database = f"calreg_facility_{os.getpid()}"
    password = "not a secret"  # noqa: S105 - of roles that live as long as this test
    for shown, real in {
        "DATABASE calreg ": f"DATABASE {database} ",
        "'...'": f"'{password}'",
        **roles,
    }.items():
        statements = statements.replace(shown, real)
    execute(postgres_server, statements)
    urls = {
        f"postgresql://{shown}@db.example.org/calreg": sa.make_url(postgres_server)
        .set(username=real, password=None, database=database)
        .render_as_string()
        for shown, real in roles.items()
    }
    stand_ins = {**urls, **roles, "/data/calreg": str(tmp_path / "data")}
    session = start_session(templates / "sample files", tmp_path, stand_ins)
    session.environment["PGPASSWORD"] = password
    session.run_document(page)


@pytest.mark.slow
def test_the_page_of_work_offline_shows_what_happens(templates: Path, tmp_path: Path) -> None:
    session = start_session(templates / "a run with a start time", tmp_path, {})
    location = RegistryLocation(f"sqlite:///{tmp_path / 'registry.sqlite'}", tmp_path / "store")
    with location.open() as registry:
        pin = registry.head.pin
    with serve_in_thread(location) as url:
        session.stand_ins |= {
            "https://calib.example.org": url,
            "/local/ana/calreg": str(tmp_path / "cache"),
            f"{pin[:2]}4f0c9a5e7b21d386": pin,
        }
        session.run_document(DOCS / "how-to" / "work-offline.md")


@pytest.mark.slow
def test_the_page_of_backups_and_moves_shows_what_happens(
    empty_postgres: str, templates: Path, tmp_path: Path
) -> None:
    stand_ins = {
        "postgresql://calib@db.example.org/calreg": empty_postgres,
        "/backup/calreg": str(tmp_path / "backup"),
        "/data/calreg": str(tmp_path / "data"),
        "/media/stick": str(tmp_path / "stick"),
    }
    page = DOCS / "operations.md"
    start_session(templates / "a run with a start time", tmp_path, stand_ins).run_document(page)


def test_every_page_is_reached_from_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#:]+)", index.read_text())}
    pages = {page for page in DOCS.rglob("*.md") if "decisions" not in page.parts}
    assert pages - {index} <= linked
    assert DOCS / "decisions" / "README.md" in linked
    assert "(docs/index.md)" in (ROOT / "README.md").read_text()


def test_every_link_leads_somewhere() -> None:
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")):
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", path.read_text()):
            page = path.parent / target if target else path
            assert page.exists(), f"{path.name} links to {target}"
            assert not anchor or anchor in find_anchors(page), f"{path.name} links to {target}#{anchor}"


def find_anchors(page: Path) -> set[str]:
    """Return the names by which links lead to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.skipif(is_updating(), reason="the page that is compared would be rewritten")
@pytest.mark.slow
def test_a_page_that_shows_something_else_is_rejected(templates: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    session = start_session(templates / "empty registry", tmp_path, {})
    page.write_text("```console\n$ calreg tag list --json\n[]\n```\n")
    session.run_document(page)
    for shown in ("", "[]\n[]\n", "[1]\n"):
        page.write_text(f"```console\n$ calreg tag list --json\n{shown}```\n")
        with pytest.raises(AssertionError):
            session.run_document(page)


@pytest.mark.slow
def test_a_page_is_updated_but_for_times_ids_and_users(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALREG_UPDATE_DOCS", "1")
    page = tmp_path / "page.md"
    registry = "registry  d401e1d6-d8b3-491f-b5a7-41ba9e73712d\n"
    page.write_text(f"One.\n\n```console\n$ calreg init\n{registry}database  elsewhere\n```\n\nTwo.\n")
    start_session(templates / "nothing", tmp_path, {}).run_document(page)
    output = f"{registry}database  sqlite:///registry.sqlite\nstore     {HOME}/store\ntimezone  UTC\n"
    assert page.read_text() == f"One.\n\n```console\n$ calreg init\n{output}```\n\nTwo.\n"
