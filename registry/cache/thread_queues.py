"""The threads of a process that want the same entry wait in a queue of their own: one of them polls for its lock.

Dozens of threads that poll take a processor from the thread that makes the entry. A queue saves work, and protects
nothing: the lock does. So a thread that has waited for a while goes on all the same.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registry.cache.names import EntryName

_WAIT_SECONDS = 1.0


@dataclass(slots=True)
class _Queue:
    lock: threading.Lock = field(default_factory=threading.Lock)
    threads: int = 0


# A child has no other threads that could leave a queue. Reentrant: a signal's handler may fork.
_guard = threading.RLock()
_queues: dict[tuple[Path, EntryName], _Queue] = {}


@contextmanager
def queue_threads(folder: Path, name: EntryName) -> Iterator[None]:
    """Let the threads of this process through one after another, as long as none takes long."""
    key = (folder, name)
    with _guard:
        queue = _queues.setdefault(key, _Queue())
        queue.threads += 1
    is_held = queue.lock.acquire(timeout=_WAIT_SECONDS)
    try:
        yield
    finally:
        if is_held:
            queue.lock.release()
        with _guard:
            queue.threads -= 1
            if not queue.threads and _queues.get(key) is queue:
                del _queues[key]


def _forget_queues() -> None:
    """Forget the threads of the parent in a child."""
    _queues.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_forget_queues)
