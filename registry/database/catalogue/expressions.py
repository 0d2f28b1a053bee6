"""Conditions of SQL, compared by their meaning: PostgreSQL writes them with more parentheses and casts.

``length(sha256) = 64`` becomes ``(length((sha256)::text) = 64)`` there, and ``x IN ('a')`` an ``ANY`` of an array.
"""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(r"""\s*('(?:[^']|'')*'|"?\w+"?|<>|>=|<=|::|\S)""")
_TEXT_TYPES = {"text", "character varying", "text[]", "character varying[]"}
_COMPARISONS = {"=", "<>", "<", ">", "<=", ">="}


def is_same_condition(one: str, other: str) -> bool:
    """Tell whether two conditions are the same but for parentheses, and for casts of texts to texts."""
    try:
        return bool(_Parser(one).parse() == _Parser(other).parse())
    except (ValueError, IndexError):  # neither is one of ours
        return one == other


class _Parser:
    """The conditions that the schema's rules use."""

    def __init__(self, text: str) -> None:
        self.tokens = [token.strip('"') for token in _TOKEN.findall(text)]

    def parse(self) -> Any:
        tree = self._read_chain("OR", "AND")
        if self.tokens:
            raise ValueError(self.tokens[0])
        return tree

    def _take(self, *words: str) -> bool:
        if [token.upper() for token in self.tokens[: len(words)]] == list(words):
            del self.tokens[: len(words)]
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise ValueError(word)

    def _read_chain(self, word: str, inner: str | None = None) -> Any:
        def read() -> Any:
            return self._read_chain(inner) if inner else self._read_comparison()

        items = [read()]
        while self._take(word):
            items.append(read())
        return (word, *items) if len(items) > 1 else items[0]

    def _read_comparison(self) -> Any:
        left = self._read_value()
        if self._take("IS", "NOT", "NULL"):
            return "IS NOT NULL", left
        if self._take("IS", "NULL"):
            return "IS NULL", left
        if self._take("=", "ANY", "("):
            choices = self._read_value()
            self._expect(")")
            return "IN", left, choices
        if self._take("IN", "("):
            return "IN", left, self._read_list(")")
        if self.tokens and self.tokens[0] in _COMPARISONS:
            return self.tokens.pop(0), left, self._read_value()
        return left

    def _read_value(self) -> Any:
        value: Any
        if self._take("("):
            value = self._read_chain("OR", "AND")
            self._expect(")")
        elif self._take("ARRAY", "["):
            value = self._read_list("]")
        else:
            value = self.tokens.pop(0)
            if self._take("("):
                value = (value, self._read_list(")"))
        while self._take("::"):
            name = self._read_type()
            value = value if name in _TEXT_TYPES else ("cast", value, name)
        return value

    def _read_list(self, end: str) -> tuple[Any, ...]:
        items = [self._read_value()]
        while self._take(","):
            items.append(self._read_value())
        self._expect(end)
        return tuple(items)

    def _read_type(self) -> str:
        name: str = self.tokens.pop(0)
        if self._take("VARYING"):
            name += " varying"
        return name + ("[]" if self._take("[", "]") else "")
