"""Rows of long listings: their first pages against those of a registry of ten revisions, and the memory for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks import works
from benchmarks.bench import Bench
from benchmarks.history import History
from benchmarks.lookups import LoadedHistory, compare, format_count, load, make_repeated_task, require_equal
from benchmarks.rows import Row
from benchmarks.timing import Task

_PAGE = 20
_REACH = 2.0
_SHORT = History(1, 9)
_MAX_MEMORY = 16.0  # MiB


@dataclass(frozen=True, slots=True)
class LogPage:
    """A request for the newest revisions.

    Attributes
    ----------
    panel
        The index of a panel, -1 for the last one; None for all changes.
    part
        Up to which part of the history: see `History.revision_after`.
    """

    panel: int | None = None
    part: float | None = None

    def list_numbers(self, known: LoadedHistory) -> list[int]:
        """Return the numbers of the revisions."""
        history = known.history
        target = None if self.panel is None else history.panel_ids[self.panel]
        as_of = None if self.part is None else history.revision_after(self.part)
        page = known.registry.log(target, as_of=as_of, limit=_PAGE, max_changes=100)
        return [revision.revision for revision in page]

    def find_naive_answer(self, history: History) -> list[int]:
        """Return the same, found by looking at every row."""
        newest = history.revisions if self.part is None else history.revision_after(self.part)
        numbers = set(range(1, newest + 1))
        if self.panel is not None:
            panel = range(1, history.panels + 1)[self.panel]
            rows = [row for row in history.version_rows() if row[3] == panel]
            numbers &= {1, *(number for row in rows for number in row[1:3] if number is not None)}
        return sorted(numbers, reverse=True)[:_PAGE]


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A request for the newest versions: as `LogPage`, live ones or all."""

    panel: int | None = None
    part: float | None = None
    withdrawn: bool = False

    def list_numbers(self, known: LoadedHistory) -> list[int]:
        """Return the numbers of the versions."""
        history = known.history
        target = None if self.panel is None else history.panel_ids[self.panel]
        as_of = None if self.part is None else history.revision_after(self.part)
        page = known.registry.versions.list(target, withdrawn=self.withdrawn, as_of=as_of, limit=_PAGE)
        return [version.version for version in page]

    def find_naive_answer(self, history: History) -> list[int]:
        """Return the same, found by looking at every row."""
        newest = history.revisions if self.part is None else history.revision_after(self.part)
        panel = None if self.panel is None else range(1, history.panels + 1)[self.panel]
        numbers = [
            number
            for number, recorded_in, withdrawn_in, of_panel, *_ in history.version_rows()
            if recorded_in <= newest
            and panel in {None, of_panel}
            and (self.withdrawn or withdrawn_in is None or withdrawn_in > newest)
        ]
        return sorted(numbers, reverse=True)[:_PAGE]


def measure_pages(bench: Bench) -> Iterator[Row]:
    """Measure listings on each database."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from _measure_pages_on(bench, dialect, closing)


def _measure_pages_on(bench: Bench, dialect: str, closing: ExitStack) -> Iterator[Row]:
    panels, starts = bench.scale.look_up_panels, bench.scale.page_starts
    short = load(bench, dialect, _SHORT, closing)
    long = load(bench, dialect, History(panels, starts, quiet=1), closing)
    single = load(bench, dialect, History(1, panels * starts), closing)
    freed = load(bench, dialect, History(panels, starts, withdrawn=True), closing)
    revisions, versions = format_count(long.history.revisions), format_count(long.history.versions)
    for work, known, page in (
        (f"log, {_PAGE} of {revisions}", long, LogPage()),
        (f"log, {_PAGE} of {revisions}, as of half", long, LogPage(part=0.5)),
        (f"log of a panel in {format_count(starts)} of {revisions}", long, LogPage(-1)),
        (f"log of a panel in 2 of {revisions}", long, LogPage(0)),
        (f"log of a panel in all {revisions}", single, LogPage(0)),
        (f"{_PAGE} newest of {versions} versions", long, VersionPage()),
        (f"{_PAGE} newest of {versions}, as of half", long, VersionPage(part=0.5)),
        (f"{_PAGE} newest of {versions}, withdrawn too", long, VersionPage(withdrawn=True)),
        (f"{_PAGE} newest, 9 of 10 withdrawn", freed, VersionPage()),
        ("newest of a panel with 2", long, VersionPage(0)),
        ("newest of a panel with all", single, VersionPage(0)),
        ("newest of a panel with all, withdrawn too", single, VersionPage(0, withdrawn=True)),
    ):
        yield compare(bench, work, known, _make_page_task(known, page), _make_page_task(short, page), _REACH)
    for name, read in (("log", works.read_log), ("list of versions", works.read_versions)):
        peak = bench.measure_peak(read, lambda _: (), lambda: long.location)
        work = f"peak memory, the whole {name}"
        yield Row(work=work, database=dialect, unit="MiB", ours=peak, reach=_MAX_MEMORY)


def _make_page_task(known: LoadedHistory, page: LogPage | VersionPage) -> Task:
    expected = _find_expected(page, known.history)

    def check(_: Path, numbers: list[int]) -> None:
        require_equal(numbers, expected)

    return make_repeated_task(known.scale, lambda: page.list_numbers(known), check)


@cache
def _find_expected(page: LogPage | VersionPage, history: History) -> list[int]:
    return page.find_naive_answer(history)
