"""The option ``--condition``: the kinds and types that are named, under a condition of operation."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.errors import RequestError

Condition = Annotated[
    str | None,
    typer.Option(
        "--condition", metavar="CONDITION", help="hg0 ...: of the kinds or types that are named, under it."
    ),
]


def add_condition(
    condition: str | None, kinds: list[str] | None, types: list[str] | None = None
) -> tuple[list[str] | None, list[str] | None]:
    """Return the kinds and types under the condition: ``pedestals/hg0``, ``pedestals-hg0``; refuse one of nothing.

    Which kinds depend on it is known by the detector type, which refuses others.
    """
    if condition is None:
        return kinds, types
    from registry.detectors import name_kind, name_type

    if not kinds and not types:
        raise RequestError(
            f"the darks under the condition {condition} are of kinds of their own; no kind or type is named",
            condition=condition,
        )
    return (
        kinds and [name_kind(kind, condition) for kind in kinds],
        types and [name_type(name, condition) for name in types],
    )
