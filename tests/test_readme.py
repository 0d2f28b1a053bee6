"""The README's two commands, and the table of verbs in the introduction to Python."""

import re
from pathlib import Path

from documentation import api_pages
from registry.api import Registry
from tests.sessions import find_blocks

ROOT = Path(__file__).parent.parent


def test_the_two_commands_of_the_readme_set_up_a_fresh_machine() -> None:
    demo, tests = find_blocks(ROOT / "README.md", "sh")
    assert demo == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/calreg demo demo\n"
    assert tests == "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest\n"


def test_the_python_page_lists_every_verb() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    rows = dict(re.findall(r"^\| `registry(\.\w+)?` \| (.*) \|$", page, re.MULTILINE))
    nouns = {"": Registry, **{f".{name}": noun for name, noun in api_pages.find_nouns()}}
    assert rows.keys() == nouns.keys()
    for noun, verbs in rows.items():
        public = set(api_pages.find_verbs(nouns[noun])) - {"close", "differences"}
        assert set(re.findall(r"`(\w+)`", verbs)) == public, noun
