"""The references are those of the program: the commands in docs/, and the pages of the Python reference."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import registry
from documentation import api_pages, pages
from registry import records
from tests.cli import list_verbs


@pytest.mark.parametrize("page", pages.MADE)
def test_a_page_is_what_is_made_of_the_program(page: str) -> None:
    assert pages.made(page) == (pages.DOCS / page).read_text(), "python -m documentation makes it anew"


def test_a_page_without_its_marks_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "commands.md").write_text("by hand")
    monkeypatch.setattr(pages, "DOCS", tmp_path)
    with pytest.raises(ValueError, match="has no lines"):
        pages.made("commands.md")
    assert (tmp_path / "commands.md").read_text() == "by hand"


def test_every_verb_and_every_option_is_in_the_reference() -> None:
    made = pages.MADE["commands.md"]()
    for path, verb in list_verbs().items():
        part = made.split(f"### calreg {' '.join(path)}\n")[1].split("\n### ")[0]
        for parameter in verb.params:
            if parameter.param_type_name == "option":
                assert f"| `{max(parameter.opts, key=len)}" in part, (path, parameter.name)
        assert verb.help.splitlines()[0] in part


def test_the_reference_says_nothing_of_the_machine_that_made_it() -> None:
    for page in pages.MADE:
        assert not re.search(r" at 0x|<(function|class|object)|/site-packages/", pages.MADE[page]())


def test_every_public_name_is_in_the_python_reference(tmp_path: Path) -> None:
    api_pages.write_pages(tmp_path)
    made = "".join(page.read_text() for page in tmp_path.iterdir())
    directives = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)", made, re.MULTILINE))
    for name in (*registry.__all__, *(f"records.{name}" for name in records.__all__), "errors"):
        assert f"registry.{name}" in directives, name
    for name, noun in api_pages.find_nouns():
        assert (tmp_path / f"registry.{name}.rst").exists()
        for verb in api_pages.find_verbs(noun):
            assert f"{noun.__module__}.{noun.__name__}.{verb}" in directives
    assert {"registry.versions.rst", "registry.rst", "errors.rst"} <= {
        page.name for page in tmp_path.iterdir()
    }


def _public() -> Iterator[tuple[str, Any]]:
    """Yield every public class, function, method and property by its full name."""
    nouns = dict(api_pages.find_nouns())
    named = [getattr(registry, name) for name in registry.__all__]
    for member in (*named, *nouns.values(), *(getattr(records, name) for name in records.__all__)):
        yield member.__qualname__, member
        for ancestor in member.__mro__ if inspect.isclass(member) else ():
            for name, inner in vars(ancestor).items() if ancestor.__module__.startswith("registry.") else ():
                if name[0] != "_" and (inspect.isfunction(inner) or isinstance(inner, property)):
                    yield f"{member.__qualname__}.{name}", inner


@pytest.mark.parametrize(("name", "member"), [pytest.param(*public, id=public[0]) for public in _public()])
def test_every_public_name_says_what_it_is_and_names_only_parameters_that_it_has(
    name: str, member: Any
) -> None:
    documented = inspect.cleandoc(member.__doc__ or "")
    assert re.match(r"\S.*[.:]", documented), "a first line"
    section = re.search(r"Parameters\n-{3,}\n(.*?)(\n\n\w[\w ]*\n-{3,}|\Z)", documented, re.DOTALL)
    if section and not inspect.isclass(member):
        described = re.findall(r"^(?! )(.+)$", section[1], re.MULTILINE)
        names = {parameter for line in described for parameter in re.split(r", | : ", line)}
        assert names <= set(inspect.signature(member).parameters)
