"""The service as an ASGI application: its URLs, and what answers them."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from registry.api.drawings import DRAWINGS, Drawing
from registry.api.parameters import parse_iso_instant
from registry.api.readings import API, READINGS, Freshness, Reading
from registry.authorship import software_version
from registry.errors import NotFoundError, NotValidError, RegistryError, RequestError
from registry.heads import Head, parse_pin
from registry.identifiers import quote
from registry.lookup.revisions import AsOf
from registry.service.gate import KINDS, Gate, find_url, is_known
from registry.service.history import PARAMETERS, answer_history
from registry.service.kept_answers import EncodedAnswer
from registry.service.objects import build_headers, find_object, parse_digest
from registry.service.openapi import build_document
from registry.service.pages.endpoints import Site
from registry.service.pictures import build_picture_endpoint
from registry.service.responses import (
    LIVE,
    PINNED,
    UNKEPT,
    build_answer,
    build_unchanged,
    encode_answer,
    encode_refusal,
    respond,
)
from registry.service.state import State
from registry.stated_times import is_stated_time

_LOG = logging.getLogger("registry.service")
_PROGRAM_PATHS = ("v1", "healthz", "metrics")
_QUICK = {"versions.validity": "at"}
"""Readings that need one probe of an index for each panel where this argument is stated."""

_Result = TypeVar("_Result")
_Endpoint = Callable[[Request], Awaitable[Response]]


def build_application(state: State) -> Gate:
    """Return the service of an open registry."""
    answers, site = _Answers(state), Site(state)
    endpoints: dict[str, tuple[str, _Endpoint]] = {
        "head": ("/v1/head", answers.send_head),
        "history": ("/v1/history", answers.send_history),
        "objects": ("/v1/objects/sha256/{sha256}", answers.send_object),
        "openapi.json": ("/v1/openapi.json", answers.send_document),
        "healthz": ("/healthz", answers.send_health),
        "metrics": ("/metrics", answers.send_metrics),
    }
    routes = [Route(path, endpoint) for path, endpoint in endpoints.values()]
    routes += [
        Route(f"/v1/{_as_pattern(path)}", answers.build_live_endpoint(reading))
        for reading in READINGS
        if reading.is_live
        for path in reading.list_paths()
    ]
    routes += [
        Route(f"/v1/r/{{pin}}/{_as_pattern(path)}", answers.build_pinned_endpoint(reading))
        for reading in READINGS
        if not reading.is_live
        for path in reading.list_paths()
    ]
    routes += [
        Route(f"/v1/r/{{pin}}/{_as_pattern(drawing.path)}", answers.build_picture_endpoint(drawing))
        for drawing in DRAWINGS
    ]
    routes += site.build_routes()
    KINDS.update(endpoints, (reading.path.split("/")[0] for reading in (*READINGS, *DRAWINGS)))

    async def send_unknown(request: Request, error: Exception) -> Response:
        return await (answers if _is_for_programs(request) else site).send_unknown(request, error)

    service = Starlette(
        routes=routes,
        exception_handlers={
            RegistryError: answers.send_refusal,
            HTTPException: send_unknown,
            Exception: answers.send_fault,
        },
    )
    service.router.redirect_slashes = False  # to the host that the request names
    return Gate(service, state)


def _is_for_programs(request: Request) -> bool:
    return request.url.path.partition("/")[2].partition("/")[0] in _PROGRAM_PATHS


def _as_pattern(path: str) -> str:
    """Return a path for Starlette: the last name may have slashes in it."""
    return f"{path[:-1]}:path}}" if path.endswith("}") else path


class _Answers:
    """The endpoints of the service."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def send_head(self, request: Request) -> Response:
        """Send the newest revision, or the one that ``as_of`` names, with its seal."""
        names = {"as_of"}
        query = _read_query(request, names)
        stated = query.get("as_of")
        as_of: AsOf = stated
        if stated is not None and is_stated_time(stated):
            as_of = parse_iso_instant("as_of", stated)
        head, timezone = await self._state.look_up(lambda: self._state.read_head(as_of))
        value = {
            "registry": self._state.registry.id,
            "revision": head.number,
            "seal": head.seal,
            "timezone": timezone,
            "api": API,
            "public": self._state.options.public,
            "software": software_version(),
        }
        return respond(encode_answer(value, keeping=LIVE, public=self._state.options.public))

    async def send_history(self, request: Request) -> Response:
        """Send a page of the history."""
        query = _read_query(request, {parameter.url_name for parameter in PARAMETERS})
        return respond(await answer_history(self._state, query))

    def build_pinned_endpoint(self, reading: Reading) -> _Endpoint:
        """Return the endpoint of a reading as of the revision in the URL."""

        async def send(request: Request) -> Response:
            pin = parse_pin(request.path_params["pin"])
            path = {name: text for name, text in request.path_params.items() if name != "pin"}
            stated, form = reading.parse_form(path, request.query_params.multi_items())
            arguments = reading.limit_page(stated)
            url = find_url(request.scope)
            is_lasting = reading.freshness is Freshness.PINNED
            etag = self._state.build_etag(url.decode(errors="replace")) if is_lasting else b""
            self._state.metrics.count_kept("missed")
            keeping = PINNED if is_lasting else LIVE

            def find_answer() -> EncodedAnswer:
                value = reading.answer(self._state.registry, pin, arguments)
                return encode_answer(
                    value if form == "record" else reading.simplify(value),
                    keeping=keeping,
                    public=self._state.options.public,
                    etag=etag,
                    more=_link_next_page(
                        reading, arguments, value, f"/v1/r/{request.path_params['pin']}", []
                    ),
                )

            try:
                is_quick = _QUICK.get(reading.name) in arguments
                answer = await self._look_up(find_answer, is_quick=is_quick)
            except (NotFoundError, NotValidError) as error:
                if not await self._is_recorded(pin):  # what is not found may come with its revision
                    raise
                answer = encode_refusal(error, public=self._state.options.public, keeping=keeping)
            if is_lasting:
                self._state.kept.put(url, answer)
            if is_known(dict(request.scope["headers"]), etag) and answer.status == 200:
                answer = build_unchanged(answer)
            return respond(answer)

        return send

    async def _is_recorded(self, pin: Head) -> bool:
        return pin.number <= (await self._state.look_up(lambda: self._state.registry.head.number))

    def build_live_endpoint(self, reading: Reading) -> _Endpoint:
        """Return the endpoint of a reading whose answer changes without a revision, or is about two."""

        async def send(request: Request) -> Response:
            items = request.query_params.multi_items()
            stated = [text for name, text in items if name == "as_of"]
            if len(stated) > 1:
                raise RequestError("as_of stands more than once in the URL", parameter="as_of")
            as_of = parse_pin(stated[0]) if stated else None
            rest = [item for item in items if item[0] != "as_of"]
            read, form = reading.parse_form(request.path_params, rest)
            arguments = reading.limit_page(read)
            value = await self._look_up(lambda: reading.answer(self._state.registry, as_of, arguments))
            shown = value if form == "record" else reading.simplify(value)
            link = _link_next_page(reading, arguments, value, "/v1", [("as_of", text) for text in stated])
            public = self._state.options.public
            return respond(encode_answer(shown, keeping=LIVE, public=public, more=link))

        return send

    def build_picture_endpoint(self, drawing: Drawing) -> _Endpoint:
        """Return the endpoint of a picture as of the revision in the URL."""
        answer = build_picture_endpoint(self._state, drawing)

        async def send(request: Request) -> Response:
            return respond(await answer(request))

        return send

    async def _look_up(self, find: Callable[[], _Result], *, is_quick: bool = False) -> _Result:
        began = time.perf_counter()
        try:
            return await self._state.look_up(find, is_quick=is_quick)
        finally:
            self._state.metrics.count_lookup(time.perf_counter() - began)

    async def send_object(self, request: Request) -> Response:
        """Send a stored file, whole or a range of it."""
        _read_query(request, set())
        sha256 = parse_digest(request.path_params["sha256"])
        headers = build_headers(sha256)
        path, status = await self._state.look_up(lambda: find_object(self._state.store, sha256))
        if is_known(dict(request.scope["headers"]), headers["etag"].encode()):
            return Response(status_code=304, headers=headers)
        media_type = "application/octet-stream"
        return FileResponse(path, headers=headers, media_type=media_type, stat_result=status)

    async def send_document(self, request: Request) -> Response:
        """Send the OpenAPI document."""
        _read_query(request, set())
        return respond(encode_answer(build_document(), keeping=UNKEPT, public=False))

    async def send_health(self, request: Request) -> Response:
        """Say that the database answers."""
        _read_query(request, set())
        head, _ = await self._state.look_up(self._state.read_head)
        value = {"status": "ok", "registry": self._state.registry.id, "revision": head.number}
        return respond(encode_answer(value, keeping=UNKEPT, public=False))

    async def send_metrics(self, request: Request) -> Response:
        """Send what was counted."""
        _read_query(request, set())
        try:
            number = (await self._state.look_up(self._state.read_head))[0].number
        except RegistryError:  # what was counted says more than a refusal
            number = None
        text = self._state.metrics.format(number)
        return respond(
            build_answer(text.encode(), b"text/plain; version=0.0.4; charset=utf-8", keeping=UNKEPT)
        )

    async def send_refusal(self, _request: Request, error: Exception) -> Response:
        """Send the refusal of a request."""
        if not isinstance(error, RegistryError):  # never: it is registered for these
            raise error
        if error.code > NotValidError.code + 1:
            _LOG.error("%s: %s", type(error).__name__, error)
        return respond(encode_refusal(error, public=self._state.options.public))

    async def send_unknown(self, request: Request, error: Exception) -> Response:
        """Refuse a URL that means nothing here: no name is unknown, but the question."""
        if not isinstance(error, HTTPException):  # never: it is registered for these
            raise error
        refusal = RequestError(
            f"{quote(request.url.path[:200])} is not a URL of this service; /v1/openapi.json lists them"
        )
        return respond(encode_refusal(refusal, public=self._state.options.public, status=error.status_code))

    async def send_fault(self, request: Request, error: Exception) -> Response:
        """Say that the service has a fault; its traceback goes to the log."""
        _LOG.exception("a fault of the service at %s", ascii(request.url.path), exc_info=error)
        body = {
            "error": {
                "code": 1,
                "kind": "Fault",
                "message": "the service has a fault; its log has the details",
            }
        }
        return respond(encode_answer(body, keeping=UNKEPT, public=False, status=500))


def _link_next_page(
    reading: Reading, arguments: Mapping[str, Any], answer: Any, start: str, more: list[tuple[str, str]]
) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that names the next page of a listing; nothing where there is none."""
    following = reading.find_next_page(arguments, answer)
    if following is None:
        return ()
    path, query = reading.format(following)
    url = f"{start}/{path}?{urlencode([*query, *more])}"
    return ((b"link", f'<{url}>; rel="next"'.encode()),)


def _read_query(request: Request, known: set[str]) -> Mapping[str, str]:
    """Return the parameters of a query; refuse unknown ones, and those that stand there twice."""
    items = request.query_params.multi_items()
    for name, _ in items:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise RequestError(f"{quote(name)} is not a parameter here; known: {listed}", parameter=name)
    if len(items) > len(dict(items)):
        raise RequestError("a parameter stands more than once in the URL")
    return dict(items)
