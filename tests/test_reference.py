"""The references are those of the program: the commands in docs/, and the pages of the Python reference."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import registry
from documentation import api_pages, commands
from registry import records
from tests.cli import list_verbs
from tests.sessions import is_updating


@pytest.mark.slow
def test_the_page_of_the_commands_shows_what_the_program_says() -> None:
    if is_updating():
        commands.write_page()
    page = commands.PAGE.read_text()
    assert commands.build_page(page) == page, "python -m documentation writes it"


def test_a_page_without_its_marks_is_rejected() -> None:
    with pytest.raises(ValueError, match=re.escape(commands.BEGIN)):
        commands.build_page("by hand")


@pytest.mark.slow
def test_notes_stay_with_their_verb_and_those_of_no_verb_are_rejected() -> None:
    notes = {"version add": "It reads `.npy`.\n\nTwice."}
    page = f"# Commands\n\n{commands.BEGIN}\n{commands.build_reference(notes)}\n{commands.END}\nThe end.\n"
    built = commands.build_page(page)
    assert commands.find_notes(built) == notes
    assert commands.build_page(built) == built
    assert built.startswith("# Commands\n")
    assert built.endswith(f"{commands.END}\nThe end.\n")
    with pytest.raises(ValueError, match="version lose"):
        commands.build_reference({"version lose": "It loses it."})


def test_every_verb_and_every_option_is_in_the_reference() -> None:
    reference = commands.build_reference({})
    for path, verb in list_verbs().items():
        section = reference.split(f"### calreg {' '.join(path)}\n")[1].split("\n### ")[0]
        for parameter in verb.params:
            if parameter.param_type_name == "option":
                assert f"| `{', '.join(sorted(parameter.opts, key=len))}" in section, (path, parameter.name)
        assert verb.help.splitlines()[0] in section


def test_the_reference_holds_nothing_of_the_machine_that_wrote_it() -> None:
    assert not re.search(r" at 0x|<(function|class|object)|/site-packages/", commands.build_reference({}))


def test_every_public_name_is_in_the_python_reference(tmp_path: Path) -> None:
    api_pages.write_pages(tmp_path)
    text = "".join(page.read_text() for page in tmp_path.iterdir())
    directives = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)", text, re.MULTILINE))
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
