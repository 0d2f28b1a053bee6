"""Leave out of a public service authors, hosts, commands and paths, which say how a facility works inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.errors import ConflictError

_HIDDEN = frozenset(
    {"author", "host", "command", "database_role", "source_path", "path", "provenance", "file"}
)

_PROBLEMS = "problems"
"""Sentences about the database, some with its place."""


def refuse_hidden(arguments: Mapping[str, Any]) -> None:
    """Refuse to search for what is left out: an answer would tell whether a guess is right."""
    hidden = sorted(name for name in arguments if name in _HIDDEN)
    if hidden:
        raise ConflictError(
            f"this service is public: it does not tell the {hidden[0]} of anything, nor search for one",
            parameter=hidden[0],
        )


def redact(value: Any) -> Any:
    """Return a value of JSON's types with empty texts in the place of authors, hosts, commands and paths."""
    if isinstance(value, dict):
        return {name: _redact_item(name, item) for name, item in value.items()}
    return [redact(item) for item in value] if isinstance(value, list) else value


def _redact_item(name: str, item: Any) -> Any:
    if name in _HIDDEN and isinstance(item, str):
        return ""
    return [] if name == _PROBLEMS else redact(item)
