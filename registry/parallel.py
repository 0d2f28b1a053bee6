"""Work of several threads, and how long work reports how far it is.

Reading, hashing, writing and syncing release the interpreter's lock, so threads share the processors.
"""

from __future__ import annotations

import gc
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Generic, Protocol, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

CPU_COUNT = os.cpu_count() or 1


class Advance(Protocol):
    """Called when a step is done, or several at once, from any thread."""

    def __call__(self, steps: int = 1, /) -> None:
        """Count them."""


# Called with a description and the number of steps.
Progress = Callable[[str, int], AbstractContextManager[Advance]]


class _Collector(threading.local):
    """The collector of garbage, which may be at work in this thread, and ends generators that nobody refers to."""

    is_at_work = False


_collector = _Collector()


def _note_collection(phase: str, _information: dict[str, int]) -> None:
    _collector.is_at_work = phase == "start"


# It may be at work while a thread is being started or joined: CPython holds a lock then that is taken to wait for the
# end of a thread, and who waits in the same thread waits for ever.
gc.callbacks.append(_note_collection)


class WorkerPool(ThreadPoolExecutor):
    """Threads that work, fewer where the system lets this user start no more; without any the caller's works."""

    _is_alone = False

    def submit(self, function: Callable[..., _Result], /, *args: Any, **options: Any) -> Future[_Result]:
        """Give a thread something to do."""
        if not self._is_alone:
            try:
                return super().submit(function, *args, **options)
            except RuntimeError as error:
                _raise_unless_limited(error)
                self._is_alone = True
        return _PostponedResult(lambda: function(*args, **options))

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            _raise_unless_limited(error)
            if not self._threads:
                raise


class _PostponedResult(Future[_Result]):
    """A result that is computed when it is asked for, once."""

    def __init__(self, compute: Callable[[], _Result]) -> None:
        super().__init__()
        self._compute = compute

    def result(self, timeout: float | None = None) -> _Result:  # noqa: ARG002 - the shape of every Future
        """Compute it."""
        return self._compute()


def _raise_unless_limited(error: RuntimeError) -> None:
    """Raise an error again, unless it says that there are no more threads: Python has no class for that."""
    if "new thread" not in str(error):
        raise error


@contextmanager
def no_progress(description: str, total: int) -> Iterator[Advance]:  # noqa: ARG001 - the shape of every Progress
    """Show nothing."""
    yield lambda _steps=1: None


def map_in_threads(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    threads: int = CPU_COUNT,
    max_pending: int | None = None,
) -> Iterator[_Result]:
    """Yield ``function(item)`` of every item in their order, while threads work on the next ones.

    At most `max_pending` items beyond the one that is yielded are in work or wait, by default as many as there are
    threads: more even out items that take now longer, now shorter. The error of the first failing item is raised in
    its turn; then, and when the caller stops, no further item is begun.
    """
    results: deque[Future[_Result]] = deque()
    limit = threads if max_pending is None else max_pending
    pool = WorkerPool(threads)
    try:
        for item in items:
            results.append(pool.submit(function, item))
            if len(results) > limit:
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
    finally:
        pool.shutdown(wait=not _collector.is_at_work, cancel_futures=True)


def parallel_for_each(
    function: Callable[[_Item], object], items: Iterable[_Item], threads: int = CPU_COUNT
) -> None:
    """Call ``function(item)`` for every item, in this thread and in others; a free thread takes the next item.

    Cheaper than `map_in_threads` where the results are not needed. The error of the first failing item is raised when
    those before it are done; after a failure no further item is begun.
    """
    queue = _WorkQueue(items)
    try:
        with WorkerPool(max(1, threads - 1)) as pool:
            others = [pool.submit(queue.run_all, function) for _ in range(threads - 1)]
            queue.run_all(function)
        for other in others:
            other.result()
    finally:
        if queue.failures:
            raise queue.failures[min(queue.failures)]


class _WorkQueue(Generic[_Item]):
    """Items that several threads take, one thread an item, and the errors of those that failed, by their index."""

    def __init__(self, items: Iterable[_Item]) -> None:
        self._items = enumerate(items)
        self._lock = threading.Lock()
        self.failures: dict[int, BaseException] = {}

    def run_all(self, function: Callable[[_Item], object]) -> None:
        while (numbered := self._next_item()) is not None:
            index, item = numbered
            try:
                function(item)
            except BaseException as error:
                self.failures[index] = error
                raise

    def _next_item(self) -> tuple[int, _Item] | None:
        with self._lock:
            return None if self.failures else next(self._items, None)
