"""JSON schemas of the records that a service sends, from their types: every field that an answer has, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args, get_origin

from msgspec import Struct, inspect

from registry.identifiers import format_count
from registry.instants import Instant

_START = "#/components/schemas/"
_SIMPLE: dict[type, dict[str, Any]] = {
    inspect.AnyType: {},
    inspect.BoolType: {"type": "boolean"},
    inspect.BytesType: {"type": "string", "contentEncoding": "base64"},
    inspect.FloatType: {"type": ["number", "null"]},  # NaN and infinities become null
    inspect.IntType: {"type": "integer"},
    inspect.NoneType: {"type": "null"},
    inspect.StrType: {"type": "string"},
}
_LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
}


class Schemas:
    """Collects the schemas of records under their names; records refer to each other by them."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = {}
        self._types: dict[str, type] = {}

    def describe(self, kind: Any) -> dict[str, Any]:
        """Return the schema of the JSON of a type."""
        origin = get_origin(kind)
        if isinstance(origin, type) and issubclass(origin, list):  # also lists with methods of their own
            return {"type": "array", "items": self.describe(get_args(kind)[0])}
        return self._describe(inspect.type_info(kind))

    def _describe(self, kind: inspect.Type) -> dict[str, Any]:
        simple = _SIMPLE.get(type(kind))
        if simple is not None:
            return simple | _list_limits(kind)
        describe = _OTHERS.get(type(kind), Schemas._describe_items)
        return describe(self, kind)

    def _describe_items(self, kind: Any) -> dict[str, Any]:
        item = getattr(kind, "item_type", None)  # of lists, and of tuples of any length
        if item is None:
            raise TypeError(f"{kind} has no schema")
        return {"type": "array", "items": self._describe(item)}

    def _describe_metadata(self, kind: Any) -> dict[str, Any]:
        return self._describe(kind.type)

    def _describe_values(self, kind: Any) -> dict[str, Any]:
        return {"enum": list(kind.values)}

    def _describe_union(self, kind: Any) -> dict[str, Any]:
        return {"anyOf": [self._describe(member) for member in kind.types]}

    def _describe_tuple(self, kind: Any) -> dict[str, Any]:
        items = [self._describe(item) for item in kind.item_types]
        # Not prefixItems, which generators of clients and of tests do not know yet.
        return {"type": "array", "items": {"anyOf": items}, "minItems": len(items), "maxItems": len(items)}

    def _describe_dict(self, kind: Any) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self._describe(kind.value_type)}

    def _describe_custom(self, kind: Any) -> dict[str, Any]:
        if kind.cls is Instant:
            return {"type": ["string", "null"], "format": "date-time"}  # the beginning is null
        if kind.cls is Path:
            return {"type": "string"}
        raise TypeError(f"{kind.cls} has no schema")

    def _refer(self, kind: Any) -> dict[str, Any]:
        """Return a reference to the schema of a record, which is made when it is first met."""
        name = kind.cls.__name__
        if self._types.setdefault(name, kind.cls) is not kind.cls:
            raise TypeError(f"{format_count(2, 'record')} have the name {name}")
        if name not in self.components:
            self.components[name] = {}  # it may refer to itself
            omits = cast("type[Struct]", kind.cls).__struct_config__.omit_defaults
            self.components[name] = {
                "type": "object",
                "description": (kind.cls.__doc__ or "").partition("\n")[0],
                "properties": {field.encode_name: self._describe(field.type) for field in kind.fields},
                "required": [field.encode_name for field in kind.fields if field.required or not omits],
            }
        return {"$ref": f"{_START}{name}"}


def _list_limits(kind: inspect.Type) -> dict[str, Any]:
    limits = {word: getattr(kind, name, None) for name, word in _LIMITS.items()}
    pattern = getattr(kind, "pattern", None)
    if pattern is not None:  # ECMA has other signs for the ends of a text
        limits["pattern"] = pattern.replace(r"\A", "^").replace(r"\Z", "$")
    return {word: limit for word, limit in limits.items() if limit is not None}


_OTHERS: dict[type, Callable[[Schemas, Any], dict[str, Any]]] = {
    inspect.CustomType: Schemas._describe_custom,  # noqa: SLF001 - of the class above, as the others
    inspect.DictType: Schemas._describe_dict,  # noqa: SLF001 - as above
    inspect.LiteralType: Schemas._describe_values,  # noqa: SLF001 - as above
    inspect.Metadata: Schemas._describe_metadata,  # noqa: SLF001 - as above
    inspect.StructType: Schemas._refer,  # noqa: SLF001 - as above
    inspect.TupleType: Schemas._describe_tuple,  # noqa: SLF001 - as above
    inspect.UnionType: Schemas._describe_union,  # noqa: SLF001 - as above
}
