"""Passwords are never shown: what stands in a log, a revision, a document or a message is masked here."""

from __future__ import annotations

import re

_IN_URL = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://[^/@\s:]*):(?P<secret>[^\s]*)@")
_AS_FIELD = re.compile(r"(?P<before>\b(?:ssl)?password\s*=\s*)(?P<secret>'(?:[^'\\]|\\.)*'|[^\s&'\"]+)", re.IGNORECASE)


def masked(text: str) -> str:
    """Return the text with every password of a URL or of a ``password=`` field replaced by ``***``."""
    return _AS_FIELD.sub(r"\g<before>***", _IN_URL.sub(r"\g<before>:***@", text))
