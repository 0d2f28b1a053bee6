"""Long listings in pages: each is read in a transaction of its own, all of them as of one revision.

What a revision answers never changes, so the pages agree whatever is recorded meanwhile; and however slowly they are
read, no transaction stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from registry.api.backend import Backend, ReadTransaction
from registry.errors import RequestError
from registry.heads import LARGEST_NUMBER
from registry.lookup.revisions import AsOfRef

PAGE_SIZE = 500

_Item = TypeVar("_Item")

ReadPage = Callable[[ReadTransaction, _Item | None, int], tuple[list[_Item], bool]]
"""Returns at most so many items that follow one (the first ones for None), and whether there may be more."""


def iterate_pages(
    backend: Backend, as_of: AsOfRef, limit: int | None, read_page: ReadPage[_Item]
) -> Iterator[_Item]:
    """Yield the items of all pages, at most `limit`."""
    reference = as_of
    left, last, more = limit, None, True
    while more and left != 0:
        with backend.read_transaction(reference) as view:
            page, more = read_page(view, last, PAGE_SIZE if left is None else min(PAGE_SIZE, left))
        yield from page
        if page:
            reference, last = view.pinned, page[-1]
            left = None if left is None else left - len(page)


def refuse_invalid_limit(limit: int | None) -> None:
    """Raise `RequestError` for a limit that is not a number of at least 1."""
    _refuse_below_one(limit, "the limit of a list is a number of at least 1")


def parse_upper_end(before: int | None) -> int:
    """Return the number below which a listing begins; refuse what cannot be a number of a revision or version."""
    _refuse_below_one(before, "a list begins below a number of at least 1")
    return LARGEST_NUMBER if before is None else min(before, LARGEST_NUMBER)


def _refuse_below_one(value: int | None, rule: str) -> None:
    if value is not None and value < 1:
        raise RequestError(f"{rule}, not {value}", value=value)
