"""Long listings of a service, asked for page by page, all as of one pinned revision."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from itertools import chain
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from registry.api.pages import PAGE_SIZE
from registry.api.readings import Reading, find_reading
from registry.api.remote.asking import ask
from registry.lookup.revisions import AsOf, AsOfRef
from registry.records.record_lists import RecordList

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


def make_list_method(method: Callable[..., RecordList[Any]], question: str) -> Any:
    """Return the method of a remote noun that returns the items of all pages of a question, as the local one does."""
    reading = find_reading(f"questions.{question}")
    function = inspect.unwrap(method)
    signature = inspect.signature(function)
    (record,) = get_args(get_type_hints(reading.function)["return"])

    @wraps(function)
    def list_all(self: Any, *values: Any, **options: Any) -> RecordList[Any]:
        arguments = dict(signature.bind(self, *values, **options).arguments)
        del arguments["self"]
        as_of = arguments.pop("as_of", None)
        if has_no_names(arguments):
            self._backend.find_pin(as_of)
            return RecordList(record, ())
        return RecordList(record, chain.from_iterable(ask_pages(self._backend, reading, arguments, as_of)))

    return list_all


def has_no_names(arguments: Mapping[str, Any]) -> bool:
    """Tell whether a list of names is empty, which a URL cannot say: without names it asks for all there is."""
    lists = (arguments.get("names"), arguments.get("panel"))
    return any(names is not None and not isinstance(names, str) and len(names) == 0 for names in lists)


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
