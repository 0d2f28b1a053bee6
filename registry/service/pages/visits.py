"""A visit: one look at a page, of a registry as of one revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.api.backend import Backend
from registry.api.registry import Registry
from registry.errors import RequestError
from registry.heads import LARGEST_NUMBER, Head
from registry.identifiers import quote


@dataclass(frozen=True, slots=True)
class Visit:
    """The registry, the revision and the words of one page; all its look-ups are as of the same revision.

    Attributes
    ----------
    pin
        The revision, with its whole seal.
    words
        The parameters of the URL, those in its path and those of its query; empty ones, as forms send them, are
        left out.
    is_live
        True for a page of the newest revision, which is not said in its URL.
    """

    registry: Registry
    pin: Head
    words: Mapping[str, str]
    is_live: bool = True

    @property
    def backend(self) -> Backend:
        """The backend of the registry, for questions."""
        return self.registry._backend  # noqa: SLF001 - of this package

    def read_text(self, name: str) -> str:
        """Return a parameter; refuse a URL that lacks it."""
        if name not in self.words:
            raise RequestError(f"the URL lacks {name}", parameter=name)
        return self.words[name]

    def read_number(self, name: str, default: int | None = None) -> int | None:
        """Return a parameter as a number, or the default; refuse another text."""
        text = self.words.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdecimal() or len(text) > len(str(LARGEST_NUMBER)):
            raise RequestError(f"{name}={quote(text)} is not a number: 1, 2, 3 ...", parameter=name)
        return int(text)

    def read_flag(self, name: str) -> bool:
        """Return whether a parameter is true; refuse another text than true or false."""
        text = self.words.get(name, "false")
        if text not in {"true", "false"}:
            raise RequestError(f"{name}={quote(text)} is neither true nor false", parameter=name)
        return text == "true"


Values = dict[str, Any]
"""The values that a template shows, as records."""
