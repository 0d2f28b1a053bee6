"""Targets that parse what lies in a cache, and the size that is its limit."""

from __future__ import annotations

from pathlib import Path

from harnesses.fuzz.target import Target, call_parser, decode_text
from registry.cache.locks import parse_note
from registry.cache.names import EntryName
from registry.sizes import format_size, parse_size

_ENTRY = f"object-{'0a' * 32}"


def _feed_note(_: Path, data: bytes) -> None:
    note = call_parser(lambda: parse_note(data))
    assert note is not None
    assert not note or (isinstance(note["process"], int) and str(note["host"]).isprintable())


def _feed_name(_: Path, data: bytes) -> None:
    text = decode_text(data)
    name = call_parser(lambda: EntryName.parse(text))
    assert name is None or str(name) == text
    maker = call_parser(lambda: EntryName.parse_temporary(text))
    assert maker is None or text.startswith(f".arriving-{maker}-")


def _feed_size(_: Path, data: bytes) -> None:
    size = call_parser(lambda: parse_size(decode_text(data)))
    if size is not None:
        assert size > 0
        again = parse_size(format_size(size))
        assert again is not None
        assert abs(again - size) <= size / 100 or size >= 1000**5


CACHE_TARGETS = (
    Target(
        "cache notes",
        _feed_note,
        lambda _: [b'{"process": 12, "host": "node1", "file": "x"}', b'{"process": "12"}', b"[1]"],
        ("registry.cache.locks",),
    ),
    Target(
        "cache names",
        _feed_name,
        lambda _: [_ENTRY.encode(), f".arriving-{_ENTRY}-{'0' * 16}".encode(), b"array-"],
        ("registry.cache.names",),
    ),
    Target(
        "sizes",
        _feed_size,
        lambda _: [b"20 GB", b"1.5TiB", b"512M", b"1000", b"0.0000001"],
        ("registry.sizes",),
    ),
)
