"""What the README shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from registry import sample

README = (Path(__file__).parent.parent / "README.md").read_text()


def _block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[number]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    sample.write_legacy_tree(folder / "tree")
    sample.write_dataset_table(folder / "datasets.txt")
    return folder


def test_the_session_prints_what_it_shows_and_the_python_example_runs(folder: Path) -> None:
    calreg = f'calreg() {{ "{sys.executable}" -m registry "$@"; }}\n'
    environment = {**os.environ, "CALREG_DATABASE": "sqlite:///registry.sqlite"}
    for step in re.split(r"^\$ ", _block("console"), flags=re.MULTILINE)[1:]:
        command, _, output = step.partition("\n")
        done = subprocess.run(
            ["bash", "-c", calreg + command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.stdout == output, command
    done = subprocess.run(
        [sys.executable, "-c", _block("python")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "(3, 2, 512, 1024) float32 2\n"


def test_the_two_commands_set_up_a_fresh_machine() -> None:
    demo, tests = _block("sh", 0), _block("sh", 1)
    assert demo == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/calreg demo demo\n"
    assert tests == "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest\n"


def test_every_link_leads_somewhere() -> None:
    for path in Path(__file__).parent.parent.glob("**/*.md"):
        if ".venv" in path.parts:
            continue
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
