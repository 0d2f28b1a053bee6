"""What the pages of docs/ show is what happens: every command, and what it prints."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from registry import create_registry, open_registry, sample
from tests.sessions import Session, find_blocks

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
HOME = "/home/ana/calreg"
"""The folder in which the pages work."""


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders from which pages begin, each made of the one before it."""
    root = tmp_path_factory.mktemp("templates")
    (root / "nothing" / ".zfunc").mkdir(parents=True)
    (root / "nothing" / ".config" / "fish" / "completions").mkdir(parents=True)
    before = root / "nothing"
    for name, make in MAKE.items():
        before = shutil.copytree(before, root / name, symlinks=True)
        make(before)
    return root


def sample_files(folder: Path) -> None:
    """Make what ``calreg demo`` makes, and the files of another measurement."""
    sample.write_legacy_tree(folder / "tree")
    sample.write_dataset_table(folder / "datasets.txt")
    (folder / "remeasured").mkdir()
    for name, array in sample.panel_arrays("M068 remeasured").items():
        np.save(folder / "remeasured" / name, array)


def empty_registry(folder: Path) -> None:
    create_registry(f"sqlite:///{folder}/registry.sqlite")


def sample_registry(folder: Path) -> None:
    """Import the sample, and let a run have a begin."""
    url = f"sqlite:///{folder}/registry.sqlite"
    with chdir(folder), open_registry(url, timezone="America/Los_Angeles") as registry:
        registry.import_tree("tree")
        registry.runs.import_table("datasets.txt")
        registry.runs.add("exp=xcsls3716:run=631", begin="2018-02-10T08:15:00Z")


MAKE: dict[str, Callable[[Path], None]] = {
    "sample files": sample_files,
    "empty registry": empty_registry,
    "sample registry": sample_registry,
}
PAGES = {
    "install.md": "nothing",
    "how-to/a-wrong-map-found-late.md": "sample registry",
    "how-to/firmware-upgrade.md": "sample registry",
    "how-to/move-from-the-directory.md": "empty registry",
    "how-to/offline-laptop.md": "sample registry",
    "questions.md": "sample registry",
    "tutorial.md": "nothing",
}
ELSEWHERE = {"plots.md", "time-machine.md"}  # have tests of their own, as the README has
ON_A_SERVER = {"how-to/facility-on-postgresql.md", "operations.md"}


def begun(template: Path, folder: Path, places: dict[str, str]) -> Session:
    """Return a session in a folder that holds what the template does."""
    shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True)
    session = Session(folder, {**places, HOME: str(folder)})
    session.environment["HOME"] = str(folder)
    return session


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_happens(page: str, templates: Path, tmp_path: Path) -> None:
    begun(templates / PAGES[page], tmp_path, {}).run_document(DOCS / page)


def test_every_page_with_a_session_is_run() -> None:
    shown = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if find_blocks(page, "console")}
    assert shown == {*PAGES, *ELSEWHERE, *ON_A_SERVER}


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
    """What the roles and the database of the page are called here; they are removed at the end."""
    names = {f"calreg_{role}": f"facility_{role}_{os.getpid()}" for role in ("owner", "writer", "reader")}
    yield names
    execute(postgres_server, f"DROP DATABASE IF EXISTS calreg_facility_{os.getpid()} WITH (FORCE)")
    for name in names.values():
        execute(postgres_server, f"DROP ROLE IF EXISTS {name}")


def test_the_page_of_a_facility_on_postgresql(
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
    places = {**urls, **roles, "/data/calreg": str(tmp_path / "data")}
    session = begun(templates / "sample files", tmp_path, places)
    session.environment["PGPASSWORD"] = password
    session.run_document(page)


def test_the_page_of_backups_and_moves(empty_postgres: str, templates: Path, tmp_path: Path) -> None:
    places = {
        "postgresql://calib@db.example.org/calreg": empty_postgres,
        "/backup/calreg": str(tmp_path / "backup"),
        "/data/calreg": str(tmp_path / "data"),
        "/media/stick": str(tmp_path / "stick"),
    }
    begun(templates / "sample registry", tmp_path, places).run_document(DOCS / "operations.md")


def test_every_page_is_reached_from_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#:]+)", index.read_text())}
    pages = {page for page in DOCS.rglob("*.md") if "decisions" not in page.parts}
    assert pages - {index} <= linked
    assert DOCS / "decisions" in linked
    assert "(docs/index.md)" in (ROOT / "README.md").read_text()
