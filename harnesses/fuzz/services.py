"""Targets that parse what comes over HTTP: the URLs that a service is asked, and the refusals that a client gets."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qsl

from harnesses.fuzz.target import Target, call_parser, decode_text
from registry.api.file_questions import parse_pattern
from registry.api.readings import READINGS
from registry.database.names_of_service import parse_names
from registry.heads import is_pin, parse_pin
from registry.identifiers import parse_sha256
from registry.patterns import PATTERN_SIZE
from registry.records.refusals import build_refusal, parse_refusal

_PIN = b"4-4f4a7c033166d624"


def _feed_url(_: Path, data: bytes) -> None:
    text = decode_text(data)
    pin = call_parser(lambda: parse_pin(text))
    assert (pin is not None) == is_pin(text)
    assert pin is None or pin.pin == text
    digest = call_parser(lambda: parse_sha256(text))
    assert digest is None or digest == text
    pattern = call_parser(lambda: parse_pattern(text))
    assert pattern is None or len(pattern.samples) == PATTERN_SIZE
    query = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    for reading in READINGS:
        call_parser(lambda reading=reading: reading.parse_form({}, query))  # type: ignore[misc]


def _feed_names(_: Path, data: bytes) -> None:
    for name, description in parse_names(data):
        assert isinstance(name, str)
        assert isinstance(description, str)


def _feed_refusal(_: Path, data: bytes) -> None:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return
    error = parse_refusal(content)
    if error is not None:
        assert error.message.isprintable()
        again = parse_refusal(build_refusal(error))
        assert again is not None
        assert (type(again), str(again), again.remedy) == (type(error), str(error), error.remedy)


SERVICE_TARGETS = (
    Target(
        "names of a service",
        _feed_names,
        lambda _: [b'[{"text": "M068", "description": "2 panels"}]', b'{"text": "M068"}', b"[[]]"],
        ("registry.database.names_of_service",),
    ),
    Target(
        "urls",
        _feed_url,
        lambda _: [
            _PIN,
            b"0a" * 32,
            b"AAEC" * 1365 + b"AA",
            b"target=M068&kind=gain&at=2018-02-10T08:15:00Z&form=record",
            b"version=12&limit=3&before=4&withdrawn=true",
            b"since=4:4f4a7c033166d624&panel=M068&panel=M0*&after=0",
            b"since=2018-4f4a7c033166d624",
        ],
        (
            "registry.heads",
            "registry.api.parameters",
            "registry.api.readings",
            "registry.api.file_questions",
            "registry.service.objects",
        ),
    ),
    Target(
        "refusals",
        _feed_refusal,
        lambda _: [
            b'{"error": {"code": 3, "kind": "NotFoundError", "message": "x: y; z", "details": ["y", "z"], "near": []}}',
            b'{"error": {"code": 2, "kind": "Odd", "message": "x", "remedy": "give_instant"}}',
        ],
        ("registry.records.refusals",),
    ),
)
