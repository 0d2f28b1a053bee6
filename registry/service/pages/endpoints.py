"""The URLs of pages: each page of the newest revision, and under ``/r/<pin>`` as of any; and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote as quote_path
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from registry.api.registry import Registry
from registry.api.serving import refuse_unknown_heads
from registry.errors import NotFoundError, RegistryError, RequestError
from registry.heads import Head, parse_pin
from registry.identifiers import quote
from registry.records.refusals import STATUSES, build_refusal
from registry.service.gate import find_url, is_known
from registry.service.kept_answers import EncodedAnswer
from registry.service.pages.rendering import FILES, build_frame, build_frame_without_registry, render
from registry.service.pages.table import PAGES, Page
from registry.service.pages.visits import Visit
from registry.service.request_log import log_refusal
from registry.service.responses import (
    IMMUTABLE,
    LIVE,
    PINNED,
    UNKEPT,
    Encoder,
    build_unchanged,
    list_waits,
    respond,
)
from registry.service.served_registry import Opened
from registry.service.state import State

_POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self';"
    b" form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADINGS = {
    2: "This cannot be asked",
    3: "Not found",
    4: "Nothing is valid",
    5: "This contradicts what is recorded",
    6: "The registry is damaged",
    7: "The database has another schema",
    8: "The registry cannot answer now",
}
_PINNED_PREFIX = "/r/"
_PIN_ALONE = re.compile(r"/r/[0-9]+-[0-9a-f]+", re.ASCII)
_OK = 200
_Endpoint = Callable[[Request], Awaitable[Response]]


class Site:
    """The endpoints of the pages."""

    def __init__(self, state: State) -> None:
        self._state = state

    def build_routes(self) -> list[Route]:
        """Return the routes of all pages."""
        routes = [Route("/as-of", self._find_moment)]
        routes += [Route(file.url, _build_static(file.content, file.media_type)) for file in FILES.values()]
        for page in PAGES:
            path = page.path.replace("{name}", "{name:path}")
            routes += [
                Route(f"{_PINNED_PREFIX}{{pin}}/{path}", self._build_endpoint(page, is_live=False)),
                Route(f"/{path}", self._build_endpoint(page, is_live=True)),
            ]
        return routes

    def _build_endpoint(self, page: Page, *, is_live: bool) -> _Endpoint:
        """Return the endpoint of a page."""

        async def send(request: Request) -> Response:
            better = _find_better_url(request)
            if better is not None:
                return respond(self._build_redirect(better))
            try:
                opened = await self._state.confirm()
                answer = await self._state.look_up(
                    lambda: self._answer(opened, page, request, is_live=is_live)
                )
            except RegistryError as error:
                return respond(await self._refuse(error, request))
            if is_known(request.scope["headers"], answer.etag):
                answer = build_unchanged(answer)
            return respond(answer)

        return send

    async def _find_moment(self, request: Request) -> Response:
        """Lead to a page as of the revision that was typed."""
        try:
            words = _read_words(request, ("as_of", "page"))
            registry = (await self._state.confirm()).registry
            head = await self._state.look_up(lambda: registry.find_head(words.get("as_of")))
            page = _check_page(words.get("page", "/"))
        except RegistryError as error:
            return respond(await self._refuse(error))
        return respond(self._build_redirect(f"{_PINNED_PREFIX}{head.pin}{page}"))

    async def send_unknown(self, request: Request, _error: Exception) -> Response:
        """Say that a URL is none of this service, or lead to the page that differs by a slash at the end."""
        better = _find_better_url(request)
        if better is not None:
            return respond(self._build_redirect(better))
        path = str(request.scope["path"])
        refusal = NotFoundError(f"{quote(path[:200])} is not a page of this service")
        return respond(await self._refuse(refusal))

    def _answer(self, opened: Opened, page: Page, request: Request, *, is_live: bool) -> EncodedAnswer:
        """Return a page, as it was kept or made anew; every look-up is as of one revision."""
        registry, kept = opened.registry, opened.kept
        words = _read_words(request, page.parameters)
        pin = _find_pin(registry, words.pop("pin", None))
        here = _find_here(request)
        key = find_url(request.scope) if not is_live else f"page {pin.pin} {here}".encode()
        answer = kept.get(key) if page.is_lasting else None
        if answer is not None:
            return answer
        visit = Visit(registry, pin, words, is_live)
        frame = build_frame(registry.id, pin, here, is_live=is_live)
        try:
            place = None if page.find is None else page.find(visit)
            if place is not None:
                return self._build_redirect(f"{frame['root']}/{quote_path(place, safe='/=:,+')}")
            values = page.look_up(visit)
        except RegistryError as error:  # of this revision, as the page that says it
            log_refusal(error)
            question = (
                {name: words.get(name) for name in ("target", "at")} if page.template == "validity" else None
            )
            return self._build_refusal(error, frame, question)
        body = render(
            page.template, values, is_public=self._state.options.public, section=page.section, **frame
        )
        answer = self._build_page(body, PINNED if page.is_lasting and not is_live else LIVE)
        if page.is_lasting:
            kept.put(key, answer)
        return answer

    async def _refuse(self, error: RegistryError, request: Request | None = None) -> EncodedAnswer:
        """Return the page of a refusal, with the way to other pages where the registry can be read.

        It is as of the revision that the URL names, or of the newest one where that is what is refused.
        """
        log_refusal(error)
        stated = None if request is None else request.path_params.get("pin")
        here = "/" if request is None else _find_here(request)
        frame = build_frame_without_registry()
        for text in dict.fromkeys((stated, None)):
            try:
                registry = (await self._state.confirm()).registry
                head = await self._state.look_up(partial(_find_pin, registry, text))
            except RegistryError:  # the first refusal says it
                continue
            frame = build_frame(registry.id, head, here, is_live=text is None)
            break
        return self._build_refusal(error, frame)

    def _build_refusal(
        self, error: RegistryError, frame: Mapping[str, Any], question: Mapping[str, str | None] | None = None
    ) -> EncodedAnswer:
        """Return the page of a refusal, with the form that was sent, where it was one."""
        shown = self._state.encoder.hide_details(error)
        body = render(
            "refusal",
            {**build_refusal(shown), "question": question},
            is_public=self._state.options.public,
            section="",
            heading=_HEADINGS[shown.code],
            **frame,
        )
        return self._build_page(body, UNKEPT, error)

    def _build_page(self, body: bytes, keeping: str, error: RegistryError | None = None) -> EncodedAnswer:
        return self._state.encoder.build_answer(
            body,
            b"text/html; charset=utf-8",
            keeping=keeping,
            status=_OK if error is None else STATUSES[error.code],
            etag=f'"{sha256(body).hexdigest()[:32]}"'.encode() if error is None else b"",
            more=() if error is None else list_waits(error),
            policy=_POLICY,
        )

    def _build_redirect(self, location: str) -> EncodedAnswer:
        return self._state.encoder.build_answer(
            b"", b"text/plain", keeping=UNKEPT, status=303, more=((b"location", location.encode()),)
        )


def _read_words(request: Request, known: Sequence[str]) -> dict[str, str]:
    """Return the parameters of the path and those of the query that say something."""
    words = dict(request.path_params)
    for name, text in request.query_params.multi_items():
        if name not in known:
            raise RequestError(
                f"{quote(name)} is not a parameter here; known: {', '.join(known) or 'none'}", parameter=name
            )
        if name in words:
            raise RequestError(f"{name} stands more than once in the URL", parameter=name)
        if text.strip():
            words[name] = text.strip()
    for name, text in words.items():
        if "\0" in text:
            raise RequestError(f"{name} has a NUL in it, which no name has", parameter=name)
    return words


def _find_pin(registry: Registry, stated: str | None) -> Head:
    """Return the revision of a page with its whole seal: that of the URL, or the newest."""
    quoted = None if stated is None else parse_pin(stated)
    refuse_unknown_heads(registry, [] if quoted is None else [quoted])
    return registry.find_head(quoted)


def _find_better_url(request: Request) -> str | None:
    """Return the path and the query of a page without slashes at its end; None where the URL is that of a page."""
    path = str(request.scope["path"])
    better = f"{path}/" if _PIN_ALONE.fullmatch(path) else path.rstrip("/")
    if better in {"", path} or better.startswith("//") or _PIN_ALONE.fullmatch(better):
        return None
    query = urlencode(request.query_params.multi_items())
    return quote_path(better, safe="/=:,+") + (f"?{query}" if query else "")


def _find_here(request: Request) -> str:
    """Return the path and the query of a page without its pin."""
    path = quote_path(request.scope["path"], safe="/=:,+")
    if path.startswith(_PINNED_PREFIX):
        path = f"/{path.removeprefix(_PINNED_PREFIX).partition('/')[2]}"
    query = urlencode(request.query_params.multi_items())
    return f"{path}?{query}" if query else path


def _check_page(text: str) -> str:
    """Return the path and the query of a page that a form sent, for the location of another one."""
    parts = urlsplit(text)
    if not text.startswith("/") or parts.scheme or parts.netloc:
        raise RequestError(f"{quote(text)} is not a page of this service", page=text)
    path = quote_path(parts.path, safe="/=:,+%")
    return f"{path}?{quote_path(parts.query, safe='=&+%:,')}" if parts.query else path


def _build_static(content: bytes, media_type: str) -> _Endpoint:
    """Return the endpoint of a file whose name says its content."""
    answer = Encoder().build_answer(content, media_type.encode(), keeping=IMMUTABLE)

    async def send(_request: Request) -> Response:
        return respond(answer)

    return send
