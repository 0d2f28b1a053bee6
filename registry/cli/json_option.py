"""``--json`` as a command line says it, before it is parsed."""

from __future__ import annotations


def is_json_wanted(words: list[str]) -> bool:
    """Tell whether a command line asks for JSON, also of a refusal."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return "--json" in words or any(
        word == "--format=json" or (word == "--format" and value == "json") for word, value in pairs
    )
