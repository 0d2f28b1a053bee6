"""Pictures by URL: drawn one at a time in a worker, and kept like other answers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from starlette.requests import Request

from registry.api.drawings import MEDIA_TYPES, Drawing
from registry.api.serving import refuse_unknown_heads
from registry.errors import NotFoundError, NotValidError, UnavailableError
from registry.heads import parse_pin
from registry.parallel import Advance, Progress
from registry.plots.files import silence_matplotlib
from registry.service.gate import find_url, is_known
from registry.service.kept_answers import EncodedAnswer
from registry.service.responses import PINNED, build_unchanged
from registry.service.state import State

_SECONDS = 60
"""So long may the arrays of one picture be read."""

_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""An SVG has its styles and its maps in itself."""

silence_matplotlib()


def build_picture_endpoint(state: State, drawing: Drawing) -> Callable[[Request], Awaitable[EncodedAnswer]]:
    """Return what answers a request for a picture as of the revision in its URL."""

    async def answer(request: Request) -> EncodedAnswer:
        pin = parse_pin(request.path_params["pin"])
        path = {name: text for name, text in request.path_params.items() if name != "pin"}
        arguments, suffix = drawing.parse_file(path, request.query_params.multi_items())
        url, encoder, opened = find_url(request.scope), state.encoder, await state.confirm()
        etag = state.build_etag(opened.registry.id, url.decode("latin-1"), *find_library_versions())
        state.metrics.count_kept("missed")
        await state.look_up(lambda: refuse_unknown_heads(opened.registry, [pin]))
        if is_known(request.scope["headers"], etag):
            return build_unchanged(encoder.build_answer(b"", b"", keeping=PINNED, etag=etag))

        def draw() -> EncodedAnswer:
            kept = opened.kept.get(url)  # who waited may find that another request had it drawn
            if kept is not None:
                return kept
            began = time.perf_counter()
            content = drawing.draw(opened.registry, pin, arguments, suffix, limit_time())
            state.metrics.count_drawing(time.perf_counter() - began)
            media_type = MEDIA_TYPES[suffix].encode()
            return encoder.build_answer(content, media_type, keeping=PINNED, etag=etag, policy=_POLICY)

        try:
            picture = await state.draw(draw)
        except (NotFoundError, NotValidError) as error:
            picture = encoder.encode_refusal(error, keeping=PINNED)
        opened.kept.put(url, picture)
        return picture

    return answer


@cache
def find_library_versions() -> tuple[str, ...]:
    """Return the versions of what draws; another one may draw otherwise."""
    return tuple(map(_find_version, ("matplotlib", "numpy")))


def can_draw() -> bool:
    """Tell whether what draws is installed; see `registry.extras`."""
    return all(" " in version for version in find_library_versions())


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
