"""Feed every parser of untrusted input with seeds, with inputs that once broke it, and with mutations of both."""

from __future__ import annotations

import ast
import faulthandler
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harnesses.fuzz import __main__ as fuzz
from harnesses.fuzz.regressions import REGRESSIONS
from harnesses.fuzz.target import Target, call_parser
from harnesses.fuzz.targets import TARGETS
from registry.errors import RequestError
from tests.selection import examples

ROOT = Path(__file__).parent.parent
MEMORY = 1 << 30  # bytes that a parser may allocate
TIMEOUT = 300  # seconds, after which a test run that hangs is ended with a traceback

# Pieces that break parsers.
WORDS = [
    *(b"", b"\0", b"\n", b"\r", b"\t", b" ", b"-", b"_", b":", b"=", b".", b"/", b"../", b"0", b"9" * 400),
    *(b"0x", b"\x1b[2J", b"\xff", b"\xed\xb2\x80", "\u202e".encode(), "\u0661\uff11".encode(), b"\\ud800"),
    *(b"null", b"NaN", b"1e999", b"-1", b"{", b"}", b"[" * 400, b'"', b",", b"\x80" * 4, b"\x7f\xff\xff\xff"),
]


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """Limit the memory and the time of each test."""
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    faulthandler.dump_traceback_later(TIMEOUT, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@st.composite
def mutations(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Draw a seed with some pieces left out, doubled, replaced, or taken from another seed."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(start + draw(st.integers(0, 24)), len(data))
        piece = draw(
            st.one_of(
                st.sampled_from(WORDS),
                st.binary(max_size=4),
                st.just(data[start:end] * 2),
                st.sampled_from(seeds).map(lambda seed, start=start: seed[start : start + 40]),
            )
        )
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_parser_returns_or_refuses_any_input(target: Target, folder: Path) -> None:
    seeds = target.seeds(folder)
    for seed in [*seeds, b"", *REGRESSIONS.get(target.name, [])]:
        target.feed(folder, seed)

    @given(st.one_of(mutations(seeds), st.binary(max_size=60)))
    @settings(deadline=None, max_examples=examples(30), suppress_health_check=list(HealthCheck))
    def feed(data: bytes) -> None:
        target.feed(folder, data)

    feed()


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}


@pytest.mark.slow
def test_every_module_that_parses_untrusted_input_is_in_the_table() -> None:
    fuzzed = {module for target in TARGETS.values() for module in target.modules}
    modules = {f"registry.importers.{path.stem}" for path in (ROOT / "registry/importers").glob("[!_]*.py")}
    modules |= {f"registry.detectors.{path.stem}" for path in (ROOT / "registry/detectors").glob("[!_]*.py")}
    for path in (ROOT / "registry").rglob("*.py"):
        reads_text = re.search(r"json\.(loads|decode)\(|configparser|tomllib", path.read_text())
        if reads_text or _imports(path) & {"open_input", "open_regular", "read_bounded", "sha256_of_file"}:
            parts = path.relative_to(ROOT).with_suffix("").parts
            modules.add(".".join(parts).removesuffix(".__init__"))
    assert modules - fuzzed <= {
        "registry.lookup.versions",  # JSON that calreg has put into the database
        "registry.api.identification",  # reads checksums
        "registry.exporters.psana",  # reads checksums
        "registry.api.attempts",  # compares bytes
        "registry.api.folder_checks",  # reads checksums
        "registry.api.file_pictures",  # compares checksums
        "registry.api.export_records",  # reads a document by the module of documents, and checksums
        "registry.api.backup_contents",  # compares checksums
        "registry.database.kept_statements",  # JSON of this package
        "registry.api.late_seals",  # JSON that calreg has put into the database
        "registry.plots.files",  # compares bytes
        "registry.records.display",  # hands the bytes of a picture on
        "registry.storage.folder",  # hands bytes on
        "registry.storage.sources",  # hands bytes on
        "registry.service.worker",  # JSON that calreg has put into the environment
        "registry.tokens",  # checks each byte; tests/test_serve.py and test_transport.py write odd files
        "registry.transport",  # hands JSON on; tests/test_transport.py sends odd replies
    }
    assert REGRESSIONS.keys() <= TARGETS.keys()


def test_a_target_rejects_long_or_unprintable_messages_and_other_errors() -> None:
    def refuse(sentence: str) -> None:
        raise RequestError(sentence)

    assert call_parser(lambda: refuse("a plain sentence")) is None
    for sentence in ("\x1b[2J", "x" * 2000):
        with pytest.raises(AssertionError):
            call_parser(lambda sentence=sentence: refuse(sentence))  # type: ignore[misc]
    with pytest.raises(ZeroDivisionError):
        call_parser(lambda: 1 // 0)


def test_a_target_under_atheris_keeps_the_input_that_broke_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("atheris")
    assert fuzz.main(["store", "--seconds", "1", "--keep", str(tmp_path)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["target", "seconds", "inputs", "branches", "MB", "found"]
    assert row.split()[:2] == ["store", "1"]
    assert int(row.split()[2]) > 100
    assert row.endswith("nothing")
