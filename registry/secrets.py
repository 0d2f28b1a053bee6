"""Passwords are masked in every log, revision, document and message."""

from __future__ import annotations

import re

# A user's name may hold an @ and a password anything, so everything up to the last @ counts as the password:
# it is better to mask an address too much ("http://host:80/, ask me@lab") than to show half a password. Paths
# reduce the two slashes to one.
_IN_URL = re.compile(r":/{1,2}[^/:]*:(.*)", re.DOTALL)
# In a URL's query up to the next &; else a word as libpq and the shell read it, any part quoted or escaped. A masked
# password is left as it is, or the rest of its message would be masked as well.
_MASKED_ALREADY = r"""\*{3}(?:[\s'"&:;,)]|\Z)"""
_AS_FIELD = re.compile(
    rf"""[?&]\w*password=(?!{_MASKED_ALREADY})([^&]+)
    | password\s*=\s*(?!{_MASKED_ALREADY})(
        (?: '(?:[^'\\]|\\.)*(?:'|\\?\Z) | "(?:[^"\\]|\\.)*(?:"|\\?\Z) | \\(?:.|\Z) | [^\s'"\\] )+
      )""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


def mask_passwords(text: str) -> str:
    """Return the text with every password of a URL or of a ``password=`` field replaced by ``***``."""
    spans = [match.span(1) for match in _IN_URL.finditer(text, 0, max(text.rfind("@"), 0))]
    spans += [match.span(match.lastindex or 0) for match in _AS_FIELD.finditer(text)]
    pieces, end = [], 0
    for start, stop in sorted(spans):
        if start >= end:
            pieces += [text[end:start], "***"]
        end = max(end, stop)
    return "".join(pieces) + text[end:]
