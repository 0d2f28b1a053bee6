"""Texts of views, compared by their meaning: PostgreSQL writes them with more parentheses, casts and names."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|\w+|<>|>=|<=|\|\||[^\s()]""")
_CAST = re.compile(
    r"::(?:text|bigint|integer|interval|double precision|character varying|timestamp without time zone)\b"
)
# The columns of subqueries, which nothing refers to: some releases of PostgreSQL write a name for them.
_NAME = re.compile(r"\bAS (?:string_agg|count|m_number|id)\b")


def is_same_view(one: str, other: str) -> bool:
    """Tell whether two queries of this schema are the same.

    What is left out has no meaning in them: no condition is joined by OR, and no cast there rounds.
    """
    return _list_tokens(one) == _list_tokens(other)


def _list_tokens(text: str) -> list[str]:
    plain = _NAME.sub("", _CAST.sub("", text)).rstrip().rstrip(";")
    return [token if token.startswith("'") else token.strip('"').lower() for token in _TOKEN.findall(plain)]
