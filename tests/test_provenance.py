from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import provenance
from registry.api import create_registry, open_registry
from registry.api.export_verification import verify_export
from registry.errors import ConflictError, DocumentError, NotFoundError
from registry.provenance import Document
from registry.provenance.document import (
    Creator,
    InputConfiguration,
    InputConstants,
    InputFile,
    InputPanel,
    InputRun,
    Output,
    RegistryReference,
    Request,
    Resolution,
    RevisionReference,
)
from registry.records import Statistics
from testing.panels import PANEL_A, PANEL_B, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.selection import examples

pytestmark = pytest.mark.sqlite_suffices

BEGIN = "2020-01-01T00:00:00Z"
Values = dict[str, Any]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
sha256s = st.text("0123456789abcdef", min_size=64, max_size=64)
counts = st.integers(0, 2**63 - 1)
sizes = st.integers(0, 2**50)
numbers = st.floats(allow_nan=False, allow_infinity=False)
stamps = st.builds(RevisionReference, counts, texts, texts, st.none() | texts)
statistics = st.builds(
    Statistics, st.none() | numbers, st.none() | numbers, st.none() | numbers, counts, counts
)
files = st.builds(InputFile, counts, sha256s, sizes, statistics)
constants = st.builds(
    InputConstants,
    kind=texts,
    version=st.integers(-(2**63), 2**63 - 1),
    valid_from=st.none() | texts,
    valid_to=st.none() | texts,
    constants=sha256s,
    registered=stamps,
    comment=st.none() | texts,
    carried_from=st.none() | counts,
    source_path=st.none() | texts,
    nonfinite_allowed=st.booleans(),
    files=st.lists(files, max_size=2).map(tuple),
)
panels = st.builds(InputPanel, counts, texts, st.none() | texts, st.lists(constants, max_size=2).map(tuple))
resolutions = st.builds(
    Resolution,
    detector_type=texts,
    detector_id=texts,
    instant=texts,
    instant_is=texts,
    run=st.none()
    | st.builds(InputRun, texts, counts, st.none() | texts, st.none() | texts, st.none() | stamps),
    configuration=st.none() | st.builds(InputConfiguration, texts, texts, counts, st.none() | counts, stamps),
    types=st.lists(texts, max_size=2).map(tuple),
    panels=st.lists(panels, max_size=2).map(tuple),
)
outputs = st.builds(
    Output,
    type=texts,
    kind=texts,
    unit=texts,
    shape=st.tuples(counts, counts, counts, counts),
    dtype=texts,
    path=st.none() | st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z"),
    sha256=st.none() | sha256s,
    size=st.none() | sizes,
)
unsealed = st.builds(RegistryReference, texts, counts, st.none() | texts)
sealed = st.builds(RegistryReference, texts, counts, st.none() | texts, sha256s)
documents = (unsealed | sealed).flatmap(
    lambda reference: st.builds(
        Document,
        format=st.just("calreg provenance"),
        format_version=st.just(2 if reference.head else 1),
        created_at=texts,
        created_by=st.builds(Creator, texts, texts, texts),
        software=st.dictionaries(texts, texts, max_size=2),
        registry=st.just(reference),
        request=st.builds(
            Request,
            texts,
            st.none() | texts,
            st.none() | texts,
            st.none() | texts,
            st.lists(texts, max_size=2).map(tuple),
            texts,
        ),
        resolution=resolutions,
        outputs=st.lists(outputs, max_size=2).map(tuple),
        warnings=st.lists(texts, max_size=2).map(tuple),
    )
)


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(document=documents)
def test_a_document_is_read_as_it_was_written(
    document: Document, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    content = provenance.encode(document)
    path.write_bytes(content)
    assert provenance.read(path) == document
    assert provenance.encode(provenance.read(path)) == content
    assert content.endswith(b"}\n")
    assert json.loads(content)["format"] == "calreg provenance"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with use_small_panels():
        yield


@dataclass(frozen=True)
class Exported:
    """An export of two panels, and the registry from which it was made."""

    location: RegistryLocation
    folder: Path
    arrays: Path

    @property
    def path(self) -> Path:
        return self.folder / "provenance.json"

    def verify(self, path: Path | None = None) -> Any:
        return verify_export(path or self.path, self.location.database, self.location.store)

    def forge(self, change: Callable[[Values], object]) -> Path:
        """Write an altered copy of the document beside it."""
        values = json.loads(self.path.read_bytes())
        before = json.dumps(values)
        change(values)
        assert json.dumps(values) != before
        path = self.folder / "forged.json"
        path.write_text(json.dumps(values))
        return path


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """An export that the tests of this module share: a test that changes a byte restores it."""
    base = tmp_path_factory.mktemp("exported")
    for location in make_location(request, base, request.param):
        with location.open() as registry:
            for seed, panel in enumerate((PANEL_A, PANEL_B)):
                registry.panels.add(panel)
                registry.versions.add(
                    panel, write_panel_folder(base / "arrays" / panel, seed), valid_from="beginning"
                )
            registry.export(f"{PANEL_A}_{PANEL_B}", base / "out", at=BEGIN)
        yield Exported(location, base / "out", base / "arrays")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A sound document's bytes, from a registry that is gone."""
    base = tmp_path_factory.mktemp("sound")
    database = f"sqlite:///{base / 'registry.sqlite'}"
    create_registry(database, base / "store")
    with open_registry(database, base / "store") as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(base / "arrays"), valid_from="beginning")
        registry.export(PANEL_A, base / "out", at=BEGIN)
    return (base / "out" / "provenance.json").read_bytes()


def read_refused(path: Path) -> dict[str, Any]:
    """Return the values of the error with which a document is refused."""
    with assert_refused(DocumentError, path=str(path)) as caught:
        provenance.read(path)
    assert caught.value.code == 2
    assert path.name in caught.value.message
    assert len(caught.value.message) < 500
    with pytest.raises(DocumentError):
        verify_export(path)
    return caught.value.values


def put(*keys: str | int, value: object) -> Callable[[Values], object]:
    """Return a change of a document: the value at these keys."""

    def change(values: Values) -> None:
        location: Any = values
        for key in keys[:-1]:
            location = location[key]
        location[keys[-1]] = value

    return change


NO_DOCUMENT: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "half of one": lambda content: content[: len(content) // 2],
    "one without its last brace": lambda content: content.rstrip()[:-1],
    "two in a row": lambda content: content + content,
    "one with bytes after it": lambda content: content + b"\0",
    "another text": lambda _: b"Dataset Runs DetInfo",
    "an array file": lambda _: b"\x93NUMPY\x01\x00v\x00",
    "a list": lambda _: b"[]",
    "a number": lambda _: b"1",
    "an empty object": lambda _: b"{}",
    "a deep list": lambda _: b"[" * 100_000,
    "a deep list in an unknown field": lambda content: b'{"x": ' + b"[" * 100_000 + content,
    "a deep object": lambda _: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a byte in its format": lambda content: content.replace(b"calreg provenance", b"calreg\xff", 1),
    "half a character": lambda content: content.replace(b'"author": "', b'"author": "\\ud800', 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", NO_DOCUMENT.values(), ids=NO_DOCUMENT)
def test_a_file_that_is_not_a_document_or_cut_is_refused(
    sound: bytes, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "provenance.json"
    path.write_bytes(change(sound))
    assert read_refused(path) == {"path": str(path)}


@pytest.mark.parametrize("field", [b"author", b"source_path", b"target", b"instant_is"])
def test_bytes_that_are_not_text_inside_a_document_are_refused(
    sound: bytes, tmp_path: Path, field: bytes
) -> None:
    path = tmp_path / "provenance.json"
    path.write_bytes(sound.replace(b'"' + field + b'": "', b'"' + field + b'": "\xff\xfe', 1))
    assert "reason" in read_refused(path)


CONSTANTS = ("resolution", "panels", 0, "constants", 0)
FILE = (*CONSTANTS, "files", 0)
SHA256, OUTPUT_PATH = "files[0].sha256", "$.outputs[0].path"
# Changes of a document, and the field that the reason names; none where the format is not the right one.
DAMAGED: dict[str, tuple[Callable[[Values], object], str | None]] = {
    "another format": (put("format", value="calreg snapshot"), None),
    "a format of control characters": (put("format", value="\x1b[2J"), None),
    "a newer format": (put("format_version", value=3), None),
    "no format": (lambda values: values.pop("format"), None),
    "a missing field": (lambda values: values.pop("warnings"), "`warnings`"),
    "a missing checksum": (lambda values: values["outputs"][0].pop("sha256"), "`sha256`"),
    "an unknown field": (put("note", value=1), "`note`"),
    "an unknown field far inside": (put(*FILE, "note", value=1), "`note`"),
    "a wrong type": (put("warnings", value="none"), "$.warnings"),
    "a number as a text": (put("registry", "revision", value="1"), "$.registry.revision"),
    "a fraction of a revision": (put("registry", "revision", value=1.5), "$.registry.revision"),
    "a negative revision": (put("registry", "revision", value=-1), "$.registry.revision"),
    "three axes": (put("outputs", 0, "shape", value=[3, 512, 1024]), "$.outputs[0].shape"),
    "a huge size": (put(*FILE, "size", value=2**51), "files[0].size"),
    "a checksum with a line end": (put(*FILE, "sha256", value="0" * 64 + "\n"), SHA256),
    "a checksum of capitals": (put(*FILE, "sha256", value="A" * 64), SHA256),
    "a checksum that is a path": (put("outputs", 0, "sha256", value="../" * 21 + "x"), "$.outputs[0].sha256"),
    "an output elsewhere": (put("outputs", 0, "path", value="../pixel_gain.npy"), OUTPUT_PATH),
    "an output of an absolute path": (put("outputs", 0, "path", value="/etc/passwd"), OUTPUT_PATH),
    "an output in a folder of folders": (put("outputs", 0, "path", value="a/b/pixel_gain.npy"), OUTPUT_PATH),
    "an output beside the folder": (put("outputs", 0, "path", value="a/../pixel_gain.npy"), OUTPUT_PATH),
    "an output in the folder above": (put("outputs", 0, "path", value="../pixel_gain.npy"), OUTPUT_PATH),
    "an output that is the folder above": (put("outputs", 0, "path", value=".."), OUTPUT_PATH),
    "an output with a line end": (put("outputs", 0, "path", value="pixel_gain.npy\n"), OUTPUT_PATH),
    "an output of no name": (put("outputs", 0, "path", value=""), OUTPUT_PATH),
}


@pytest.mark.parametrize(("change", "field"), DAMAGED.values(), ids=DAMAGED)
def test_an_edited_document_is_refused_and_the_field_named(
    sound: bytes, tmp_path: Path, change: Callable[[Values], object], field: str | None
) -> None:
    values = json.loads(sound)
    change(values)
    path = tmp_path / "provenance.json"
    path.write_text(json.dumps(values))
    reason = read_refused(path).get("reason")
    assert (reason is None) == (field is None)
    assert field is None or field in reason


def test_a_number_of_more_digits_than_python_reads_is_refused(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "provenance.json"
    path.write_bytes(sound.replace(b'"version": 1', b'"version": ' + b"9" * 5000, 1))
    assert "reason" in read_refused(path)


def test_a_missing_file_a_folder_and_a_document_that_is_too_large_are_refused(
    sound: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "provenance.json"
    with assert_refused(NotFoundError, path=str(path)):
        provenance.read(path)
    path.write_bytes(sound)
    with path.open("r+b") as file:
        file.truncate((64 << 20) + 1)
    assert read_refused(path) == {"path": str(path)}
    path.unlink()
    path.mkdir()
    assert read_refused(path) == {"path": str(path)}


@pytest.mark.slow
def test_an_untouched_export_is_verified_with_its_inputs_and_the_answer_of_the_registry(
    exported: Exported, tmp_path: Path
) -> None:
    verification = exported.verify()
    assert (verification.problems, verification.notes) == ((), ())
    assert verification.checked == 2 + 12 + 1  # outputs, inputs, the answer
    with exported.location.open() as registry:
        registry.versions.gap(PANEL_A, valid_from="2019-01-01T00:00:00Z", comment="what is known later")
        assert exported.verify() == verification
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in exported.folder.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    assert exported.verify(moved / "provenance.json") == verification


@pytest.mark.slow
def test_changed_missing_and_replaced_outputs_are_named(exported: Exported) -> None:
    gain, offset = exported.folder / "pixel_gain.npy", exported.folder / "pixel_offset.npy"
    contents = gain.read_bytes(), offset.read_bytes()
    try:
        gain.write_bytes(contents[0][:-1] + bytes([contents[0][-1] ^ 1]))
        (problem,) = exported.verify().problems
        assert problem.path == str(gain)
        offset.unlink()
        assert [problem.path for problem in exported.verify().problems] == [str(gain), str(offset)]
        offset.mkdir()
        assert [problem.path for problem in exported.verify().problems] == [str(gain), str(offset)]
        offset.rmdir()
    finally:
        gain.write_bytes(contents[0])
        offset.write_bytes(contents[1])
    assert exported.verify().problems == ()


def test_a_damaged_and_a_missing_input_are_named(exported: Exported) -> None:
    document = provenance.read(exported.path)
    sha256 = document.resolution.panels[1].constants[0].files[2].sha256
    path = exported.location.store / "objects" / sha256[:2] / f"{sha256}.npy"
    content = path.read_bytes()
    try:
        for bad in (content + b"\0", None):
            path.unlink()
            if bad is not None:
                path.write_bytes(bad)
            (problem,) = exported.verify().problems
            assert (problem.sha256, problem.path) == (sha256, str(path))
            if bad is None:
                path.write_bytes(content)
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(content)
    assert exported.verify().problems == ()


@pytest.mark.slow
def test_a_forged_document_is_reported(exported: Exported) -> None:
    values = json.loads(exported.path.read_bytes())
    other = values["resolution"]["panels"][1]["constants"][0]
    forgeries: dict[str, Callable[[Values], object]] = {
        "another version": put(*CONSTANTS, "version", value=99),
        "the files of another panel": put(*CONSTANTS, "files", value=other["files"]),
        "a checksum that exists": put(*FILE, "sha256", value=other["files"][0]["sha256"]),
        "another instant": put("resolution", "instant", value="2021-01-01T00:00:00Z"),
        "another request": put("request", "at", value="2021-01-01T00:00:00Z"),
        "another author": put(*CONSTANTS, "registered", "author", value="somebody"),
        "another comment": put(*CONSTANTS, "comment", value="approved"),
        "another alias": put("resolution", "panels", 0, "alias", value="M999"),
        "another range": put(*CONSTANTS, "valid_from", value="2019-01-01T00:00:00Z"),
        "other statistics": put(*FILE, "statistics", "zeros", value=7),
        "a panel less": lambda values: values["resolution"]["panels"].pop(),
    }
    for what, change in forgeries.items():
        verification = exported.verify(exported.forge(change))
        assert "revision 4" in [problem.path for problem in verification.problems], what
        assert len(verification.notes) == 1


def test_an_array_that_was_changed_together_with_its_checksum_is_reported(exported: Exported) -> None:
    array = exported.path.parent / "pixel_gain.npy"
    before = array.read_bytes()
    after = before[:-4] + b"\0\0\0\0"
    array.write_bytes(after)
    try:
        sha256 = hashlib.sha256(after).hexdigest()
        (problem,) = exported.verify(exported.forge(put("outputs", 0, "sha256", value=sha256))).problems
    finally:
        array.write_bytes(before)
    assert problem.path == "pixel_gain"


@pytest.mark.parametrize(
    ("field", "value"), [("unit", "keV"), ("dtype", "float64"), ("shape", [3, 1, 512, 1024]), ("size", 1)]
)
def test_a_changed_fact_on_an_array_in_a_document_is_reported(
    exported: Exported, field: str, value: object
) -> None:
    path = exported.forge(put("outputs", 0, field, value=value))
    (problem,) = exported.verify(path).problems
    assert problem.path == ("pixel_gain" if field == "size" else str(path))


@pytest.mark.slow
def test_a_request_that_the_registry_refuses_or_an_unknown_revision_is_a_problem(
    exported: Exported,
) -> None:
    wrong = {
        put("request", "at", value="once upon a time"): "'once upon a time'",
        put("request", "target", value="M068"): "M068",
        put("request", "target", value="\n"): r"'\n'",
        put("request", "types", value=["pixel_common_mode"]): "'pixel_common_mode'",
        put("registry", "revision", value=1): PANEL_B,
        put("registry", "revision", value=10**30): "revisions",
    }
    for change, name in wrong.items():
        problems = exported.verify(exported.forge(change)).problems
        assert all(problem.path.startswith("revision ") for problem in problems)
        assert any(name in problem.problem for problem in problems)


def test_a_huge_size_in_a_document_allocates_no_memory(exported: Exported) -> None:
    problems = exported.verify(exported.forge(put(*FILE, "size", value=2**50))).problems
    assert len(problems) == 2


def test_without_a_database_outputs_and_inputs_are_checked_with_a_note(
    exported: Exported, tmp_path: Path
) -> None:
    nowhere = f"sqlite:///{tmp_path / 'none.sqlite'}"
    verification = verify_export(exported.path, nowhere, exported.location.store)
    assert (verification.checked, verification.problems) == (2 + 12, ())
    (note,) = verification.notes
    assert "none.sqlite" in note
    assert not (tmp_path / "none.sqlite").exists()


def test_without_database_and_store_a_changed_output_is_reported(exported: Exported, tmp_path: Path) -> None:
    nowhere = f"sqlite:///{tmp_path / 'none.sqlite'}"
    gain = exported.folder / "pixel_gain.npy"
    content = gain.read_bytes()
    try:
        gain.write_bytes(b"")
        verification = verify_export(exported.path, nowhere, tmp_path / "none")
    finally:
        gain.write_bytes(content)
    assert verification.checked == 2
    assert [problem.path for problem in verification.problems] == [str(gain)]
    store, database = verification.notes
    assert str(tmp_path / "none") in store
    assert "none.sqlite" in database
    assert list(tmp_path.iterdir()) == []


def test_a_document_of_another_registry_is_refused(exported: Exported, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'registry.sqlite'}"
    create_registry(other, tmp_path / "store")
    with assert_refused(ConflictError, document=provenance.read(exported.path).registry.id):
        verify_export(exported.path, other, tmp_path / "store")


def test_an_array_in_memory_is_a_problem_of_its_document(exported: Exported, tmp_path: Path) -> None:
    with exported.location.open() as registry:
        held = registry.constants(PANEL_B, at=BEGIN, types=["pixel_gain"])
    path = tmp_path / "provenance.json"
    path.write_bytes(provenance.encode(held.provenance))
    (problem,) = exported.verify(path).problems
    assert problem.path == "pixel_gain"


def test_a_changed_revision_request_or_number_of_warnings_in_a_document_is_reported(
    exported: Exported,
) -> None:
    problems = [
        exported.verify(exported.forge(change)).problems
        for change in (
            put("registry", "recorded_at", value="yesterday"),
            put("request", "as_of", value="nonesuch"),
            put("request", "as_of", value="1"),
            put("warnings", value=["all good"]),
        )
    ]
    revision = f"revision {provenance.read(exported.path).registry.revision}"
    assert [[problem.path for problem in several] for several in problems] == [[revision]] * 4
    (instant,), (unknown,), (other,), (warnings,) = problems
    assert unknown == other
    assert len({instant.problem, other.problem, warnings.problem}) == 3


def test_a_document_whose_warnings_are_worded_differently_still_matches_the_registry(
    exported: Exported, tmp_path: Path
) -> None:
    dataset, source = "exp=xcs1:run=1", "XcsEndstation.0:Jungfrau.0"
    with exported.location.open() as registry:
        registry.detectors.configure("xcs1", source, PANEL_B, first_run=1)
        registry.runs.add(dataset, begin=BEGIN)
        done = registry.export(dataset, tmp_path, at="2018-07-02T00:00:00Z")
    assert len(done.warnings) == 1
    assert exported.verify(Path(done.provenance)).problems == ()
    values = json.loads(Path(done.provenance).read_bytes())
    for warnings, problems in (
        ([f"{dataset} began at {BEGIN}; the constants of 2018-07-02T00:00:00Z are taken, as asked"], 0),
        ([], 1),
        ([*done.warnings, "another"], 1),
    ):
        (tmp_path / "other.json").write_text(json.dumps({**values, "warnings": warnings}))
        assert len(exported.verify(tmp_path / "other.json").problems) == problems


def test_a_document_may_begin_with_a_byte_order_mark(sound: bytes, tmp_path: Path) -> None:
    plain, marked = tmp_path / "plain.json", tmp_path / "marked.json"
    plain.write_bytes(sound)
    marked.write_bytes(b"\xef\xbb\xbf" + sound)
    document, content = provenance.read_with_content(marked)
    assert document == provenance.read(plain)
    assert content == b"\xef\xbb\xbf" + sound  # the checksum is that of the file
