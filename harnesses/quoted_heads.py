"""Quote heads of a registry and of its store while others write: the history contains all of them in the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from registry.database.seals import read_head
from registry.database.transactions import Database
from registry.errors import RegistryError
from registry.heads import HeadFile, StoreHead
from testing.registries import RegistryLocation

_SECONDS = 0.05
_MAX_QUOTED = 2000


@contextmanager
def quote_heads(location: RegistryLocation, quoted: list[str]) -> Iterator[None]:
    """Read both heads again and again meanwhile, and add what they are to `quoted`."""
    done = threading.Event()
    thread = threading.Thread(target=_read_heads, args=(location, quoted, done))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _read_heads(location: RegistryLocation, quoted: list[str], done: threading.Event) -> None:
    file = HeadFile(location.store)
    with closing(Database(location.database)) as database:
        while not done.wait(_SECONDS) and len(quoted) < _MAX_QUOTED:
            with database.read_transaction() as connection:
                quoted.append(str(read_head(connection)))
            state = file.read()
            if state is not None:
                quoted.append(str(state.committed))


def find_wrong_heads(location: RegistryLocation, quoted: list[str]) -> Iterator[str]:
    """Yield what is wrong after the last write: an open or other head of the store, quoted heads that are lost."""
    with closing(Database(location.database)) as database, database.read_transaction() as connection:
        newest = read_head(connection)
    state = HeadFile(location.store).read()
    if state != StoreHead(newest):
        yield f"the newest revision is {newest}, and the store's head is {state}"
    try:
        with location.open() as registry:
            problems = registry.verify(heads=list(dict.fromkeys(quoted))).problems
    except RegistryError as error:
        yield str(error)
    else:
        yield from (f"{problem.path}: {problem.problem}" for problem in problems)
