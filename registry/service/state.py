"""The state of a worker of the service: the registry that it serves, and what it counts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread

import registry
from registry.api.registry import Registry
from registry.authorship import software_version
from registry.errors import UnavailableError
from registry.service.metrics import Metrics
from registry.service.options import Options
from registry.service.responses import Encoder
from registry.service.served_registry import Opened, ServedRegistry
from registry.settings import Settings, sqlite_file
from registry.store import ContentStore

_Result = TypeVar("_Result")


class State:
    """The state of a worker.

    Parameters
    ----------
    open_registry
        Opens the registry of the settings so that it can only be read.
    """

    def __init__(
        self, settings: Settings, open_registry: Callable[[Settings], Registry], options: Options
    ) -> None:
        self.options = options
        self.encoder = Encoder(options.public, options.token_sha256 is not None)
        self.store = ContentStore(settings.store)
        file = sqlite_file(settings.database)
        self.served = ServedRegistry(lambda: open_registry(settings), file, options.kept_bytes)
        self._single = None if file is None else ThreadPoolExecutor(1)
        self.metrics = Metrics(None if options.counts is None else Path(options.counts))
        self._waiting, self._drawings = 0, 0
        self._limiter: anyio.CapacityLimiter | None = None
        self._drawing_limiter: anyio.CapacityLimiter | None = None

    def close(self) -> None:
        """Close the registry."""
        self.served.close()

    async def confirm(self) -> Opened:
        """Return the registry that is served, with what is kept of it; see `ServedRegistry.confirm`."""
        opened = self.served.get()
        return opened if opened is not None else await self.look_up(self.served.confirm)

    async def look_up(self, function: Callable[[], _Result], *, is_quick: bool = False) -> _Result:
        """Run a function in a thread when one is free; refuse where too many wait already.

        Quick ones on SQLite run one after another: SQLite lets go of the interpreter's lock at every row, and threads
        that take it from each other need twice the time for all of them.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self.options.threads)
        if self._waiting >= self.options.waiting:
            raise UnavailableError("too many requests wait for an answer; try again")
        self._waiting += 1
        try:
            if is_quick and self._single is not None:
                return await asyncio.get_running_loop().run_in_executor(self._single, function)
            return await to_thread.run_sync(function, limiter=self._limiter)
        finally:
            self._waiting -= 1

    async def draw(self, function: Callable[[], _Result]) -> _Result:
        """Run a function that draws, in a thread, one at a time; refuse where too many wait already."""
        if self._drawing_limiter is None:
            self._drawing_limiter = anyio.CapacityLimiter(1)
        if self._drawings >= self.options.drawings:
            raise UnavailableError("too many pictures wait to be drawn; try again")
        self._drawings += 1
        try:
            return await to_thread.run_sync(function, limiter=self._drawing_limiter)
        finally:
            self._drawings -= 1

    def build_etag(self, *parts: str) -> bytes:
        """Return the ETag of an answer that is what its parts say, the software and its options."""
        facts = (find_build(), str(self.options.public), *parts)
        text = "".join(f"{len(fact)}:{fact}" for fact in facts)
        return f'"{hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]}"'.encode()


@cache
def find_build() -> str:
    """Return the software's version with a digest of its source: another build may answer otherwise."""
    digest = hashlib.sha256()
    for path in sorted(Path(registry.__file__).parent.rglob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return f"{software_version()} {digest.hexdigest()}"
