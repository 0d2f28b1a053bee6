"""The names on a command line: typed one by one, read from a file with ``@FILE``, or from the input with ``-``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from registry.errors import RequestError
from registry.files import decode_text, translate_os_errors
from registry.identifiers import join_detector_id, quote

_MAX_SIZE = 16 << 20  # of a list: more is another file, or one without an end


def read_names(words: Sequence[str] | None) -> list[str] | None:
    """Return the names, those of files and of the standard input in their place; None where none is typed."""
    return [name for word in words for name in _read_word(word)] if words else None


def read_detector(words: Sequence[str]) -> str:
    """Return the name of one detector, run or panel; several panel Ids are joined to a detector Id."""
    names = read_names(words) or []
    if len(names) == 1:
        return names[0]
    odd = [name for name in names if "-" not in name]
    if odd:
        raise RequestError(
            f"{quote(odd[0])} is one of {len(names)} words, which must be the panel Ids of one detector"
        )
    return join_detector_id(names)


def _read_word(word: str) -> list[str]:
    if word == "-":
        place = "the standard input"
        # Python has no object for an input that is closed.
        content = sys.stdin.buffer.read(_MAX_SIZE + 1) if sys.stdin is not None else b""
    elif word.startswith("@") and len(word) > 1:
        place = f"the file {quote(word[1:])}"
        with translate_os_errors("read", Path(word[1:])), Path(word[1:]).open("rb") as file:
            content = file.read(_MAX_SIZE + 1)
    else:
        return [word]
    if len(content) > _MAX_SIZE:
        raise RequestError(f"{place} is larger than {_MAX_SIZE >> 20} MiB: not a list of names")
    names = _decode(content, place)
    if not names:
        raise RequestError(f"{place} has no names in it")
    return names


def _decode(content: bytes, place: str) -> list[str]:
    """Return the words of a text; lines that begin with ``#`` are comments."""
    try:
        text = decode_text(content)
    except UnicodeDecodeError:
        raise RequestError(f"{place} is not a text in UTF-8, or in UTF-16 with a byte order mark") from None
    if "\0" in text:
        raise RequestError(f"{place} is not a text")
    return [word for line in text.splitlines() if not line.lstrip().startswith("#") for word in line.split()]
