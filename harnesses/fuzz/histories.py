"""Targets that parse what a mirror gets: canonical lines, the registry's text, and pages of a history."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from harnesses.fuzz.target import Target, call_parser, decode_text
from registry.api.mirror_chain import Page, SealChain, SealedBatch, read_revisions
from registry.database.seal_text import digest_lines, lines_of, seal_registry, seal_text, write_text
from registry.database.sealed_lines import parse_lines, parse_numbers, parse_registry
from registry.database.sealed_tables import RECORDED_TABLES
from registry.heads import Head

_LINES = [
    b'{"table":"run","begin_at":1496268000000000,"experiment":"xcsls3716","id":1,"number":12,"recorded_in":4}\n',
    b'{"table":"alias","id":1,"m_number":"M068","panel_id":1,"recorded_in":1,"same_module":1,"valid_from":-5}\n',
    b'{"table":"constants_file","constants_id":1,"gain_range":0,"sha256":"00"}\n',
    b'{"table":"blob","dtype":"<f4","maximum":"3ff0","nonfinite":0,"recorded_in":2,"sha256":"0","shape":"1","zeros":0}\n',
    b'{"table":"blob_pattern","algorithm":1,"blob":"00","recorded_in":2,"samples":"00ff","signs":""}\n',
]
_ID = "8e4589ff-a4af-4bf8-800e-af7423380273"
_ORIGIN = f"calreg registry 1\nid {_ID}\ncreated 1519896600000000\n"
_REVISION = (
    '{"table":"revision","author":"ana","command":"calreg panel add","host":"h","number":1,"recorded_at":1,'
    '"software":"calreg 0"}\n'
)


def _feed_lines(_: Path, data: bytes) -> None:
    text = decode_text(data)
    for name in ("revision", *RECORDED_TABLES):
        rows = call_parser(lambda name=name: parse_lines(name, text))  # type: ignore[misc]
        if rows:
            assert lines_of(name).encode_rows(rows) == data
    numbers = call_parser(lambda: parse_numbers(text))
    assert numbers is None or "".join(f"{number}\n" for number in numbers) == text
    registry = call_parser(lambda: parse_registry(text))
    assert registry is None or seal_registry(*registry) == seal_text(text)


def _make_page() -> bytes:
    lines = _REVISION.encode()
    text = write_text(1, seal_text(_ORIGIN), {"revision": digest_lines(1, lines)})
    revision = {"revision": 1, "seal": seal_text(text), "text": text, "parts": {"revision": _REVISION}}
    return json.dumps({"registry": _ORIGIN, "revisions": [revision]}).encode()


def _feed_page(_: Path, data: bytes) -> None:
    try:
        page = msgspec.convert(json.loads(data), Page)
    except (ValueError, RecursionError):
        return
    origin = seal_text(_ORIGIN)
    chain, batch = SealChain(origin, Head(0, origin)), SealedBatch()

    def follow() -> None:
        for revision in read_revisions(lambda _after, _skip: page, chain.head, len(page.revisions)):
            parts = chain.take(revision)
            batch.add(revision, chain.link, parts)
        batch.build_rows()

    call_parser(follow)
    assert len(batch.seals) in {chain.head.number, chain.head.number - 1}


HISTORY_TARGETS = (
    Target(
        "canonical lines",
        _feed_lines,
        lambda _: [*_LINES, b"".join(_LINES), b"1\n20\n", _ORIGIN.encode(), _REVISION.encode()],
        ("registry.database.sealed_lines",),
    ),
    Target("page of a history", _feed_page, lambda _: [_make_page()], ("registry.api.mirror_chain",)),
)
