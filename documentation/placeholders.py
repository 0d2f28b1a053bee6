"""Values that stand in documents for those that differ from day to day and from machine to machine."""

from __future__ import annotations

import re

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
_SEAL = "4f0c9a5e7b21d3860a9e6c1f52b7d8e4" * 2
_PLACEHOLDERS = (
    (rf"{_TIME} by \S+ on \S+", "2018-03-01T09:30:00.000000Z by ana on beamline"),
    (rf"{_TIME}(, by| by|,|  ) *[^\s:]+", r"2018-03-01T09:30:00.000000Z\1 ana"),
    (_TIME, "2018-03-01T09:30:00.000000Z"),
    (r"^  on [^\s:]+:", "  on beamline:"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "cacd916b-8556-497e-a80a-6925e1aa733f"),
    (r"\bseal( +)[0-9a-f]{16}\b", rf"seal\g<1>{_SEAL[:16]}"),
    (r"\b(seal +|not )[0-9a-f]{64}\b", rf"\g<1>{_SEAL}"),
    (r'("seal": )"[0-9a-f]{64}"', rf'\1"{_SEAL}"'),
    (r"^(\S+ +\d+ +)[0-9a-f]{16}( +\d+)$", rf"\g<1>{_SEAL[:16]}\2"),  # of tags
    (r"\b(\d+):[0-9a-f]{64}\b", rf"\g<1>:{_SEAL}"),
    (r"\b(\d+):[0-9a-f]{16}\b", rf"\g<1>:{_SEAL[:16]}"),
    (r"\b(\d+)-[0-9a-f]{16}\b", rf"\g<1>-{_SEAL[:16]}"),  # pins
    (r"registry-\d{8}T\d{12}Z", "registry-20180301T093000000000Z"),
    (r"^software .*", "software      calreg 0.1.0, python 3.11.7, numpy 2.4.6, sqlalchemy 2.1.9"),
)


def use_placeholders(text: str) -> str:
    """Return what calreg printed with the same times, ids, user, host and libraries on every machine."""
    for pattern, placeholder in _PLACEHOLDERS:
        text = re.sub(pattern, placeholder, text, flags=re.MULTILINE)
    return text
