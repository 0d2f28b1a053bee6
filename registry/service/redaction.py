"""Leave out of a public service authors, hosts, commands and paths, which say how a facility works inside."""

from __future__ import annotations

from typing import Any

_HIDDEN = frozenset(
    {"author", "host", "command", "database_role", "source_path", "path", "provenance", "file"}
)


def redact(value: Any) -> Any:
    """Return a value of JSON's types with empty texts in the place of authors, hosts, commands and paths."""
    if isinstance(value, dict):
        return {
            name: "" if name in _HIDDEN and isinstance(item, str) else redact(item)
            for name, item in value.items()
        }
    return [redact(item) for item in value] if isinstance(value, list) else value
