"""Rows of copies: backup, snapshot, restoration, move and verification, against a bare copy and check of the file.

They are whole processes, in two registries that have grown: processor seconds on SQLite, the time that passed on
PostgreSQL. The stored files are where they are copied to before the clock starts: what is measured is the database. The
baseline copies the file of a backup by SQLite's online backup and checks the copy by ``integrity_check``.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.growth import time_process
from benchmarks.loading import load_history
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Seconds
from testing.registries import RegistryLocation

_REACH = 3.0
_ROUNDS = 3
_WORKS = ("backup, first", "backup, one revision new", "snapshot", "restore", "verify", "copy")


def measure_copies(bench: Bench) -> Iterator[Row]:
    """Measure every verb on each database, at two sizes."""
    for dialect in bench.databases:
        for growth in bench.scale.grown:
            location = bench.factory.make(dialect)
            stored = replace(growth, has_files=True)
            load_history(location, stored)
            stored.write_files(Path(str(location.store)))
            seconds: dict[str, Seconds] = {work: {"ours": [], "baseline": []} for work in _WORKS}
            for number in range(bench.count(_ROUNDS)):
                folder = bench.folder / f"copied-{dialect}-{growth.versions}-{number}"
                _measure_round(bench, dialect, location, folder, seconds)
                shutil.rmtree(folder)
            for work, times in seconds.items():
                name = f"{work}, {growth.versions} versions"
                yield make_timed_row(name, times, database=dialect, reach=_REACH)


def _measure_round(
    bench: Bench, dialect: str, location: RegistryLocation, folder: Path, seconds: dict[str, Seconds]
) -> None:
    """Run each verb once; the move is of the registry that was restored."""
    backup = folder / "backup"
    _link_files(location, backup)
    restored = bench.factory.make_empty(dialect)
    _link_files(location, Path(str(restored.store)))
    moved = bench.factory.make_empty(dialect)
    ours = {
        "backup, first": (["backup", str(backup)], location),
        "backup, one revision new": (["backup", str(backup)], location),
        "snapshot": (["snapshot", str(folder / "s.sqlite"), "--to-store", str(location.store)], location),
        "restore": (["restore", str(backup)], restored),
        "verify": (["verify"], location),
        "copy": (["copy", "--to", moved.database], restored),
    }
    for work in _WORKS:
        if work == "backup, one revision new":
            with location.open() as registry:
                registry.tags.add(f"t{time.monotonic_ns()}")
        words, place = ours[work]
        seconds[work]["ours"].append(time_process(words, place, 0))
        (file,) = backup.glob("registry-*.sqlite")
        seconds[work]["baseline"].append(_copy_and_check(file, folder / "bare.sqlite"))


def _link_files(location: RegistryLocation, store: Path) -> None:
    """Put the stored files into another store, which costs no bytes."""
    source = Path(str(location.store))
    store.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source / "objects", store / "objects", copy_function=os.link)
    shutil.copy(source / "registry.json", store)


def _copy_and_check(file: Path, target: Path) -> float:
    """Copy a file by SQLite's online backup, and check the copy; return the processor seconds."""
    start = time.process_time()
    with (
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        if copy.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise AssertionError(f"{file} is damaged")
    passed = time.process_time() - start
    target.unlink()
    return passed
