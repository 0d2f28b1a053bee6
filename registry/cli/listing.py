"""Long listings: printed while they are read, cut where the user says so, with a note on how to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from registry.cli import output

_Item = TypeVar("_Item")


class Listing(Iterator[_Item], Generic[_Item]):
    """The first items of an iterator, at most `limit`; the iterator has one more if there are more to list.

    Attributes
    ----------
    last
        The item that was read last, None before the first one.
    is_cut
        Whether there are more than `limit`; known when these have been read.
    """

    def __init__(self, items: Iterator[_Item], limit: int | None) -> None:
        self._items, self._left = items, limit
        self.last: _Item | None = None
        self.is_cut = False

    def __next__(self) -> _Item:
        if self._left == 0:
            self.is_cut = self.is_cut or next(self._items, None) is not None
            raise StopIteration
        self.last = next(self._items)
        self._left = None if self._left is None else self._left - 1
        return self.last


def add_one(limit: int | None) -> int | None:
    """Return the limit of a request whose answer shows whether there is more than a listing of `limit` items."""
    return limit if limit is None or limit < 1 else limit + 1  # one below 1 is refused as it is


def print_listing(
    listing: Listing[_Item],
    print_for_people: Callable[[Iterable[_Item]], None],
    number_of: Callable[[_Item], int],
    *,
    as_json: bool,
    empty_verb: str | None,
) -> None:
    """Print a listing as JSON or text; then, on stderr, how to go on where it is cut.

    `empty_verb` is the one whose next step is shown where nothing is listed.
    """
    output.print_answer(listing, print_for_people, as_json=as_json)
    if listing.is_cut and listing.last is not None:
        output.print_notes(notes=[f"there are more; --before {number_of(listing.last)} lists the next ones"])
    if listing.last is None and empty_verb and not as_json:
        output.print_next_step(empty_verb)
