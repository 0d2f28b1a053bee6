"""No transaction is open on a server while files are copied, however long that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa

from registry.api.backups import restore_registry
from registry.api.copies import copy_registry
from registry.api.forks import fork_registry
from registry.parallel import Advance, Progress, no_progress
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.conftest import make_location
from tests.selection import keep_first

pytestmark = [pytest.mark.small_panels, pytest.mark.slow]

LIMIT_SECONDS = 1.5


@pytest.fixture
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    """A registry with files on PostgreSQL."""
    for created in make_location(request, tmp_path, "postgresql"):
        with created.open() as registry:
            registry.panels.add(PANEL_A)
            registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "first"), valid_from="beginning")
        yield created


def with_limit(url: str) -> str:
    """Return the URL of a database for which no transaction may be idle longer than a moment."""
    options = f"-c idle_in_transaction_session_timeout={LIMIT_SECONDS * 1000:.0f}ms"
    return sa.make_url(url).update_query_dict({"options": options}).render_as_string(hide_password=False)


class Watch:
    """A progress that notes which transactions are idle at every step of some work.

    Parameters
    ----------
    what
        The description of the work.
    first
        Is called at its first step.
    outlasts_limit
        Whether the first step takes longer than the limit.
    """

    def __init__(
        self,
        location: RegistryLocation,
        what: str,
        first: Callable[[], None] = lambda: None,
        *,
        outlasts_limit: bool = False,
    ) -> None:
        self._location, self._what = location, what
        self._first, self._outlasts_limit = first, outlasts_limit
        self.idle: list[str] = []
        self.steps = 0

    @contextmanager
    def __call__(self, description: str, total: int) -> Iterator[Advance]:
        with no_progress(description, total) as advance:

            def wait(*count: int) -> None:
                if description == self._what:
                    if self.steps == 0:
                        self._first()
                    self.steps += 1
                    self._look()
                advance(*count)

            yield wait

    def _look(self) -> None:
        query = "SELECT query FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = :name"
        engine = self._location.engine()
        with engine.connect() as connection:
            name = {"name": sa.make_url(self._location.database).database}
            self.idle += connection.execute(sa.text(query), name).scalars()
        engine.dispose()
        if self._outlasts_limit and self.steps == 1:
            Event().wait(1.5 * LIMIT_SECONDS)


def copy_files(
    kind: str, location: RegistryLocation, folder: Path, progress: Progress, url: str | None = None
) -> int:
    """Copy the registry and its files; return the number of files."""
    url, target = url or location.database, f"sqlite:///{folder / 'copied.sqlite'}"
    if kind == "copy":
        return copy_registry(target, folder, url, location.store, progress=progress).files
    if kind == "fork":
        place = (url, location.store)
        return fork_registry(target, folder / "store", *place, comment="a trial", progress=progress).files
    with RegistryLocation(url, location.store).open() as registry:
        if kind == "backup":
            return registry.backup(folder, progress=progress).files
        return registry.snapshot(folder / "copied.sqlite", store=folder / "store", progress=progress).files


KINDS = ["snapshot", "backup", "copy", "fork"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_transaction_is_open_while_files_are_copied(
    location: RegistryLocation, tmp_path: Path, kind: str
) -> None:
    watch = Watch(location, "copying files")
    assert copy_files(kind, location, tmp_path / "copied", watch) == 6
    assert watch.steps == 6
    assert watch.idle == []


def test_no_transaction_is_open_while_files_are_restored(
    location: RegistryLocation, empty_postgres: str, tmp_path: Path
) -> None:
    with location.open() as registry:
        registry.backup(tmp_path / "backup")
    watch = Watch(RegistryLocation(empty_postgres, tmp_path), "copying files")
    restored = restore_registry(tmp_path / "backup", empty_postgres, tmp_path / "restored", progress=watch)
    assert restored.files == watch.steps == 6
    assert watch.idle == []


@pytest.mark.parametrize("kind", keep_first(KINDS))
def test_rows_are_copied_however_long_the_other_database_takes(
    location: RegistryLocation, tmp_path: Path, kind: str
) -> None:
    watch = Watch(location, "copying rows", outlasts_limit=True)
    url = with_limit(location.database)
    assert copy_files(kind, location, tmp_path / "copied", watch, url) == 6
    assert watch.steps


@pytest.mark.parametrize("kind", ["copy", "fork"])
def test_what_is_recorded_while_files_are_copied_is_copied_as_well(
    location: RegistryLocation, tmp_path: Path, kind: str
) -> None:
    def record() -> None:
        with location.open() as registry:
            registry.panels.add(PANEL_B)
            folder = write_panel_folder(tmp_path / "meanwhile", 5)
            registry.versions.add(PANEL_B, folder, valid_from="beginning")

    watch = Watch(location, "copying files", record)
    assert copy_files(kind, location, tmp_path / "copied", watch) == 12
    assert watch.idle == []
    store = tmp_path / "copied" if kind == "copy" else tmp_path / "copied" / "store"
    with RegistryLocation(f"sqlite:///{tmp_path / 'copied' / 'copied.sqlite'}", store).open() as registry:
        assert registry.verify().problems == ()
