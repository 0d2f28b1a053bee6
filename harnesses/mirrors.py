"""Mirrors: killed while they follow, and following while writers write."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa

from harnesses.commands import Inspection, Rows, Trial
from harnesses.copies import FilledCommand, TransferTrial, find_target
from harnesses.processes import CONTEXT
from harnesses.rows import read_rows
from registry import schema
from registry.api.mirrors import mirror_registry
from registry.database.engine import make_engine, read_transaction
from registry.errors import RegistryError, SchemaError, UnavailableError
from registry.heads import HeadFile, StoreHead
from testing.registries import RegistryFactory, RegistryLocation

_NOT_THERE_YET = ("there is no database", "holds no registry yet", "not finished")
_MAX_SECONDS = 2.0  # of a process that follows, until it is killed


class Mirror(FilledCommand):
    """Follow a registry with a new mirror or, every other round, with one that is behind."""

    name = "mirror"

    def prepare(self) -> None:
        super().prepare()
        self.older = self.factory.make_empty(self.dialect)
        follow(self.template, self.older)
        with self.template.open() as registry:
            registry.versions.withdraw(1, comment="warm")

    def make_trial(self, number: int) -> TransferTrial:
        location = self.factory.copy(self.template)
        target = self.factory.copy(self.older) if number % 2 else self.factory.make_empty(self.dialect)
        arguments = (
            *("--database", target.database, "--store", str(target.store)),
            *("mirror", location.database, "--from-store", str(location.store)),
        )
        return TransferTrial(location, arguments, target)

    def build_arguments(self) -> tuple[str, ...]:
        return ("mirror",)

    def read_state(self, trial: Trial) -> Rows:
        return read_rows(find_target(trial))

    def inspect(self, trial: Trial) -> Inspection:
        inspection, target = super().inspect(trial), find_target(trial)
        if read_rows(target):
            with target.open() as mirror:
                problems = mirror.verify().problems
            inspection.problems.extend(f"mirror: {problem.problem}" for problem in problems)
        return inspection

    def remove(self, trial: Trial) -> None:
        super().remove(trial)
        self.factory.remove(find_target(trial))


def follow(upstream: RegistryLocation, mirror: RegistryLocation) -> None:
    """Bring a mirror up to date."""
    mirror.use_bucket()
    mirror_registry(upstream.database, mirror.database, str(mirror.store), upstream_store=str(upstream.store))


def run_follower(upstream: RegistryLocation, mirror: RegistryLocation, file: Path) -> None:
    """Follow again and again, until this process is killed: its target. Problems are written into a file."""
    while True:
        try:
            follow(upstream, mirror)
        except (
            SchemaError,
            UnavailableError,
        ) as error:  # of a mirror that is followed itself and is being made
            if not any(words in str(error) for words in _NOT_THERE_YET):
                _add_line(file, error)
        except Exception as error:  # noqa: BLE001 - any other error is a finding
            _add_line(file, error)


def _add_line(file: Path, error: Exception) -> None:
    with file.open("a") as lines:
        lines.write(f"a follower: {type(error).__name__}: {error}\n")


@dataclass(slots=True)
class Following:
    """The mirrors that follow while a registry is written; each but the first follows the one before it.

    Attributes
    ----------
    kills
        The number of processes that were killed while they followed.
    """

    locations: list[RegistryLocation]
    kills: int = 0
    problems: list[str] = field(default_factory=list)


@contextmanager
def follow_meanwhile(
    factory: RegistryFactory, location: RegistryLocation, mirrors: int, seed: int
) -> Iterator[Following]:
    """Let mirrors follow each other meanwhile, killed again and again; in the end they have all of the registry."""
    chain = [location, *(factory.make_empty("sqlite") for _ in range(mirrors))]
    following, done = Following(chain[1:]), threading.Event()
    threads = [
        threading.Thread(target=_keep_following, args=(*pair, f"{seed} {number}", following, done))
        for number, pair in enumerate(pairwise(chain))
    ]
    for thread in threads:
        thread.start()
    try:
        yield following
    finally:
        done.set()
        for thread in threads:
            thread.join()
    for upstream, mirror in pairwise(chain):
        try:
            follow(upstream, mirror)
            following.problems += _compare(location, mirror)
        except RegistryError as error:
            following.problems.append(f"a mirror in the end: {type(error).__name__}: {error}")
        file = mirror.folder / "problems"
        following.problems += file.read_text().splitlines() if file.exists() else []
    for mirror in chain[1:]:
        factory.remove(mirror)


def _keep_following(
    upstream: RegistryLocation,
    mirror: RegistryLocation,
    seed: str,
    following: Following,
    done: threading.Event,
) -> None:
    """Start a process that follows, kill it after some time, and so on."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    while not done.is_set():
        process = CONTEXT.Process(target=run_follower, args=(upstream, mirror, mirror.folder / "problems"))
        process.start()
        done.wait(rng.uniform(0, _MAX_SECONDS))
        process.kill()
        process.join()
        following.kills += 1


def _compare(location: RegistryLocation, mirror: RegistryLocation) -> Iterator[str]:
    """Yield what a mirror has otherwise than the registry: seals, the head of its store, what verify finds."""
    seals, mirrored = _read_seals(location), _read_seals(mirror)
    if seals != mirrored:
        yield f"a mirror has {len(mirrored)} seals, the registry {len(seals)}, not the same"
    with mirror.open() as registry:
        head = registry.head
        yield from (f"mirror: {problem.path}: {problem.problem}" for problem in registry.verify().problems)
    if HeadFile(mirror.store).read() != StoreHead(head):
        yield f"the newest revision of a mirror is {head}, and its store's head another one"


def _read_seals(location: RegistryLocation) -> list[tuple[int, str]]:
    engine = make_engine(location.database)
    seal = schema.seal.c
    with read_transaction(engine) as connection:
        rows = connection.execute(sa.select(seal.revision, seal.digest).order_by(seal.revision)).all()
    engine.dispose()
    return [(row.revision, row.digest) for row in rows]
