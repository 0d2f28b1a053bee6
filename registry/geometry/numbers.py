"""Numbers in geometry files: finite, and of a size that can be."""

from __future__ import annotations

import re

from registry.errors import RequestError
from registry.identifiers import quote

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_INDEX = re.compile(r"[0-9]{1,6}", re.ASCII)
_LARGEST = 1e9


def geometry_error(path: str, problem: str, line: int | None = None) -> RequestError:
    """Return the refusal of a geometry file, with the line of what is wrong."""
    place = f" (line {line})" if line else ""
    return RequestError(
        f"{path!r} is not a geometry that can be used: {problem}{place}", path=path, line=line
    )


def parse_number(text: str, path: str, line: int) -> float:
    """Return a number of at most 1e9; refuse NaN, infinity and whatever is not one."""
    if _NUMBER.fullmatch(text):
        value = float(text)
        if abs(value) <= _LARGEST:
            return value
    raise geometry_error(path, f"{quote(text)} is not a number of at most {_LARGEST:g}", line)


def parse_index(text: str, path: str, line: int) -> int:
    """Return a whole number from 0 to 999999."""
    if not _INDEX.fullmatch(text):
        raise geometry_error(path, f"{quote(text)} is not a whole number from 0 to 999999", line)
    return int(text)
