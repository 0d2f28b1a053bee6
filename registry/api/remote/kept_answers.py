"""The answers of a service that the cache of this machine keeps: for a day like every cache, and for work offline.

Answers are named by the service, the registry, the software that answered, what was shown to whom, and the URL with the
pin in it; so those of another registry, of another history, or of a service that shows less never stand for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from registry import instants
from registry.cache import CacheFolder, EntryKind
from registry.cache.answers import KeptAnswer, encode_answer, name_answer, read_answer
from registry.errors import CacheError, DeniedError, RegistryError
from registry.heads import Head
from registry.instants import Instant
from registry.records.refusals import build_refusal, parse_refusal
from registry.transport import Service

_DAY = 86_400_000_000  # microseconds: as long as the service lets every cache keep an answer
_MAX_SIZE = 64 << 20


class ServedHead(Struct, frozen=True):
    """A head as a service tells it, with what is known of its registry.

    ``public`` where the service leaves out who did what where; ``software`` is the one that answers. ``closed`` is why
    the database takes no writes, and ``warnings`` what it may lack.
    """

    registry: str
    revision: int
    seal: str
    timezone: str
    api: int
    public: bool = False
    software: str = ""
    closed: Any = None
    warnings: tuple[str, ...] = ()

    @property
    def head(self) -> Head:
        """The revision with its seal."""
        return Head(self.revision, self.seal)


class KeptPin(Struct, frozen=True):
    """A pinned revision, as the service named it; ``fetched_at`` is when `fetch` brought something as of it."""

    session: ServedHead
    fetched_at: int | None = None


class _Kept(Struct, frozen=True):
    """The content of an entry: the JSON of an answer, or of a refusal."""

    answer: Any = None
    refusal: Any = None


class KeptPins:
    """The pinned revisions of a service that this machine knows."""

    def __init__(self, service: Service, cache: CacheFolder) -> None:
        self._cache = cache
        self._place = (service.url, f"token {'yes' if service.has_token else 'no'}")

    def find(self, pin: Head) -> KeptPin | None:
        """Return what is kept of a pin; None where that is nothing, or damaged, or of another seal."""
        question = (*self._place, pin.pin)
        answer = _find(self._cache, EntryKind.PIN, question)
        kept = None if answer is None else decode_pin(answer.content)
        if kept is None or kept.session.revision != pin.number or not kept.session.seal.startswith(pin.seal):
            return None
        return kept

    def keep(self, session: ServedHead, *, is_fetched: bool = False) -> None:
        """Keep a pin, unless that is kept."""
        known = self.find(session.head)
        if known is not None and known.session == session and not is_fetched:
            return
        former = None if known is None else known.fetched_at
        fetched_at = int(instants.now()) if is_fetched else former
        content = msgspec.json.encode(KeptPin(session, fetched_at))
        _put(self._cache, EntryKind.PIN, (*self._place, session.head.pin), content)

    def find_latest(self) -> KeptPin | None:
        """Return the pin of which something was fetched last, else the one with the highest number."""
        pins = [*self._list()]
        return max(
            pins,
            key=lambda pin: (pin.fetched_at or 0, pin.session.revision),
            default=None,
        )

    def _list(self) -> Iterator[KeptPin]:
        for name in self._cache.list_entries(EntryKind.PIN):
            answer = self._cache.find(name, lambda handle, name=name: read_answer(handle, name))  # type: ignore[misc]
            if answer is not None and answer.question[: len(self._place)] == self._place:
                kept = decode_pin(answer.content)
                if kept is not None:
                    yield kept


class KeptAnswers:
    """The answers of a service about a registry.

    Parameters
    ----------
    cache
        None where it is switched off.
    is_strict
        Whether a cache that cannot be used is refused: reading goes on without it.
    """

    def __init__(
        self, service: Service, cache: CacheFolder | None, session: ServedHead, *, is_strict: bool = False
    ) -> None:
        self._service, self._cache, self.session, self._is_strict = service, cache, session, is_strict
        self._facts = (
            service.url,
            f"token {'yes' if service.has_token else 'no'}",
            f"public {'yes' if session.public else 'no'}",
            f"registry {session.registry}",
            f"api {session.api}",
            f"software {session.software}",
        )

    def make_strict(self) -> KeptAnswers:
        """Return the same answers; a cache that cannot be used is refused."""
        return KeptAnswers(self._service, self._cache, self.session, is_strict=True)

    def find(self, url: str, *, is_brief: bool = False) -> KeptAnswer | None:
        """Return what was answered, None where that is not kept, or too old to be used.

        Offline every answer is; otherwise one of less than a day, and those that are brief only for who fetches them.
        """
        if self._cache is None or (is_brief and not self._service.is_offline and not self._is_strict):
            return None
        try:
            answer = _find(self._cache, EntryKind.ANSWER, (*self._facts, url))
        except (CacheError, DeniedError):
            if self._is_strict or self._service.is_offline:
                raise
            return None
        if answer is None or self._service.is_offline:
            return answer
        return answer if 0 <= instants.now() - answer.asked_at < _DAY else None

    def keep(self, url: str, content: Any) -> None:
        """Keep what was answered."""
        self._put(url, _Kept(answer=content))

    def keep_refusal(self, url: str, error: RegistryError) -> None:
        """Keep the refusal of what was asked."""
        self._put(url, _Kept(refusal=build_refusal(error)))

    def _put(self, url: str, kept: _Kept) -> None:
        if self._cache is None:
            return
        encoded = msgspec.json.encode(kept)
        if len(encoded) > _MAX_SIZE:
            return
        try:
            _put(self._cache, EntryKind.ANSWER, (*self._facts, url), encoded)
        except (CacheError, DeniedError):
            if self._is_strict:
                raise


def decode_content(answer: KeptAnswer) -> Any:
    """Return the JSON of an answer; raise the refusal that was kept."""
    try:
        kept = msgspec.json.decode(answer.content, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise CacheError("an answer in the cache is not JSON of this software") from None
    error = parse_refusal(kept.refusal)
    if error is not None:
        raise error
    return kept.answer


def format_url(path: str, query: list[tuple[str, str]]) -> str:
    """Return the path and the query of a question."""
    return path + (f"?{urlencode(query)}" if query else "")


def describe_moment(answer: KeptAnswer) -> str:
    """Return the instant at which a service answered."""
    return str(Instant(answer.asked_at))


def _find(cache: CacheFolder, kind: EntryKind, question: tuple[str, ...]) -> KeptAnswer | None:
    name = name_answer(kind, question)
    return cache.find(name, lambda handle: read_answer(handle, name))


def _put(cache: CacheFolder, kind: EntryKind, question: tuple[str, ...], content: bytes) -> None:
    name = name_answer(kind, question)
    entry = encode_answer(KeptAnswer(question, int(instants.now()), content))
    cache.put(name, entry, lambda handle: read_answer(handle, name))


def decode_pin(content: bytes) -> KeptPin | None:
    """Return what an entry says of a pin, None where it says something else."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(content, type=KeptPin)
    return None
