"""The service of a remote registry in the place of its database, and its objects in the place of its store."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, NoReturn, cast

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from registry.api.backend import Backend
from registry.api.questions import ExportFacts
from registry.api.readings import API, find_reading
from registry.api.remote.asking import ask
from registry.api.remote.kept_answers import KeptAnswers, ServedHead, decode_content, format_url
from registry.api.remote.pages import ask_pages
from registry.database.closing import Closure
from registry.errors import ConflictError, OfflineError, Remedy, SchemaError, UnavailableError
from registry.heads import LARGEST_NUMBER, Head
from registry.identifiers import Dataset, quote
from registry.instants import BEGINNING, EARLIEST, Instant
from registry.lookup.revisions import (
    AsOfRef,
    RevisionRef,
    count_back,
    later_revision_error,
    unknown_revision_error,
)
from registry.lookup.run_instants import require_start
from registry.lookup.tags import word_and_tag_error
from registry.parallel import map_in_threads
from registry.timezones import find_recorded_zone
from registry.transport import Service

_REQUESTS_AT_ONCE = 8  # as many as a worker looks up at once


class ServedDatabase:
    """Stands where a local registry has its database; what only a database can do is refused."""

    def __init__(self, service: Service, registry_id: str, closure: Closure | None = None) -> None:
        self.service, self.registry_id, self.closure = service, registry_id, closure
        self.url = self.name = service.url

    def close(self) -> None:
        """Close the connections to the service."""
        self.service.close()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ConflictError(
            f"the registry is read through the service {self.url}, which answers questions and records nothing:"
            " this needs its database",
            service=self.url,
        )


@dataclass(frozen=True, slots=True)
class RemoteBackend(Backend):
    """A service and its objects. Every answer is as of the revision that was pinned at first, or of an earlier one."""

    pin: Head = field(default_factory=lambda: Head(0, "0" * 64))
    zone: str = "UTC"
    heads: dict[RevisionRef, Head] = field(default_factory=dict)
    answers: KeptAnswers | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_remote(self) -> bool:
        """True: only answers can be had."""
        return True

    @property
    def service(self) -> Service:
        """The service."""
        return cast("ServedDatabase", self.database).service

    @property
    def kept(self) -> KeptAnswers:
        """The answers that the cache of this machine keeps."""
        assert self.answers is not None  # noqa: S101 - of an open session
        return self.answers

    def answer(self, question: Callable[..., Any], *values: Any, **options: Any) -> Any:
        """Ask the service what the question would return of its registry."""
        reading = find_reading(f"questions.{question.__name__}")
        arguments = dict(inspect.signature(question).bind(self, *values, **options).arguments)
        as_of = arguments.pop("as_of", None)
        answer = ask(self, reading, arguments, as_of)
        if isinstance(answer, ExportFacts) and as_of is None:  # of the newest revision, as it was told
            return replace(answer, beside=(*answer.beside, *self.warnings))
        return answer

    def answer_batches(
        self, question: Callable[..., Any], batches: Sequence[Sequence[str]], **options: Any
    ) -> Iterator[Any]:
        """Yield the answers of the service to a question about several lists, several at a time."""

        def ask_one(batch: Sequence[str]) -> Any:
            return self.answer(question, batch, **options)

        return map_in_threads(ask_one, batches, threads=_REQUESTS_AT_ONCE)

    def answer_pages(self, question: Callable[..., Any], *values: Any, **options: Any) -> Iterator[Any]:
        """Yield the answers of the service to a question, page by page."""
        arguments = dict(inspect.signature(question).bind(self, *values, **options).arguments)
        as_of = arguments.pop("as_of", None)
        yield from ask_pages(self, find_reading(f"questions.{question.__name__}"), arguments, as_of)

    def read_newest_revision(self) -> int:
        """Return the number of the pinned revision."""
        return self.pin.number

    def split(self, values: Sequence[str], most: int) -> list[Sequence[str]]:
        """Return values in lists of at most `most`."""
        return [values[start : start + most] for start in range(0, len(values), most)]

    def find_timezone(self, connection: sa.Connection | None = None) -> tzinfo:  # noqa: ARG002 - there is none
        """Return the time zone of stamps: the chosen one, else the registry's own."""
        return find_recorded_zone(self.zone) if self.chosen_zone is None else self.chosen_zone

    def find_pin(self, as_of: AsOfRef) -> Head:
        """Return the revision that is meant, with its seal; none after the pinned one is known."""
        reference = self.read_as_of(as_of)
        pinned = (("newest", None), ("number", self.pin.number), ("head", self.pin))
        if (reference.by, reference.value) in pinned:
            return self.pin
        if isinstance(reference.value, Head) and _is_quoted(self.pin, reference.value):
            return self.pin
        if reference not in self.heads:
            self.heads[reference] = self._ask_head(reference)
        return self.heads[reference]

    def _ask_head(self, reference: RevisionRef) -> Head:
        value = reference.value
        if reference.by == "back":
            value = count_back(reference, self.pin.number)
        if reference.by == "number" and isinstance(value, int) and value > LARGEST_NUMBER:
            raise unknown_revision_error(reference, self.pin.number)  # in a URL it would be read as a time
        answer = self._read_head(str(EARLIEST if value == BEGINNING else value))
        if answer.revision <= self.pin.number:
            return Head(answer.revision, answer.seal)
        if reference.by == "instant":  # of what was recorded until then, only what was pinned is known here
            return self.pin
        if self.chosen_pin is not None:
            raise later_revision_error(answer.revision, self.pin)
        raise unknown_revision_error(RevisionRef("number", answer.revision), self.pin.number)

    def _read_head(self, text: str) -> ServedHead:
        """Return the head that a text names; what a text names up to the pin does not change."""
        url = f"{format_url('/v1/head', [('as_of', text)])} of {self.pin.pin}"
        kept = self.kept.find(url)
        if kept is not None:
            return msgspec.convert(decode_content(kept), ServedHead)
        if self.service.is_offline:
            raise OfflineError(
                f"which revision {quote(text)} is, is not in the cache, and CALREG_OFFLINE lets the service"
                f" {self.service.url} not be asked",
                remedy=Remedy.ASK_ONCE,
                service=self.service.url,
            )
        answer = read_served_head(self.service, text, self.pin)
        if answer.revision <= self.pin.number:
            self.kept.keep(url, answer)
        return answer

    def _limit(
        self,
        reference: RevisionRef,
        pin: Head,  # noqa: ARG002 - that of the session, which `find_pin` knows
        connection: sa.Connection | None,  # noqa: ARG002 - there is none
    ) -> RevisionRef:
        return reference

    def _refuse_tagged_word(
        self,
        word: str,
        instant: Instant,
        connection: sa.Connection | None,  # noqa: ARG002 - there is none
    ) -> None:
        for page in ask_pages(self, find_reading("questions.list_tags"), {}, self.pin):
            for tag in page:
                if tag.tag == word:
                    raise word_and_tag_error(word, tag.revision, instant)

    def _find_run_start(
        self,
        dataset: Dataset,
        connection: sa.Connection | None,  # noqa: ARG002 - there is none
        as_of: AsOfRef,
    ) -> Instant:
        run = ask(self, find_reading("runs.show"), {"dataset": str(dataset)}, as_of)
        return require_start(run, dataset)


def _is_quoted(head: Head, quoted: Head) -> bool:
    return head.number == quoted.number and head.seal.startswith(quoted.seal)


def read_served_head(service: Service, as_of: str | None = None, known: Head | None = None) -> ServedHead:
    """Return the newest head of the registry of a service, or the one that a text names; refuse another interface.

    Of several servers one may lag: it is told the revision that is `known`, so that it refuses to answer without it.
    """
    stated = {"as_of": as_of, "pin": None if known is None else known.pin}
    content: Any = service.get(
        "/v1/head", [(name, text) for name, text in stated.items() if text is not None]
    )
    api = content.get("api") if isinstance(content, dict) else None
    if isinstance(api, int) and api > API:
        raise SchemaError(
            f"the service {service.url} is of newer software: its interface is {api}, this software asks {API}",
            service=service.url,
            api=api,
        )
    try:
        return msgspec.convert(content, ServedHead)
    except (msgspec.ValidationError, ValueError):
        raise UnavailableError(
            f"the service {service.url} cannot be used: it answers, and not as a registry does",
            service=service.url,
        ) from None
