"""The JSON of records: a field is a key, an instant an ISO text (the beginning null), a path a text, bytes base64.

`msgspec.json.encode` writes every record with `encode_hook`; so does `encode`. `iterate_text` writes for people.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from registry.instants import Instant


def encode(value: Any) -> bytes:
    """Return a record, or a container of records, as compact JSON in UTF-8; NaN and infinities become null."""
    return msgspec.json.encode(value, enc_hook=encode_hook)


def encode_hook(value: Any) -> Any:
    """Return a value of a record in a type that msgspec can encode: its ``enc_hook`` for records."""
    if isinstance(value, Instant):
        return value.iso
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence):  # lines that are made when they are read
        return list(value)
    raise NotImplementedError(f"a {type(value).__name__} has no JSON")


def to_builtins(value: Any) -> Any:
    """Return the value in dicts, lists, texts, numbers, booleans and None."""
    value = _convert_outermost(value)
    if isinstance(value, dict):
        return {name: to_builtins(item) for name, item in value.items()}
    return [to_builtins(item) for item in value] if _is_list(value) else value


def iterate_text(value: Any, line_break: str = "\n") -> Iterator[str]:
    """Yield the text of `json.dumps` with an indent of 2 piece by piece, for lists of any length.

    An iterator becomes a list, whose items are read while they are written. `line_break` ends with the indent of the
    value.
    """
    value = _convert_outermost(value)
    if isinstance(value, dict):
        brackets, items = "{}", ((f"{json.dumps(name)}: ", item) for name, item in value.items())
    elif _is_list(value):
        brackets, items = "[]", (("", item) for item in value)
    else:
        yield json.dumps(value)
        return
    mark = brackets[0]
    for name, item in items:
        yield f"{mark}{line_break}  {name}"
        yield from iterate_text(item, f"{line_break}  ")
        mark = ","
    yield f"{line_break}{brackets[1]}" if mark == "," else brackets


def _convert_outermost(value: Any) -> Any:
    """Return a record as a dict and a single value in JSON's types; what they contain stays as it is."""
    if isinstance(value, Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return _omit_defaults(value, fields) if value.__struct_config__.omit_defaults else fields
    if isinstance(value, dict):
        return {str(name): item for name, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return encode_hook(value) if isinstance(value, Instant | Path) else value


def _omit_defaults(record: Struct, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that `msgspec` writes of such a record, too."""
    optional = record.__struct_fields__[-len(record.__struct_defaults__) :]
    defaults = dict(zip(optional, record.__struct_defaults__, strict=True))
    return {name: value for name, value in fields.items() if name not in defaults or value != defaults[name]}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | Set | Iterator) and not isinstance(value, str)
