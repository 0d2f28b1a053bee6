"""The reference of the Python face: every public name with its signature and docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import registry
from registry import errors, records
from registry.api import Registry

_WIDTH = 100


def reference() -> str:
    """Return functions, the registry with its nouns, what they hand out, and what they raise."""
    functions = [getattr(registry, name) for name in registry.__all__ if name[0].islower()]
    classes = [getattr(registry, name) for name in registry.__all__ if name[0].isupper()]
    parts = ["## Functions\n", "Of the module `registry`.\n"]
    for function in functions:
        parts += _callable(function.__name__, function)
    parts += ["## Registry\n", _text(Registry)]
    parts += _members("registry", Registry)
    for name, noun in _nouns():
        parts += [f"## registry.{name}\n"]
        parts += _members(f"registry.{name}", noun)
    parts += ["## Other classes\n", "Of the module `registry`.\n"]
    for found in classes:
        if found is not Registry:
            parts += [f"### {found.__name__}\n", _text(found)]
            parts += _members(found.__name__, found)
    parts += [
        "## Records\n",
        "Of the module `registry.records`: frozen structs, whose fields are named here.\n",
    ]
    for name in records.__all__:
        parts += _record(getattr(records, name))
    parts += ["## Errors\n", "Of the module `registry.errors`, with the exit codes of the command line.\n"]
    parts += ["```", *_tree(), "```\n"]
    return "\n".join(parts)


def _nouns() -> Iterator[tuple[str, type]]:
    """Return the nouns of a registry, made without one."""
    nobody = SimpleNamespace(_backend=None)
    for name, member in vars(Registry).items():
        if isinstance(member, cached_property):
            yield name, type(member.func(nobody))


def _members(owner: str, found: type) -> Iterator[str]:
    """Return the public verbs of a class in the order in which they are written, the inherited ones last."""
    written: dict[str, Any] = {}
    for each in found.__mro__:
        if each.__module__.startswith("registry."):
            written = written | {name: member for name, member in vars(each).items() if name not in written}
    for name, member in written.items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"### {owner}.{name}\n"
            yield _text(member)
        elif inspect.isfunction(member):
            yield from _callable(f"{owner}.{name}", member)


def _callable(name: str, function: Callable[..., Any]) -> Iterator[str]:
    signature = inspect.signature(function)
    parameters = [str(each) for each in signature.parameters.values() if each.name != "self"]
    kinds = [each.kind for each in signature.parameters.values() if each.name != "self"]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    parameters = [re.sub(r": '(.*?)'", r": \1", each) for each in parameters]
    parameters = [re.sub("<function (\\w+) at .*>", r"\1", each) for each in parameters]
    answer = (
        f" -> {signature.return_annotation}" if signature.return_annotation is not signature.empty else ""
    )
    line = f"{name}({', '.join(parameters)}){answer}"
    if len(line) > _WIDTH:
        line = "\n".join((f"{name}(", *(f"    {each}," for each in parameters), f"){answer}"))
    yield f"### {name}\n"
    yield f"```\n{line}\n```\n"
    yield _text(function)


def _record(found: Any) -> Iterator[str]:
    yield f"### {found.__name__}\n"
    annotations: dict[str, str] = {}
    for each in reversed(found.__mro__):
        annotations |= vars(each).get("__annotations__", {})
    fields = [f"{name}: {annotations[name]}" for name in found.__struct_fields__]
    yield "\n".join(("```", *fields, "```\n"))
    yield _text(found)
    yield from _members(found.__name__, found)


def _tree() -> list[str]:
    """Return the drawing at the top of `registry.errors`."""
    drawing = re.search(r"::\n\n(.*?)\n\n\S", inspect.cleandoc(errors.__doc__ or ""), re.DOTALL)
    return inspect.cleandoc(drawing[1]).splitlines() if drawing else []


def _text(documented: Any) -> str:
    """Return a docstring of numpydoc's form in Markdown."""
    lines = inspect.cleandoc(documented.__doc__ or "").replace("``", "`").splitlines()
    written: list[str] = []
    section = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch("-{3,}", line):
            continue
        if re.fullmatch("-{3,}", following):
            section = True
            written += [*([""] if written[-1:] != [""] else []), f"**{line}**", ""]
        elif section and line and not line.startswith(" "):
            written.append(f"- `{line}`:")
        elif section and line.strip():
            written[-1] += f" {line.strip()}"
        elif not section or line.strip():
            written.append(line)
    return "\n".join(written).strip() + "\n"
