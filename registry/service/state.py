"""The state of a worker of the service: the open registry, its options, and what it keeps and counts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio import to_thread

import registry
from registry.api.registry import Registry
from registry.authorship import software_version
from registry.errors import UnavailableError
from registry.heads import Head
from registry.service.kept_answers import KeptAnswers
from registry.service.metrics import Metrics
from registry.settings import sqlite_file
from registry.store import ContentStore

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a service.

    Attributes
    ----------
    public
        Leave out authors, hosts, commands and paths.
    token_sha256
        The SHA-256 of the token that requests must bear, in hexadecimal digits; None for no token.
    threads
        How many look-ups a worker makes at once.
    waiting
        How many requests may wait for one; more are refused.
    kept_bytes
        The memory of encoded answers, of each worker.
    drawings
        How many requests for pictures may wait, or be drawn; more are refused. One is drawn at a time.
    """

    public: bool = False
    token_sha256: str | None = None
    threads: int = 8
    waiting: int = 256
    kept_bytes: int = 16 << 20
    drawings: int = 16


@dataclass
class State:
    """The state of a worker."""

    registry: Registry
    store: ContentStore
    options: Options
    kept: KeptAnswers = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)
    waiting: int = 0
    drawings: int = 0

    def __post_init__(self) -> None:
        self.kept = KeptAnswers(self.options.kept_bytes)
        self._limiter: anyio.CapacityLimiter | None = None
        url = self.registry._backend.database.url  # noqa: SLF001 - what it is read from
        self._single = ThreadPoolExecutor(1) if sqlite_file(url) else None
        self._drawing_limiter: anyio.CapacityLimiter | None = None

    async def look_up(self, function: Callable[[], _Result], *, is_quick: bool = False) -> _Result:
        """Run a function in a thread when one is free; refuse where too many wait already.

        Quick ones on SQLite run one after another: SQLite lets go of the interpreter's lock at every row, and threads
        that take it from each other need twice the time for all of them.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self.options.threads)
        if self.waiting >= self.options.waiting:
            raise UnavailableError("too many requests wait for an answer; try again")
        self.waiting += 1
        try:
            if is_quick and self._single is not None:
                return await asyncio.get_running_loop().run_in_executor(self._single, function)
            return await to_thread.run_sync(function, limiter=self._limiter)
        finally:
            self.waiting -= 1

    async def draw(self, function: Callable[[], _Result]) -> _Result:
        """Run a function that draws, in a thread, one at a time; refuse where too many wait already."""
        if self._drawing_limiter is None:
            self._drawing_limiter = anyio.CapacityLimiter(1)
        if self.drawings >= self.options.drawings:
            raise UnavailableError("too many pictures wait to be drawn; try again")
        self.drawings += 1
        try:
            return await to_thread.run_sync(function, limiter=self._drawing_limiter)
        finally:
            self.drawings -= 1

    def build_etag(self, *parts: str) -> bytes:
        """Return the ETag of a pinned answer, which needs no look-up."""
        facts = (find_build(), self.registry.id, str(self.options.public), *parts)
        text = "".join(f"{len(fact)}:{fact}" for fact in facts)
        return f'"{hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]}"'.encode()

    def read_head(self, as_of: Any = None) -> tuple[Head, str]:
        """Return a head, by default the newest, and the registry's own time zone."""
        return self.registry.find_head(as_of), self.registry.timezone


@cache
def find_build() -> str:
    """Return the software's version with a digest of its source: another build may answer otherwise."""
    digest = hashlib.sha256()
    for path in sorted(Path(registry.__file__).parent.rglob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return f"{software_version()} {digest.hexdigest()}"
