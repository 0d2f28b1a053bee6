"""What is fuzzed: a parser, what it is fed with, and what it may say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from registry.errors import RegistryError

_MAX_MESSAGE_LENGTH = 2000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Target:
    """A parser under test.

    Attributes
    ----------
    feed
        Gives it some bytes, in a folder that is its own; raises anything where it breaks.
    seeds
        Inputs from which others are made; they are told the same folder.
    reads
        The modules whose parsing it tries.
    """

    name: str
    feed: Callable[[Path, bytes], None]
    seeds: Callable[[Path], list[bytes]]
    modules: tuple[str, ...]


def call_parser(parse: Callable[[], _T]) -> _T | None:
    """Return what a parser answers, None where it refuses: in printable sentences that a person can read."""
    try:
        return parse()
    except RegistryError as error:
        for sentence in (error.message, *error.details):
            assert sentence.isprintable(), sentence
            assert len(sentence) < _MAX_MESSAGE_LENGTH, sentence
        return None


def decode_text(data: bytes) -> str:
    """Return the bytes as Python hands out what was typed, whether it is UTF-8 or not."""
    return data.decode("utf-8", "surrogateescape")
