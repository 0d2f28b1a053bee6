"""The references in docs/ are those of the program: ``python -m documentation`` makes them."""

import re
from pathlib import Path

import pytest

import registry
from documentation import pages
from registry import records
from registry.api import Registry
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


def test_every_public_name_is_in_the_reference() -> None:
    made = pages.MADE["python-reference.md"]()
    headings = set(re.findall("^##+ (.*)$", made, re.MULTILINE))
    for name in (*registry.__all__, *records.__all__):
        assert name in headings
    for name in dir(Registry):
        if not name.startswith("_"):
            assert f"registry.{name}" in headings
    assert {"registry.versions.add", "DetectorConstants.to_xarray", "Validity.to_pandas"} <= headings


def test_the_references_say_nothing_of_the_machine_that_made_them() -> None:
    for page in pages.MADE:
        assert not re.search(r" at 0x|<(function|class|object)|/site-packages/", pages.MADE[page]())
