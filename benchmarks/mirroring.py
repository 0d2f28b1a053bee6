"""A mirror of a long history against a copy of the same registry, and of one more revision."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from benchmarks.bench import Bench
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task, compute_spread
from registry import schema
from registry.api.copies import copy_registry
from registry.api.mirrors import mirror_registry
from registry.database.guards.installation import disable_guards
from registry.database.seal_text import digest_lines, lines_of, seal_registry, seal_text, write_text
from testing.registries import RegistryLocation

_REVISIONS = 100_000
_RATIO = 2.0  # of a mirror to a copy
_ONE_MORE = 0.1  # seconds
_ROUNDS = 3
_SHORT_ROUNDS = 10


def measure_mirrors(bench: Bench) -> Iterator[Row]:
    """Measure how long a mirror of many revisions takes, beside a copy of them; then of one more."""
    revisions = round(_REVISIONS * bench.scale.effort)
    location = bench.factory.make("sqlite")
    record_revisions(location, revisions)
    copies = bench.folder / "sources"
    for number in range(bench.count(_ROUNDS) + 1):  # a copy closes what it is made from
        shutil.copytree(location.folder, copies / str(number))
    unused = iter(sorted(copies.iterdir()))
    tasks = {
        "ours": Task(partial(_follow, location)),
        "baseline": Task(lambda folder: _copy(next(unused), folder)),
    }
    seconds = bench.time(tasks, _ROUNDS)
    yield make_timed_row(
        f"mirror of {revisions:,} revisions, beside a copy", seconds, database="sqlite", reach=_RATIO
    )
    mirror = bench.folder / "mirror"
    _follow(location, mirror)

    def record(_folder: Path) -> None:
        with location.open() as registry:
            registry.tags.add(f"tag{registry.head.number}")

    one_more = bench.time({"ours": Task(lambda _: _follow(location, mirror), prepare=record)}, _SHORT_ROUNDS)
    shutil.rmtree(copies)
    shutil.rmtree(mirror)
    bench.factory.remove(location)
    yield Row(
        work="mirror of one more revision",
        database="sqlite",
        ours=compute_spread(one_more["ours"]).median,
        reach=_ONE_MORE,
        seconds=one_more,
    )


def _follow(location: RegistryLocation, folder: Path) -> None:
    mirror_registry(location.database, f"sqlite:///{folder / 'mirror.sqlite'}", folder / "store")


def _copy(source: Path, folder: Path) -> None:
    former = RegistryLocation.in_folder(source)
    copy_registry(
        f"sqlite:///{folder / 'copy.sqlite'}", folder / "store", former.database, former.store_folder
    )


def record_revisions(location: RegistryLocation, count: int) -> None:
    """Record so many revisions of one run each, with their seals, behind the guards: quickly."""
    engine = location.engine()
    with engine.begin() as connection, disable_guards(connection):
        registry = connection.execute(sa.select(schema.registry)).one()
        previous = seal_registry(registry.id, registry.created_at)
        revisions, runs, seals = [], [], []
        for number in range(1, count + 1):
            revision = {
                "number": number,
                "recorded_at": 1_600_000_000_000_000 + number,
                "author": "ana",
                "database_role": None,
                "host": "beamline",
                "command": "calreg run add",
                "comment": None,
                "software": "calreg 0",
            }
            run = {
                "id": number,
                "recorded_in": number,
                "withdrawn_in": None,
                "experiment": "xcs",
                "number": number,
                "begin_at": 1_500_000_000_000_000 + number,
                "end_at": None,
            }
            facts = {
                name: digest_lines(1, lines_of(name).encode_mappings([row]))
                for name, row in (("revision", revision), ("run", run))
            }
            text = write_text(number, previous, facts)
            previous = seal_text(text)
            revisions.append(revision)
            runs.append(run)
            seals.append({"revision": number, "digest": previous, "text": text, "export": None, "late": None})
        connection.execute(schema.revision.insert(), revisions)
        connection.execute(schema.run.insert(), runs)
        connection.execute(schema.seal.insert(), seals)
    engine.dispose()
