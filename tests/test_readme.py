"""What the README shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

from registry import create_registry, open_registry, sample
from tests.sessions import find_blocks, run_session

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def test_the_session_prints_what_it_shows_and_the_python_example_runs(tmp_path: Path) -> None:
    sample.write_legacy_tree(tmp_path / "tree")
    sample.write_dataset_table(tmp_path / "datasets.txt")
    run_session(find_blocks(README, "console")[0], tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", find_blocks(README, "python")[0]],
        cwd=tmp_path,
        env={**os.environ, "CALREG_DATABASE": "sqlite:///registry.sqlite"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "(3, 2, 512, 1024) float32 2\n"


def test_the_python_page_prints_what_it_shows(tmp_path: Path) -> None:
    sample.write_legacy_tree(tmp_path / "tree")
    sample.write_dataset_table(tmp_path / "datasets.txt")
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    create_registry(url)
    with open_registry(url, timezone="America/Los_Angeles") as registry:
        registry.import_tree(tmp_path / "tree")
        registry.runs.import_table(tmp_path / "datasets.txt")
    page = (ROOT / "docs" / "python.md").read_text()
    examples = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    assert len(examples) == page.count("```python\n") == 2
    for program, printed in examples:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == (printed, "")


def test_every_verb_of_the_python_page_is_there() -> None:
    from registry.api import Registry
    from registry.api.panels import Aliases, Panels
    from registry.api.plots import Plots
    from registry.api.registry import Tags
    from registry.api.runs import Detectors, Runs
    from registry.api.versions import Versions

    faces = {
        "": Registry,
        ".panels": Panels,
        ".aliases": Aliases,
        ".versions": Versions,
        ".runs": Runs,
        ".detectors": Detectors,
        ".tags": Tags,
        ".plots": Plots,
    }
    rows = re.findall(
        r"^\| `registry(\.\w+)?` \| (.*) \|$", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE
    )
    assert len(rows) == len(faces)
    for noun, verbs in rows:
        public = {
            name
            for name in dir(faces[noun])
            if callable(getattr(faces[noun], name))
            and not name.startswith("_")
            and name not in ("close", "differences")
        }
        assert set(re.findall(r"`(\w+)`", verbs)) == public, noun


def test_the_two_commands_set_up_a_fresh_machine() -> None:
    demo, tests = find_blocks(README, "sh")
    assert demo == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/calreg demo demo\n"
    assert tests == "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest\n"


def test_every_link_leads_somewhere() -> None:
    for path in [README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", path.read_text()):
            page = path.parent / target if target else path
            assert page.exists(), f"{path.name} links to {target}"
            assert not anchor or anchor in _anchors(page), f"{path.name} links to {target}#{anchor}"


def _anchors(page: Path) -> set[str]:
    """Return what the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
