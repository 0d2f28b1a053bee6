"""The service as an ASGI application: its URLs, and what answers them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from registry.api.drawings import DRAWINGS, Drawing
from registry.api.parameters import parse_iso_instant
from registry.api.readings import READINGS, Freshness, Reading, find_reading
from registry.api.registry import Registry
from registry.api.serving import read_present_state, refuse_unknown_heads
from registry.errors import NotFoundError, NotValidError, RegistryError, RequestError
from registry.heads import Head, parse_pin
from registry.identifiers import parse_sha256, quote
from registry.lookup.revisions import AsOf
from registry.service.gate import Gate, find_url, is_known
from registry.service.history import AS_OF, PARAMETERS, answer_history
from registry.service.kept_answers import EncodedAnswer
from registry.service.objects import (
    UnsatisfiableRangeError,
    build_headers,
    build_streamed_response,
    find_object,
    parse_range,
)
from registry.service.openapi import build_document
from registry.service.pages.endpoints import Site
from registry.service.pictures import build_picture_endpoint
from registry.service.present import describe_head
from registry.service.redaction import refuse_hidden
from registry.service.request_log import log_fault, log_refusal
from registry.service.responses import (
    IMMUTABLE,
    LIVE,
    PINNED,
    UNKEPT,
    Encoder,
    build_unchanged,
    list_safe_headers,
    respond,
)
from registry.service.state import State
from registry.stated_times import is_stated_time

_PROGRAM_PATHS = ("v1", "healthz", "metrics")
_VALIDITY = find_reading("questions.find_validity")

_Result = TypeVar("_Result")
_Endpoint = Callable[[Request], Awaitable[Response]]


def build_application(state: State) -> Gate:
    """Return the service of a registry."""
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
    kinds = {*endpoints, *(reading.path.split("/")[0] for reading in (*READINGS, *DRAWINGS))}
    state.metrics.know_kinds(kinds)

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
    service.router.redirect_slashes = False  # a redirection would lead to whatever host the request names
    return Gate(service, state, kinds)


def _is_for_programs(request: Request) -> bool:
    return request.scope["path"].partition("/")[2].partition("/")[0] in _PROGRAM_PATHS


def _as_pattern(path: str) -> str:
    """Return a path for Starlette: the last name may have slashes in it."""
    return f"{path[:-1]}:path}}" if path.endswith("}") else path


class _Answers:
    """The endpoints of the service."""

    def __init__(self, state: State) -> None:
        self._state, self._encoder = state, state.encoder

    async def send_head(self, request: Request) -> Response:
        """Send the newest revision, or the one that ``as_of`` names, with its seal.

        A ``pin`` is a revision that the client has seen: a server that does not know it yet refuses.
        """
        query = _read_query(request, {"as_of", "pin"})
        stated, pin = query.get("as_of"), query.get("pin")
        known = None if pin is None else parse_pin(pin)
        as_of: AsOf = stated
        if stated is not None and is_stated_time(stated):
            as_of = parse_iso_instant("as_of", stated)
        opened = await self._state.confirm()
        present = await self._state.look_up(lambda: read_present_state(opened.registry, as_of, known))
        value = describe_head(present, public=self._state.options.public)
        return respond(self._encoder.encode_answer(value, keeping=LIVE))

    async def send_history(self, request: Request) -> Response:
        """Send a page of the history."""
        query = _read_query(request, {AS_OF, *(parameter.url_name for parameter in PARAMETERS)})
        return respond(await answer_history(self._state, query))

    def build_pinned_endpoint(self, reading: Reading) -> _Endpoint:
        """Return the endpoint of a reading as of the revision in the URL."""

        async def send(request: Request) -> Response:
            pin = parse_pin(request.path_params["pin"])
            path = {name: text for name, text in request.path_params.items() if name != "pin"}
            stated, form = self._parse(reading, path, request.query_params.multi_items())
            arguments = reading.limit_page(stated)
            opened = await self._state.confirm()
            url = find_url(request.scope)
            is_lasting = reading.freshness is Freshness.PINNED
            etag = self._state.build_etag(opened.registry.id, url.decode("latin-1")) if is_lasting else b""
            self._state.metrics.count_kept("missed")
            keeping = PINNED if is_lasting else LIVE

            def find_answer() -> EncodedAnswer:
                value = _answer(opened.registry, reading, pin, arguments)
                return self._encoder.encode_answer(
                    value if form == "record" else reading.simplify(value),
                    keeping=keeping,
                    etag=etag,
                    more=_link_next_page(
                        reading, arguments, value, f"/v1/r/{request.path_params['pin']}", []
                    ),
                )

            try:
                is_quick = reading is _VALIDITY and "at" in arguments  # one probe of an index for each panel
                answer = await self._look_up(find_answer, is_quick=is_quick)
            except (NotFoundError, NotValidError) as error:
                answer = self._encoder.encode_refusal(error, keeping=keeping)
            if is_lasting:
                opened.kept.put(url, answer)
            if is_known(request.scope["headers"], etag) and answer.status == 200:
                answer = build_unchanged(answer)
            return respond(answer)

        return send

    def build_live_endpoint(self, reading: Reading) -> _Endpoint:
        """Return the endpoint of a reading whose answer changes without a revision, or is about two."""

        async def send(request: Request) -> Response:
            items = request.query_params.multi_items()
            stated = [text for name, text in items if name == "as_of"]
            if len(stated) > 1:
                raise RequestError("as_of stands more than once in the URL", parameter="as_of")
            as_of = parse_pin(stated[0]) if stated else None
            rest = [item for item in items if item[0] != "as_of"]
            read, form = self._parse(reading, request.path_params, rest)
            arguments = reading.limit_page(read)
            opened = await self._state.confirm()
            value = await self._look_up(lambda: _answer(opened.registry, reading, as_of, arguments))
            shown = value if form == "record" else reading.simplify(value)
            link = _link_next_page(reading, arguments, value, "/v1", [("as_of", text) for text in stated])
            return respond(self._encoder.encode_answer(shown, keeping=LIVE, more=link))

        return send

    def build_picture_endpoint(self, drawing: Drawing) -> _Endpoint:
        """Return the endpoint of a picture as of the revision in the URL."""
        answer = build_picture_endpoint(self._state, drawing)

        async def send(request: Request) -> Response:
            return respond(await answer(request))

        return send

    def _parse(
        self, reading: Reading, path: Mapping[str, str], query: list[tuple[str, str]]
    ) -> tuple[dict[str, Any], str]:
        arguments, form = reading.parse_form(path, query)
        if self._state.options.public:
            refuse_hidden(arguments)
        return arguments, form

    async def _look_up(self, find: Callable[[], _Result], *, is_quick: bool = False) -> _Result:
        began = time.perf_counter()
        try:
            return await self._state.look_up(find, is_quick=is_quick)
        finally:
            self._state.metrics.count_lookup(time.perf_counter() - began)

    async def send_object(self, request: Request) -> Response:
        """Send a stored file, whole or a range of it."""
        _read_query(request, set())
        sha256 = parse_sha256(request.path_params["sha256"])
        store, redirects = self._state.store, self._state.options.redirects
        stored = await self._state.look_up(lambda: find_object(store, sha256, redirects=redirects))
        headers = build_headers(sha256) | {
            "cache-control": self._encoder.limit_keeping(IMMUTABLE),
            **{name.decode(): value.decode() for name, value in list_safe_headers()},
        }
        if is_known(request.scope["headers"], headers["etag"].encode()):
            return Response(status_code=304, headers=headers)
        try:
            part = parse_range(request.scope["headers"], stored.size)
        except UnsatisfiableRangeError as error:
            more = ((b"content-range", f"bytes */{stored.size}".encode()),)
            return respond(self._encoder.encode_refusal(error, status=416, more=more))
        media_type = "application/octet-stream"
        if stored.path is not None:
            _state_range(request, part, headers["etag"])
            return FileResponse(
                stored.path, headers=headers, media_type=media_type, stat_result=stored.status
            )
        if stored.url is not None and request.method == "GET":
            return RedirectResponse(stored.url, headers={**headers, "cache-control": "no-store"})
        stated = request.headers.getlist("if-range")
        part = part if all(value == headers["etag"] for value in stated) else None
        return build_streamed_response(store, sha256, stored.size, part, headers)

    async def send_document(self, request: Request) -> Response:
        """Send the OpenAPI document."""
        _read_query(request, set())
        return respond(self._encoder.encode_answer(build_document(), keeping=UNKEPT))

    async def send_health(self, request: Request) -> Response:
        """Say whether the database answers, and nothing else: no token is needed to ask."""
        _read_query(request, set())
        try:
            opened = await self._state.confirm()
            await self._state.look_up(lambda: read_present_state(opened.registry))
        except RegistryError as error:
            log_refusal(error)
            hiding = Encoder(
                public=self._state.options.public or self._state.options.token_sha256 is not None
            )
            return respond(hiding.encode_refusal(error))
        return respond(self._encoder.encode_answer({"status": "ok"}, keeping=UNKEPT))

    async def send_metrics(self, request: Request) -> Response:
        """Send what was counted."""
        _read_query(request, set())
        try:
            opened = await self._state.confirm()
            number = (await self._state.look_up(lambda: read_present_state(opened.registry))).head.number
        except RegistryError as error:  # what was counted says more than a refusal
            log_refusal(error)
            number = None
        text = self._state.metrics.format(number)
        return respond(
            self._encoder.build_answer(
                text.encode(), b"text/plain; version=0.0.4; charset=utf-8", keeping=UNKEPT
            )
        )

    async def send_refusal(self, _request: Request, error: Exception) -> Response:
        """Send the refusal of a request."""
        if not isinstance(error, RegistryError):  # never: it is registered for these
            raise error
        log_refusal(error)
        return respond(self._encoder.encode_refusal(error))

    async def send_unknown(self, request: Request, error: Exception) -> Response:
        """Refuse a URL that means nothing here: no name is unknown, but the question."""
        if not isinstance(error, HTTPException):  # never: it is registered for these
            raise error
        path = str(request.scope["path"])
        refusal = RequestError(
            f"{quote(path[:200])} is not a URL of this service; /v1/openapi.json lists them"
        )
        return respond(self._encoder.encode_refusal(refusal, status=error.status_code))

    async def send_fault(self, request: Request, error: Exception) -> Response:
        """Say that the service has a fault; its traceback goes to the log."""
        log_fault(find_url(request.scope), error)
        body = {
            "error": {
                "code": 1,
                "kind": "Fault",
                "message": "the service has a fault; its log has the details",
            }
        }
        return respond(self._encoder.encode_answer(body, keeping=UNKEPT, status=500))


def _answer(registry: Registry, reading: Reading, as_of: Head | None, arguments: Mapping[str, Any]) -> Any:
    """Return the answer of a reading; refuse a revision that this server does not know yet as such."""
    try:
        return reading.answer(registry, as_of, arguments)
    except NotFoundError:  # of a newer revision, perhaps
        heads = [value for value in (as_of, *arguments.values()) if isinstance(value, Head)]
        refuse_unknown_heads(registry, heads)
        raise


def _state_range(request: Request, part: tuple[int, int] | None, etag: str) -> None:
    """Let the request ask for this range only, or for the whole file, whatever its headers say."""
    stated = [value for name, value in request.scope["headers"] if name == b"if-range"]
    rest = [item for item in request.scope["headers"] if item[0] not in {b"range", b"if-range"}]
    if part is not None and all(value == etag.encode() for value in stated):
        rest.append((b"range", b"bytes=%d-%d" % part))
    request.scope["headers"] = rest


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
