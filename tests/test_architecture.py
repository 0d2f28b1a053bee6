"""The layout is the drawing: layers, sizes, names."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def _modules() -> list[Path]:
    return sorted((ROOT / "registry").rglob("*.py"))


def test_the_drawing_is_what_import_linter_checks() -> None:
    drawing = re.search(
        r"## The drawing.*?```\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL
    )
    assert drawing
    rows = [re.split(r"\s{3,}", line)[0].strip() for line in drawing[1].splitlines()]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert rows == contracts[0]["layers"]


def test_no_arrow_points_up() -> None:
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None) == 0


def test_no_module_is_over_400_lines_and_three_in_four_are_under_200() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in _modules()}
    assert [path.name for path, length in lengths.items() if length > 400] == []
    assert sum(length < 200 for length in lengths.values()) > 0.75 * len(lengths)


def test_no_module_is_a_drawer_for_everything() -> None:
    names = {path.stem for path in _modules()}
    assert names.isdisjoint({"utils", "util", "helpers", "common", "manager", "base", "misc"})


def test_everything_that_is_published_is_named_in_all() -> None:
    import registry

    for name in registry.__all__:
        assert getattr(registry, name).__doc__, name


def test_migrations_import_nothing_of_the_software() -> None:
    for path in (ROOT / "migrations" / "versions").glob("*.py"):
        assert not re.search(r"^\s*(from|import) registry", path.read_text(), re.MULTILINE), path.name


def test_ruffs_exceptions_have_reasons() -> None:
    for path in _modules():
        for line in path.read_text().splitlines():
            if "# noqa" in line:
                assert re.search(r"# noqa: [A-Z0-9, ]+ - \w+", line), f"{path.name}: {line.strip()}"


def test_every_module_with_exhaustive_tests_has_others() -> None:
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        tests = re.findall(r"^((?:@.*\n|[ )].*\n)*)def test_", path.read_text(), re.MULTILINE)
        exhaustive = [
            marks for marks in tests if re.search(r"^@pytest\.mark\.exhaustive$", marks, re.MULTILINE)
        ]
        assert len(exhaustive) < max(1, len(tests)), path.name
        assert not re.search(r"^pytestmark = .*exhaustive", path.read_text(), re.MULTILINE), path.name
