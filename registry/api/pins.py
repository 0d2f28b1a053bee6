"""Pins: the revision, with the beginning of its seal, that stands in the URL of an answer."""

from __future__ import annotations

import re

from registry.errors import RequestError
from registry.heads import Head, parse_head, shorten_seal
from registry.identifiers import quote

_PIN = re.compile(r"([0-9]{1,10})-([0-9a-f]{16})", re.ASCII)


def format_pin(head: Head) -> str:
    """Return the part of a URL that names a head."""
    return f"{head.number}-{shorten_seal(head.seal)}"


def parse_pin(text: str) -> Head:
    """Return the head that a part of a URL names, its seal cut; raise a `RequestError` for another text."""
    match = _PIN.fullmatch(text)
    if match is None:
        raise RequestError(
            f"{quote(text)} is not a pin: the number of a revision, a hyphen, and 16 digits of its seal, as /v1/head"
            " gives them",
            pin=text,
        )
    return parse_head(f"{match[1]}:{match[2]}")
