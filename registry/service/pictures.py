"""Pictures by URL: drawn one at a time in a worker, and kept like other answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from starlette.requests import Request

from registry.api.drawings import MEDIA_TYPES, Drawing
from registry.errors import NotFoundError, NotValidError, UnavailableError
from registry.heads import Head, parse_pin
from registry.parallel import Advance, Progress
from registry.service.gate import find_url, is_known
from registry.service.kept_answers import EncodedAnswer
from registry.service.responses import PINNED, build_answer, build_unchanged, encode_refusal
from registry.service.state import State

_SECONDS = 60
"""So long may the arrays of one picture be read."""

_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""An SVG has its styles and its maps in itself."""

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # not of its folder, where there is no home


def build_picture_endpoint(state: State, drawing: Drawing) -> Callable[[Request], Awaitable[EncodedAnswer]]:
    """Return what answers a request for a picture as of the revision in its URL."""

    async def answer(request: Request) -> EncodedAnswer:
        pin = parse_pin(request.path_params["pin"])
        path = {name: text for name, text in request.path_params.items() if name != "pin"}
        arguments, suffix = drawing.parse_file(path, request.query_params.multi_items())
        url = find_url(request.scope)
        etag = state.build_etag(url.decode(errors="replace"), *find_library_versions())
        state.metrics.count_kept("missed")
        await state.look_up(lambda: _refuse_other_pin(state, pin))
        if is_known(dict(request.scope["headers"]), etag):
            return build_unchanged(build_answer(b"", b"", keeping=PINNED, etag=etag))

        def draw() -> EncodedAnswer:
            kept = state.kept.get(url)  # who waited may find that another request had it drawn
            if kept is not None:
                return kept
            began = time.perf_counter()
            content = drawing.draw(state.registry, pin, arguments, suffix, limit_time())
            state.metrics.count_drawing(time.perf_counter() - began)
            media_type = MEDIA_TYPES[suffix].encode()
            return build_answer(content, media_type, keeping=PINNED, etag=etag, policy=_POLICY)

        try:
            picture = await state.draw(draw)
        except (NotFoundError, NotValidError) as error:
            picture = encode_refusal(error, public=state.options.public, keeping=PINNED)
        state.kept.put(url, picture)
        return picture

    return answer


def _refuse_other_pin(state: State, pin: Head) -> None:
    """Refuse a revision that is not known, or is of another history."""
    state.registry.find_head(pin)


@cache
def find_library_versions() -> tuple[str, ...]:
    """Return the versions of what draws; another one may draw otherwise."""
    return tuple(map(_find_version, ("matplotlib", "numpy")))


def _find_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def limit_time(seconds: float = _SECONDS) -> Progress:
    """Return a progress that refuses to read on when the time is over."""
    end = time.monotonic() + seconds

    def advance(_steps: int = 1, /) -> None:
        if time.monotonic() > end:
            raise UnavailableError(
                f"the arrays of the picture could not be read within {seconds:g} s: ask for a part of it"
            )

    @contextmanager
    def progress(_description: str, _total: int) -> Iterator[Advance]:
        yield advance

    return progress
