"""Refusals of several things at once: collected, and combined to one that lists them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from registry.errors import RegistryError, Remedy


@contextmanager
def collect_refusals(refusals: list[RegistryError]) -> Iterator[None]:
    """Add to a list the refusal of what is done meanwhile, if it is refused."""
    try:
        yield
    except RegistryError as refusal:
        refusals.append(refusal)


def raise_combined(what: str, refusals: Sequence[RegistryError]) -> None:
    """Raise a refusal that lists all of these, if there are any; `what` names them in the plural."""
    if refusals:
        raise refusals[0] if len(refusals) == 1 else _combine(what, refusals)


def _combine(what: str, refusals: Sequence[RegistryError]) -> RegistryError:
    """Return the combined refusal: its exit code is the lowest, its values and its advice those of all."""
    sentences = list(
        dict.fromkeys(text for refusal in refusals for text in (refusal.details or (refusal.message,)))
    )
    code = min(refusal.code for refusal in refusals)
    classes = {type(refusal) for refusal in refusals if refusal.code == code}
    error_class = classes.pop() if len(classes) == 1 else _find_class(code)
    remedies = sorted({remedy for refusal in refusals for remedy in _list_remedies(refusal)})
    values = _merge_values(refusals)
    if len(remedies) > 1:
        values["remedies"] = remedies
    remedy = remedies[0] if len(remedies) == 1 else Remedy.TAKE_DELIVERY if remedies else None
    values.pop("problems", None)
    return error_class.combine(what, sentences, remedy=remedy, problems=sentences, **values)


def _find_class(code: int) -> type[RegistryError]:
    """Return the class of all refusals with an exit code."""
    return next(known for known in RegistryError.__subclasses__() if known.code == code)


def _list_remedies(refusal: RegistryError) -> list[Remedy]:
    return [refusal.remedy] if refusal.remedy is not None else []


def _merge_values(refusals: Sequence[RegistryError]) -> dict[str, Any]:
    """Return the values of all: lists joined, of others the first."""
    merged: dict[str, Any] = {}
    for refusal in refusals:
        for name, value in refusal.values.items():
            if isinstance(value, list) and isinstance(merged.get(name, []), list):
                merged[name] = [*merged.get(name, []), *value]
            else:
                merged.setdefault(name, value)
    return merged
