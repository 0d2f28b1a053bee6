"""Fuzz targets: a parser, its inputs, and its permitted results."""

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
        Calls the parser with some bytes, in a folder for this target; raises if the parser breaks.
    seeds
        Returns inputs from which others are derived; it may write into the same folder.
    modules
        The modules whose parsing is tested.
    """

    name: str
    feed: Callable[[Path, bytes], None]
    seeds: Callable[[Path], list[bytes]]
    modules: tuple[str, ...]


def call_parser(parse: Callable[[], _T]) -> _T | None:
    """Return the result of a parser, or None if it raises RegistryError; its message must be short and printable."""
    try:
        return parse()
    except RegistryError as error:
        for sentence in (error.message, *error.details):
            assert sentence.isprintable(), sentence
            assert len(sentence) < _MAX_MESSAGE_LENGTH, sentence
        return None


def decode_text(data: bytes) -> str:
    """Decode bytes as Python decodes command line arguments, whether they are UTF-8 or not."""
    return data.decode("utf-8", "surrogateescape")
