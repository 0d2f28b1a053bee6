"""Errors below the command line speak of values; the command line adds its own verbs and options."""

import ast
import gc
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import registry
from registry.cli.examples import EXAMPLES
from registry.cli.remedies import WORDS, format_error
from registry.errors import RegistryError, Remedy

PACKAGE = Path(registry.__file__).parent
_FIRST_WORDS = "|".join(sorted({verb.split()[0] for verb in EXAMPLES}))
# The names of formats in documents, and of the texts of seals.
_FORMATS = ("calreg backup", "calreg provenance", "calreg export 1\nnumber ")
_COMMAND = re.compile(rf"(?<![\w-])--[a-z]|\bcalreg ({_FIRST_WORDS})\b")


@cache
def list_modules() -> list[tuple[Path, ast.Module]]:
    """Return the modules below the command line."""
    files = [file for file in sorted(PACKAGE.rglob("*.py")) if PACKAGE / "cli" not in file.parents]
    return [(file, ast.parse(file.read_text())) for file in files]


def list_texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the string literals of a module that are not docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def list_raises() -> Iterator[tuple[str, Remedy, set[str]]]:
    """Yield the place, the remedy and the names of the values of every error with a remedy."""
    for file, tree in list_modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            keywords = {keyword.arg or "**": keyword.value for keyword in call.keywords}
            for node in ast.walk(keywords.get("remedy", ast.Constant(None))):
                if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Remedy":
                    yield f"{file.relative_to(PACKAGE)}:{call.lineno}", Remedy[node.attr], set(keywords)


def test_no_text_below_the_command_line_names_an_option_or_a_verb() -> None:
    gc.collect()  # what is collected while a file is parsed can break the parser of Python 3.11
    named = [
        f"{file.relative_to(PACKAGE)}:{text.lineno}: {text.value!r}"
        for file, tree in list_modules()
        for text in list_texts(tree)
        if _COMMAND.search(text.value) and text.value not in _FORMATS
    ]
    assert named == []


@pytest.mark.slow
def test_every_remedy_has_words_and_is_used() -> None:
    assert set(WORDS) == set(Remedy)
    assert list(Remedy) == sorted(Remedy)
    used = {
        Remedy[node.attr]
        for _, tree in list_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Remedy"
    }
    assert used == set(Remedy)


@pytest.mark.slow
def test_every_error_has_the_values_that_the_words_of_its_remedy_need() -> None:
    for place, remedy, names in list_raises():
        words = WORDS[remedy]
        if isinstance(words, str) and "**" not in names:
            needed = {name for _, name, _, _ in string.Formatter().parse(words) if name}
            assert needed <= names, place


@pytest.mark.parametrize("remedy", Remedy)
def test_every_remedy_can_be_worded(remedy: Remedy) -> None:
    words = WORDS[remedy]
    names = [name for _, name, _, _ in string.Formatter().parse(words)] if isinstance(words, str) else []
    values = {
        "experiment": "xcsls3716",
        "first_run": 1,
        "last_run": 2,
        **dict.fromkeys(filter(None, names), "x"),
    }
    error = RegistryError("no", remedy=remedy, **values)
    assert format_error(error).startswith("no; ")
    assert str(error) == "no"
