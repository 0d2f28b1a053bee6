"""Targets that parse what lies in a cache, and the size that is its limit."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harnesses.fuzz.target import Target, call_parser, decode_text
from registry.api.remote.kept_answers import decode_content, decode_pin
from registry.cache.answers import KeptAnswer, decode_answer, encode_answer, name_answer
from registry.cache.array_entries import ArrayContent, encode_record, is_sound, read_record
from registry.cache.locks import parse_note
from registry.cache.names import EntryKind, EntryName
from registry.sizes import format_size, parse_size

_ENTRY = f"object-{'0a' * 32}"
_QUESTION = ("https://calib.example.org", "/v1/r/4-4f4a7c033166d624/panels")
_ANSWER = name_answer(EntryKind.ANSWER, _QUESTION)


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


def _feed_array_entry(folder: Path, data: bytes) -> None:
    path = folder / "entry"
    path.write_bytes(data)
    with path.open("rb") as file:
        record = call_parser(lambda: read_record(file.fileno()))
        assert not call_parser(lambda: is_sound(file.fileno(), EntryName(EntryKind.ARRAY, "0" * 64)))
        if record is not None:
            assert record.content.size < len(data)
            call_parser(lambda: is_sound(file.fileno(), record.content.name))


def _make_array_entries(_: Path) -> list[bytes]:
    content = ArrayContent("<f4", 4, (2, 1, 2, 3), (hashlib.sha256(b"start" + bytes(24)).hexdigest(), None))
    whole = bytes(48) + encode_record(content, [b"start", b""])
    empty = encode_record(ArrayContent("<f4", 4, (0, 2, 3), ()), [])
    return [whole, empty, whole[:-1], whole.replace(b'"<f4"', b'"<f8"')]


def _feed_answer(_: Path, data: bytes) -> None:
    answer = call_parser(lambda: decode_answer(data, _ANSWER))
    if answer is not None:
        assert name_answer(EntryKind.ANSWER, answer.question) == _ANSWER
        assert decode_answer(encode_answer(answer), _ANSWER) == answer
    whole = encode_answer(KeptAnswer(_QUESTION, 5, data))
    read = decode_answer(whole, _ANSWER)
    assert read is not None
    assert read.content == data
    call_parser(lambda: decode_pin(data))
    call_parser(lambda: decode_content(read))


def _make_answers(_: Path) -> list[bytes]:
    session = (
        b'{"registry":"r","revision":4,"seal":"4f4a","timezone":"UTC","api":1,"public":false,"software":"x"}'
    )
    return [
        encode_answer(KeptAnswer(_QUESTION, 5, b'{"answer": [1]}')),
        b'{"answer": [1, null, {"a": "b"}]}',
        b'{"refusal": {"error": {"code": 3, "kind": "NotFoundError", "message": "x"}}}',
        b'{"session": ' + session + b', "fetched_at": 7}',
    ]


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
        "cache arrays",
        _feed_array_entry,
        _make_array_entries,
        ("registry.cache.array_entries",),
    ),
    Target(
        "kept answers",
        _feed_answer,
        _make_answers,
        ("registry.cache.answers", "registry.api.remote.kept_answers"),
    ),
    Target(
        "sizes",
        _feed_size,
        lambda _: [b"20 GB", b"1.5TiB", b"512M", b"1000", b"0.0000001"],
        ("registry.sizes",),
    ),
)
