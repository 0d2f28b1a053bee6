"""Ask a service a question: the arguments of a method go into a URL, and what comes back is what the method returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING, Any, NoReturn, get_args, get_origin

import msgspec

from registry.api.parameters import Sort
from registry.api.readings import RECORD, Freshness, Reading, find_reading
from registry.api.remote.kept_answers import decode_content, describe_moment, format_url
from registry.database.closing import Closure
from registry.errors import (
    NotFoundError,
    NotValidError,
    OfflineError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.heads import Head, shorten_seal
from registry.identifiers import quote
from registry.instants import BEGINNING, Instant, parse_iso
from registry.lookup.revisions import AsOfRef
from registry.records.record_lists import RecordList

if TYPE_CHECKING:
    from registry.api.remote.backend import RemoteBackend


_DOTS = frozenset({".", ".."})
_SOUGHT = frozenset({"name", "source"})
"""Parameters whose unknown values are not found, and not malformed."""

_INNER = frozenset({"form", "skip", "limit"})
"""Parameters of a URL that nobody has asked for: the form of the answer, and its pages."""


def ask(backend: RemoteBackend, reading: Reading, arguments: Mapping[str, Any], as_of: AsOfRef = None) -> Any:
    """Return the answer of the service to a question as of a revision; raise its refusal."""
    stated = {
        parameter.name: _state(backend, parameter.sort, arguments[parameter.name], as_of)
        for parameter in reading.parameters
        if arguments.get(parameter.name) is not None
    }
    _refuse_unsendable(reading, stated)
    path, query = reading.format(stated)
    pin = backend.find_pin(as_of).pin
    if reading.is_live:
        path, query = f"/v1/{path}", [*query, ("as_of", pin), ("form", RECORD)]
    else:
        path, query = f"/v1/r/{pin}/{path}", [*query, ("form", RECORD)]
    return decode(backend, _get(backend, reading, path, query), reading.answer_type)


def _refuse_unsendable(reading: Reading, arguments: Mapping[str, Any]) -> None:
    """Refuse texts that no URL carries; none of them is the name of anything."""
    for parameter in reading.parameters:
        for text in parameter.format(arguments.get(parameter.name)):
            is_path = parameter.name in reading.path_names
            if _is_text(text) and not (is_path and (text in _DOTS or "\n" in text)):
                continue
            error_class = NotFoundError if parameter.name in _SOUGHT else RequestError
            raise error_class(
                f"{quote(text)} is not the name of anything, and not asked of a service: a URL cannot have it",
                parameter=parameter.url_name,
            )


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _get(backend: RemoteBackend, reading: Reading, path: str, query: list[tuple[str, str]]) -> Any:
    """Return what is kept of the answer to a question, else what the service answers, which is then kept."""
    if not reading.is_keepable:
        if backend.service.is_offline:
            raise OfflineError(
                f"the answer of {path} is not of one revision, so none is kept, and CALREG_OFFLINE lets the service"
                f" {backend.service.url} not be asked",
                service=backend.service.url,
            )
        return backend.service.get(path, query)
    url, is_brief = format_url(path, query), reading.freshness is Freshness.BRIEF
    kept = backend.kept.find(url, is_brief=is_brief)
    if kept is not None:
        if is_brief and backend.service.is_offline and backend.note is not None:
            backend.note(
                f"answered at {describe_moment(kept)}: what is not of a revision may have changed since"
            )
        return decode_content(kept)
    if backend.service.is_offline:
        shown = format_url(path, [item for item in query if item[0] not in _INNER])
        raise OfflineError(
            f"the answer of {shown} is not in the cache, and CALREG_OFFLINE lets the service"
            f" {backend.service.url} not be asked",
            remedy=Remedy.ASK_ONCE,
            service=backend.service.url,
        )
    try:
        content = backend.service.get(path, query)
    except (NotFoundError, NotValidError) as refusal:
        if reading.freshness is Freshness.PINNED:
            backend.kept.keep_refusal(url, refusal)
        raise
    backend.kept.keep(url, content)
    return content


def _state(backend: RemoteBackend, sort: Sort, value: Any, as_of: AsOfRef) -> Any:
    """Return an argument so that it means the same in any zone, and at any moment."""
    if sort is Sort.INSTANT:
        return backend.parse_optional_instant(value, as_of)
    if sort is Sort.REVISION:
        head = backend.find_pin(value)
        return Head(head.number, shorten_seal(head.seal))
    return value


def decode(backend: RemoteBackend, content: Any, answer_type: Any) -> Any:
    """Return the record of an answer; refuse one that is of another form."""
    (record,) = get_args(answer_type) if get_origin(answer_type) is RecordList else (None,)
    try:
        if record is not None:
            items = msgspec.convert(content, GenericAlias(list, (record,)), dec_hook=decode_value)
            return RecordList(record, items)
        return msgspec.convert(content, answer_type, dec_hook=decode_value)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise UnavailableError(
            f"the service {backend.service.url} cannot be used: its answer is of another form than this software"
            f" expects ({' '.join(str(error).split())[:200]}); one of the two may be of another version",
            service=backend.service.url,
        ) from None


def decode_value(kind: type, value: Any) -> Any:
    """Return a value of a record that JSON has no type for."""
    if kind is Instant:
        return BEGINNING if value is None else parse_iso(value)
    if kind is Path:
        return Path(value)
    raise TypeError(f"a {kind.__name__} has no JSON")


def make_method(name: str) -> Any:
    """Return the method of a remote noun that asks the question with this name, with the arguments of the local one."""
    reading = find_reading(name)
    signature = inspect.signature(reading.function)

    @wraps(reading.function)
    def method(self: Any, *values: Any, **options: Any) -> Any:
        arguments = dict(signature.bind(self, *values, **options).arguments)
        del arguments["self"]
        as_of = arguments.pop("as_of", None)
        return ask(self._backend, reading, arguments, as_of)

    return method


def refuse_method(method: Callable[..., Any]) -> Any:
    """Return a method that is refused, because it needs the database of the registry."""

    @wraps(method)
    def refuse(self: Any, *_values: Any, **_options: Any) -> NoReturn:
        with self._backend.read_transaction():
            raise AssertionError  # never reached: a remote registry has none

    return refuse


def decode_closure(content: Any) -> Closure | None:
    """Return why the database of a service takes no writes; None where it takes them, or newer software says it."""
    try:
        return msgspec.convert(content, Closure | None, dec_hook=decode_value)
    except (msgspec.ValidationError, ValueError, TypeError):
        return None
