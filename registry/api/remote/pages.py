"""Long listings of a service, asked for page by page, all as of one pinned revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.api.pages import PAGE_SIZE
from registry.api.readings import Reading
from registry.api.remote.asking import ask
from registry.lookup.revisions import AsOf, AsOfRef

if TYPE_CHECKING:
    from registry.api.remote.backend import RemoteBackend


def iterate_pages(
    backend: RemoteBackend,
    reading: Reading,
    arguments: Mapping[str, Any],
    as_of: AsOf,
    limit: int | None,
    order: tuple[str, str],
) -> Iterator[Any]:
    """Yield the items of all pages, at most `limit`.

    `order` is the parameter with which the next page begins, and the attribute of the last item that it takes.
    """
    parameter, attribute = order
    question, pin, left = dict(arguments), backend.find_pin(as_of), limit
    while left != 0:
        size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
        page = ask(backend, reading, {**question, "limit": size}, pin)
        yield from page
        if len(page) < size:
            return
        question[parameter] = getattr(page[-1], attribute)
        left = None if left is None else left - len(page)


def ask_pages(
    backend: RemoteBackend, reading: Reading, arguments: Mapping[str, Any], as_of: AsOfRef = None
) -> Iterator[Any]:
    """Yield the answers to a question with the parameter ``skip``, page by page, until one is not full."""
    pin, skip, count = backend.find_pin(as_of), 0, reading.page
    while count == reading.page:
        answer = ask(backend, reading, {**arguments, "skip": skip, "limit": reading.page}, pin)
        count = len(reading.items(answer))
        skip += count
        yield answer
