"""The history over HTTP, page by page, for mirrors; a public service sends none of it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from registry.api.history_feed import read_history
from registry.api.parameters import Parameter, Sort
from registry.errors import ConflictError
from registry.heads import Head, parse_pin
from registry.lookup.history_pages import HistoryPage
from registry.service.kept_answers import EncodedAnswer
from registry.service.responses import IMMUTABLE, LIVE
from registry.service.state import State

PARAMETERS = (
    Parameter("after", "after", Sort.REVISION, is_required=False),
    Parameter("skip", "skip", Sort.NUMBER, is_required=False),
    Parameter("limit", "limit", Sort.NUMBER, is_required=False),
)
AS_OF = "as_of"
SUMMARY = "Revisions with the texts of their seals and all that these are digests of, for mirrors."

_LIMIT = 100


async def answer_history(state: State, query: Mapping[str, str]) -> EncodedAnswer:
    """Return a page of the history; as of a pin it may be kept for good, because no other history has that pin.

    Raises
    ------
    ConflictError
        The service is public: the texts have authors, hosts and commands.
    """
    if state.options.public:
        raise ConflictError(
            "this service is public, and does not send the history, which names authors and hosts"
        )
    stated = {
        parameter.name: parameter.parse([query[parameter.url_name]])
        for parameter in PARAMETERS
        if parameter.url_name in query
    }
    after, skip, limit = stated.get("after", 0), stated.get("skip", 0), stated.get("limit", _LIMIT)
    as_of = parse_pin(query[AS_OF]) if AS_OF in query else None
    registry = (await state.confirm()).registry
    backend = registry._backend  # noqa: SLF001 - of this package
    page = await state.look_up(lambda: read_history(backend, after, skip=skip, limit=limit, as_of=as_of))
    return state.encoder.encode_answer(
        {"registry": page.registry, "revisions": page.revisions},
        keeping=LIVE if as_of is None else IMMUTABLE,
        more=_link_next(page, after, {"limit": limit, **({} if as_of is None else {AS_OF: as_of.pin})}),
    )


def _link_next(
    page: HistoryPage, after: Head | int, rest: Mapping[str, str | int]
) -> tuple[tuple[bytes, bytes], ...]:
    if not page.has_more:
        return ()
    last = page.revisions[-1]
    if last.is_complete:
        place: dict[str, str | int] = {"after": Head(last.revision, last.seal).pin}
    else:
        lines = sum(text.count("\n") for text in last.parts.values())
        begin = after.pin if isinstance(after, Head) else after
        place = {"after": begin, "skip": last.skipped + lines}
    url = f"/v1/history?{urlencode({**place, **rest})}"
    return ((b"link", f'<{url}>; rel="next"'.encode()),)
