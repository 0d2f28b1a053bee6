"""What the pages of docs/ show is what happens: every command, and what it prints."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from registry import create_registry, open_registry, sample
from tests.sessions import Session, blocks

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
HOME = "/home/ana/calreg"
"""The folder in which the pages work."""


def sample_files(folder: Path) -> None:
    """Make what ``calreg demo`` makes, and the files of another measurement."""
    sample.write_legacy_tree(folder / "tree")
    sample.write_dataset_table(folder / "datasets.txt")
    (folder / "remeasured").mkdir()
    for name, array in sample.panel_arrays("M068 remeasured").items():
        np.save(folder / "remeasured" / name, array)


def empty_registry(folder: Path) -> None:
    sample_files(folder)
    create_registry(f"sqlite:///{folder}/registry.sqlite")


def sample_registry(folder: Path) -> None:
    """Import the sample, and let a run have a begin."""
    empty_registry(folder)
    with (
        chdir(folder),
        open_registry(f"sqlite:///{folder}/registry.sqlite", timezone="America/Los_Angeles") as registry,
    ):
        registry.import_tree("tree")
        registry.runs.import_table("datasets.txt")
        registry.runs.add("exp=xcsls3716:run=631", begin="2018-02-10T08:15:00Z")


def exported_registry(folder: Path) -> None:
    sample_registry(folder)
    with chdir(folder), open_registry(f"sqlite:///{folder}/registry.sqlite") as registry:
        registry.export("exp=xcsls3716:run=631", "constants")


def shells(folder: Path) -> None:
    for each in (".zfunc", ".config/fish/completions"):
        (folder / each).mkdir(parents=True)


PAGES: dict[str, Callable[[Path], None]] = {
    "commands.md": shells,
    "how-to/a-wrong-map-found-late.md": exported_registry,
    "how-to/firmware-upgrade.md": sample_registry,
    "how-to/move-from-the-directory.md": empty_registry,
    "how-to/offline-laptop.md": sample_registry,
    "questions.md": exported_registry,
    "tutorial.md": lambda _: None,
}
ELSEWHERE = {"time-machine.md"}  # has its own test, as the README has
ON_A_SERVER = {"how-to/facility-on-postgresql.md", "operations.md"}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_happens(page: str, tmp_path: Path) -> None:
    PAGES[page](tmp_path)
    session = Session(tmp_path, {HOME: str(tmp_path)})
    session.environment["HOME"] = str(tmp_path)
    session.run_document(DOCS / page)


def test_every_page_with_a_session_is_run() -> None:
    shown = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if blocks(page, "console")}
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
    roles: dict[str, str], postgres_server: str, tmp_path: Path
) -> None:
    page = DOCS / "how-to" / "facility-on-postgresql.md"
    (statements,) = blocks(page, "sql")
    database = f"calreg_facility_{os.getpid()}"
    password = "not a secret"  # noqa: S105 - of roles that live as long as this test
    for shown, real in {
        "DATABASE calreg ": f"DATABASE {database} ",
        "'...'": f"'{password}'",
        **roles,
    }.items():
        statements = statements.replace(shown, real)
    execute(postgres_server, statements)
    sample_files(tmp_path)
    urls = {
        f"postgresql://{shown}@db.example.org/calreg": sa.make_url(postgres_server)
        .set(username=real, password=None, database=database)
        .render_as_string()
        for shown, real in roles.items()
    }
    session = Session(
        tmp_path, {**urls, **roles, "/data/calreg": str(tmp_path / "data"), HOME: str(tmp_path)}
    )
    session.environment["PGPASSWORD"] = password
    session.run_document(page)


def test_the_page_of_backups_and_moves(
    postgres_server: str, empty_postgres: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    sample_registry(tmp_path)
    session = Session(
        tmp_path,
        {
            "postgresql://calib@db.example.org/calreg": empty_postgres,
            "/backup/calreg": str(tmp_path / "backup"),
            "/data/calreg/store": str(tmp_path / "data"),
            "/media/stick": str(tmp_path / "stick"),
            HOME: str(tmp_path),
        },
    )
    session.run_document(DOCS / "operations.md")


def test_every_page_is_reached_from_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#:]+)", index.read_text())}
    pages = {page for page in DOCS.rglob("*.md") if "decisions" not in page.parts}
    assert pages - {index} <= linked
    assert DOCS / "decisions" in linked
    assert "(docs/index.md)" in (ROOT / "README.md").read_text()
