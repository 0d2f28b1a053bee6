"""Refusals as JSON, and as errors again: what a service sends, and what its client raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from registry import errors
from registry.errors import LeftOutError, RegistryError, Remedy, UnavailableError
from registry.identifiers import escape_control_characters
from registry.records.json import to_builtins

_OWN_KEYS = ("code", "kind", "message", "details", "remedy", "self")


def build_refusal(error: RegistryError) -> dict[str, Any]:
    """Return an error as ``{"error": {...}}``: its values, code, kind, message, details and the name of its remedy."""
    body = {**error.values, "code": error.code, "kind": type(error).__name__, "message": str(error)}
    if error.details:
        body["details"] = list(error.details)
    if error.remedy is not None:
        body["remedy"] = str(error.remedy)
    return {"error": to_builtins(body)}


def may_pass(error: RegistryError) -> bool:
    """Tell whether the same request may be answered in a moment."""
    return isinstance(error, UnavailableError) and not isinstance(error, LeftOutError)


def parse_refusal(content: object) -> RegistryError | None:
    """Return the error that a body describes, None where it describes none."""
    body = content.get("error") if isinstance(content, dict) else None
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return None
    details = body.get("details", [])
    if not isinstance(details, list) or not all(isinstance(detail, str) for detail in details):
        return None
    kind = _find_class(body)
    if kind is None:
        return None
    whole = body["message"]
    message = escape_control_characters(whole.removesuffix(f": {'; '.join(details)}") if details else whole)
    values = {name: value for name, value in body.items() if name not in _OWN_KEYS and name.isidentifier()}
    return kind(
        message,
        details=list(map(escape_control_characters, details)),
        remedy=_find_remedy(body.get("remedy")),
        **values,
    )


def _find_class(body: Mapping[str, Any]) -> type[RegistryError] | None:
    """Return the class of an error, of newer software the one with its code."""
    known = {kind.__name__: kind for kind in _list_classes(RegistryError)}
    kind = known.get(str(body.get("kind")))
    if kind is not None and kind.code == body.get("code"):
        return kind
    by_code = {other.code: other for other in reversed([*known.values()])}
    code = body.get("code")
    return by_code.get(code) if isinstance(code, int) and not isinstance(code, bool) else None


def _list_classes(kind: type[RegistryError]) -> Iterator[type[RegistryError]]:
    for other in kind.__subclasses__():
        if other.__module__ == errors.__name__:
            yield other
            yield from _list_classes(other)


def _find_remedy(name: object) -> Remedy | None:
    """Return the advice with this name, None for one of newer software."""
    return Remedy(name) if isinstance(name, str) and name in set(Remedy) else None


STATUSES = {2: 400, 3: 404, 4: 422, 5: 409, 6: 500, 7: 500, UnavailableError.code: 503}
"""The HTTP status of a refusal, by its exit code. Clients decide by the code: a proxy has a status of its own."""
