"""The JSON of the logbook, read without trust: names that stand twice, endless numbers, depths and sizes."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from registry.errors import RequestError
from registry.identifiers import quote

LARGEST = 64 << 20
_MOST_VALUES = 4_000_000  # a small JSON text can make large objects
_MOST_RUNS = 100_000
_BEGINS_AS_JSON = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[\[{]")


@dataclass(frozen=True, slots=True)
class _Doubled:
    """What stands in the place of an object that has a name twice: which of the two is meant?"""

    name: str


def looks_like_json(content: bytes) -> bool:
    """Tell whether a file begins as JSON does: a table of datasets never does."""
    return _BEGINS_AS_JSON.match(content) is not None


def entries_of(content: bytes, name: str) -> list[Any]:
    """Return the entries of a list of runs, bare or in the logbook's envelope; `name` is the file's in messages.

    An object that has a name twice stands there as something that is no dictionary; decimal numbers are exact.

    Raises
    ------
    RequestError
        It is no such list, the logbook tells of no success, or there is more of it than makes sense.
    """
    return _entries(_decoded(content, name), name)


def _decoded(content: bytes, name: str) -> Any:
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > _MOST_VALUES:
        raise RequestError(f"{name} holds more than {_MOST_VALUES} values: not a logbook's list of runs")
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object_of, parse_float=Decimal)
    except UnicodeDecodeError:
        raise RequestError(f"{name} is not a text: no JSON") from None
    except json.JSONDecodeError as error:
        raise RequestError(f"{name} is no whole JSON: {error}") from None
    except RecursionError:
        raise RequestError(f"{name} is nested too deeply: not a logbook's list of runs") from None
    except (ValueError, ArithmeticError):  # Python reads no number of thousands of digits
        raise RequestError(f"{name} holds a number that is too large to be one of a run") from None


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Doubled:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return _Doubled(next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1))


def _entries(answer: Any, name: str) -> list[Any]:
    """Return the entries, taken out of their envelope."""
    if isinstance(answer, dict):
        if answer.get("success") is not True:
            found = said(answer["success"]) if "success" in answer else "missing"
            raise RequestError(f"{name} is no answer with runs: success is {found}, true is expected")
        if "value" not in answer:
            raise RequestError(f"{name} is no answer with runs: value is missing, a list of runs is expected")
        answer = answer["value"]
    if not isinstance(answer, list):
        raise RequestError(f"{name} holds {said(answer)} where a list of runs is expected")
    if not answer:
        raise RequestError(f"{name} holds no run")
    if len(answer) > _MOST_RUNS:
        raise RequestError(
            f"{name} holds {len(answer)} entries; no experiment has more than {_MOST_RUNS} runs"
        )
    return answer


def said(value: object) -> str:
    """Return a value of the file as a message names it: never the whole of an object or a list."""
    if isinstance(value, _Doubled):
        return f"an object in which {quote(value.name)} stands twice"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    number = str(value)
    return number if len(number) < 30 else quote(number)
