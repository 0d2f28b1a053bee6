"""The pages of the Python reference: which public names stand on which page; autodoc fills them from the docstrings."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from msgspec import Struct

import registry
from registry import records
from registry.api import Registry

_TYPES = """
Three names in the signatures stand for several types:

``At``
    An instant: a text with its offset (``2018-02-10T08:15:00Z``), a stamp of 14 digits in the registry's time zone,
    an aware ``datetime``, or an `Instant`.
``AsOf``
    A revision's number, an instant, the name of a tag, or ``None`` for the newest revision.
``Progress``
    A function that is called during a long operation; the command line passes one that draws a bar.
"""


def build_pages() -> dict[str, str]:
    """Return the pages in reStructuredText by their names, in the order of the navigation."""
    functions = [name for name in registry.__all__ if name[0].islower()]
    classes = [name for name in registry.__all__ if name[0].isupper() and name != "Registry"]
    pages = {
        "functions": _page(
            "Functions", _TYPES, *(f".. autofunction:: registry.{name}" for name in functions)
        ),
        "registry": _page("Registry", _class("registry.Registry()")),
    }
    for name, noun in find_nouns():
        methods = [f".. automethod:: {noun.__module__}.{noun.__name__}.{verb}" for verb in find_verbs(noun)]
        pages[f"registry.{name}"] = _page(f"registry.{name}", inspect.cleandoc(noun.__doc__ or ""), *methods)
    pages["classes"] = _page("Other classes", *(_class(f"registry.{name}") for name in classes))
    pages["records"] = _page("Records", *map(_class, find_records()))
    pages["errors"] = _page("Errors", ".. automodule:: registry.errors\n   :members:")
    return pages


def write_pages(folder: Path) -> None:
    """Write the pages into a folder; an unchanged page is not touched, so that a second build is quick."""
    folder.mkdir(exist_ok=True)
    pages = {folder / f"{name}.rst": text for name, text in build_pages().items()}
    for path in folder.glob("*.rst"):
        if path not in pages:
            path.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def find_nouns() -> Iterator[tuple[str, type]]:
    """Yield the nouns of a registry with their classes."""
    without_database = SimpleNamespace(_backend=None)
    for name, member in vars(Registry).items():
        if isinstance(member, property) and member.fget is not None:
            yield name, type(member.fget(without_database))


def find_verbs(noun: type) -> list[str]:
    """Return the names of a class's public methods in the order of the source, inherited ones last."""
    ancestors = [ancestor for ancestor in noun.__mro__ if ancestor.__module__.startswith("registry.")]
    members = {name: member for ancestor in ancestors for name, member in vars(ancestor).items()}
    return [name for name, member in members.items() if inspect.isfunction(member) and name[0] != "_"]


def find_records() -> list[str]:
    """Return the full names of all records, those that `registry.records` names first."""
    structs = [
        (module.name, name, member)
        for module in pkgutil.iter_modules(records.__path__, "registry.records.")
        for name, member in vars(import_module(module.name)).items()
        if inspect.isclass(member) and issubclass(member, Struct) and member.__module__ == module.name
    ]
    more = [
        f"{module}.{name}" for module, name, _ in structs if name not in records.__all__ and name[0] != "_"
    ]
    return [*(f"registry.records.{name}" for name in records.__all__), *more]


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((f"{title}\n{'=' * len(title)}", *parts)) + "\n"


def _class(name: str) -> str:
    return f".. autoclass:: {name}\n   :members:\n   :inherited-members: Struct, Mapping, int, list"
