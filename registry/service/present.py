"""The head of a registry, as a service tells it, with why it may be out of date."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from registry.api.readings import API
from registry.api.serving import PresentState
from registry.authorship import software_version

_HIDDEN_PLACE = "another place"
_HIDDEN_WARNING = (
    "this database may lack what was recorded last; the operator of the service finds more in its log"
)


def describe_head(present: PresentState, *, public: bool) -> dict[str, Any]:
    """Return the answer of ``/v1/head``: ``closed`` and ``warnings`` only where there is something to tell.

    A public service tells neither whither its registry has moved, nor where its store is.
    """
    value: dict[str, Any] = {
        "registry": present.registry_id,
        "revision": present.head.number,
        "seal": present.head.seal,
        "timezone": present.timezone,
        "api": API,
        "public": public,
        "software": software_version(),
    }
    if present.closure is not None:
        closure = present.closure
        value["closed"] = replace(closure, place=_HIDDEN_PLACE) if public else closure
    if present.warnings:
        value["warnings"] = [_HIDDEN_WARNING] if public else list(present.warnings)
    return value
