"""Names, docstrings and documents in plain technical English: a floor that a reader's judgement goes beyond."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("registry", "benchmarks", "documentation", "harnesses", "testing", "migrations", "tests")
TEXTS = [path for name in ("docs", *PACKAGES) for path in sorted((ROOT / name).rglob("*.*"))]

QUESTION = re.compile(r"(What|Who|Whom|Whose|Where|Which|When|Whether|How|Why)\b")
VAGUE_NAMES = {"asked", "each", "found", "given", "made", "said", "there", "these", "those", "told", "whose"}
PARTICIPLE = re.compile(r"_*([a-z]+ed|known|given|found|told|taken)(_|$)")
VERBS_IN_ED = re.compile(r"_*(need|feed|seed|embed|exceed|proceed|speed)")
ODD_PHRASE = re.compile(
    r"(?<!there )\b(is|are|was|were) no (?!longer|more|fewer|less|later|earlier|newer|older|larger|other|such)\w"
    r"|\b(whence|hitherto|thereof|wherein|be it|if need be|strangers?|nobody's)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("package", PACKAGES)
def test_names_and_docstrings_say_what_a_thing_is_or_does(package: str) -> None:
    findings = [
        f"{path.relative_to(ROOT)}:{finding}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for finding in _find_odd_names(ast.parse(path.read_text()))
    ]
    assert findings == []


def _find_odd_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            doc = ast.get_docstring(node)
            if doc and QUESTION.match(doc):
                yield f"1: {doc.splitlines()[0]}"
        if isinstance(node, ast.FunctionDef) and _is_participle(node):
            yield f"{node.lineno}: {node.name}"
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in VAGUE_NAMES:
            yield f"{node.lineno}: {node.id}"
        if isinstance(node, ast.arg) and node.arg in VAGUE_NAMES:
            yield f"{node.lineno}: {node.arg}"


def _is_participle(function: ast.FunctionDef) -> bool:
    """Return whether the name is a participle, unless it is read as a noun: of a property or a fixture."""
    if not PARTICIPLE.match(function.name) or VERBS_IN_ED.match(function.name):
        return False
    return not any(re.search("property|fixture", ast.unparse(mark)) for mark in function.decorator_list)


# Perhaps with an adjective, which is not a verb ("holds files") or a preposition.
COUNTED = re.compile(r" (?:(?!(?:and|for|from|in|no|of|or|to|with) )[a-z-]*[a-rt-z] )?([a-z]+s)\b")
COUNTED_NOUNS = re.compile(
    "arrays|bytes|changes|characters|columns|constants|contents|days|differences|digits|dimensions|entries|exports"
    "|files|fields|gaps|hazards|kinds|lines|links|maps|modules|numbers|objects|panels|parts|pixels|problems|ranges"
    "|revisions|rows|runs|samples|segments|sources|stages|tables|values|versions|warnings|writers"
)
# Names, a list of numbers by gain range, and what is always more than one.
NOT_COUNTS = re.compile(r"_?[A-Z_]+|.*\.(name|source)|', '\.join\(.*|bits|block_size|expected|len\(text\)")


@pytest.mark.slow
@pytest.mark.parametrize("package", ["registry", "harnesses"])
def test_a_number_of_things_is_formatted_with_its_singular(package: str) -> None:
    """A number before a plural noun must be formatted by `format_count`, which knows ``1 pixel``."""
    findings = [
        f"{path.relative_to(ROOT)}:{finding}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for finding in _find_plain_counts(ast.parse(path.read_text()))
    ]
    assert findings == []


def _find_plain_counts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        for value, text in pairwise(node.values) if isinstance(node, ast.JoinedStr) else ():
            if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            noun, expression = COUNTED.match(text.value), ast.unparse(value.value)
            if noun and COUNTED_NOUNS.fullmatch(noun[1]) and not NOT_COUNTS.fullmatch(expression):
                yield f"{node.lineno}: {{{expression}}}{noun[0]}"


def test_no_output_that_is_shown_counts_one_thing_in_the_plural() -> None:
    shown = [path for path in TEXTS if path.suffix == ".md"] + sorted((ROOT / "tests" / "golden").iterdir())
    one = re.compile(rf"(?<![\w.,:*-])(?<!range )1 (?:{COUNTED_NOUNS.pattern})\b")
    assert one.search("32 checked, 1 problems")
    assert [f"{path}: {match[0]}" for path in shown for match in one.finditer(path.read_text())] == []


def test_the_search_for_plain_counts_finds_them() -> None:
    wrong = ("f'{n} pixels'", "f'{len(a)} registered runs of it'", "f'has {size} bytes; the'")
    right = (
        "f'{SIZE} pixels'",
        "f'{format_count(n, \"pixel\")}'",
        "f'{name} holds pixels'",
        "f'{panel} begins'",
    )
    assert [len([*_find_plain_counts(ast.parse(text))]) for text in (*wrong, *right)] == [1] * 3 + [0] * 4


@pytest.mark.slow
def test_sentences_are_plain() -> None:
    paths = [path for path in TEXTS if path.suffix in {".py", ".md"} and path != Path(__file__)]
    findings = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *paths]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ODD_PHRASE.search(line)
    ]
    assert findings == []
