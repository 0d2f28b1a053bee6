"""An export is made again from its document and the store alone: the same bytes, or a refusal that leaves nothing."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import provenance
from registry.api import create_registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.errors import (
    ConflictError,
    CorruptionError,
    DocumentError,
    NotFoundError,
    RegistryError,
    Remedy,
    UnavailableError,
)
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.selection import examples

SOURCE = "XcsEndstation.0:Jungfrau.0"
RUN = "exp=xcs1:run=12"
BEGIN = "2020-01-01T00:00:00Z"
EIGHT = [f"190408-181206-{number:x}" for number in range(1, 9)]
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
FILE = "provenance.json"
Values = dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """A registry, what was exported from it, and a folder in which every output is new."""

    location: RegistryLocation
    exports: Path

    def document(self, name: str = "run") -> Path:
        return self.exports / name / FILE

    def values(self, name: str = "run") -> Values:
        read: Values = json.loads(self.document(name).read_bytes())
        return read

    def replay(self, path: Path, output: Path, **options: Any) -> Any:
        """Replay without a database."""
        return replay(path, output, NOWHERE, self.location.store, **options)

    def edit(self, folder: Path, change: Callable[[Values], object], name: str = "run") -> Path:
        """Write a changed copy of a document."""
        values = self.values(name)
        before = copy.deepcopy(values)
        change(values)
        assert values != before
        path = folder / "edited.json"
        path.write_text(json.dumps(values))
        return path

    def object(self, sha256: str) -> Path:
        return self.location.store / "objects" / sha256[:2] / f"{sha256}.npy"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """Exports of one and of two panels, from both databases, and corrections after them."""
    yield from origins(request, tmp_path_factory.mktemp("origin"), request.param)


@pytest.fixture(scope="module")
def origin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """The same from SQLite, for what has nothing to do with the database."""
    yield from origins(request, tmp_path_factory.mktemp("origin"), "sqlite")


def origins(request: pytest.FixtureRequest, base: Path, dialect: str) -> Iterator[Origin]:
    exports = base / "exports"
    for location in make_location(request, base, dialect):
        with location.open() as registry:
            for seed, panel in enumerate((PANEL_A, PANEL_B)):
                registry.panels.add(panel)
                registry.versions.add(panel, write_panel_folder(base / panel, seed), valid_from="beginning")
            registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1)
            registry.runs.add(RUN, begin=BEGIN)
            registry.export(RUN, exports / "run")
            registry.export(PANEL_A, exports / "one", at=BEGIN, types=["pixel_offset"])
            held = registry.constants(PANEL_A, at=BEGIN, types=["pixel_gain"])
            (exports / "memory.json").write_bytes(provenance.encode(held.provenance))
            registry.versions.add(
                PANEL_A,
                base / PANEL_B,
                valid_from="beginning",
                supersede=True,
                same_as=[PANEL_B],
                comment="they were swapped",
            )
            registry.versions.gap(PANEL_B, valid_from="2019-01-01T00:00:00Z", comment="broken")
            registry.detectors.configure(
                "xcs1", SOURCE, PANEL_B, first_run=1, supersede=True, comment="one left"
            )
            registry.runs.withdraw(RUN, comment="a test")
        yield Origin(location, exports)


def contents(folder: Path) -> dict[str, str]:
    """Return the checksum of every file of a folder, of hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refuse_without_traces(
    error_class: type[RegistryError], output: Path, call: Callable[[], object]
) -> RegistryError:
    """Return the error of a call, which must leave nothing: not even the output folder."""
    parent = sorted(output.parent.iterdir())
    with pytest.raises(RegistryError) as caught:
        call()
    assert type(caught.value) is error_class, caught.value
    assert not output.exists()
    assert sorted(output.parent.iterdir()) == parent
    assert all(len(text) < 600 for text in (caught.value.message, *caught.value.details))
    return caught.value


@pytest.mark.slow
def test_a_replay_writes_the_old_bytes_whatever_was_corrected_since(anywhere: Origin, tmp_path: Path) -> None:
    for name, types in (("run", ["pixel_gain", "pixel_offset"]), ("one", ["pixel_offset"])):
        done = anywhere.replay(anywhere.document(name), tmp_path / "deep" / name)
        assert contents(tmp_path / "deep" / name) == contents(anywhere.exports / name)
        values = anywhere.values(name)
        assert [output.type for output in done.outputs] == types
        assert [(output.sha256, output.size, list(output.shape)) for output in done.outputs] == [
            (output["sha256"], output["size"], output["shape"]) for output in values["outputs"]
        ]
        assert all(Path(output.path).stat().st_size == output.size for output in done.outputs)
        assert done.provenance == str(tmp_path / "deep" / name / FILE)
        assert (done.revision, done.recorded) == (values["registry"]["revision"], False)
    # The copy of the document is as good as the first: it verifies, and replays again.
    copied = tmp_path / "deep" / "run" / FILE
    verification = verify_export(copied, anywhere.location.database, anywhere.location.store)
    assert (verification.problems, verification.notes) == ((), ())
    anywhere.replay(copied, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(anywhere.exports / "run")
    # What the registry answers now is something else.
    with anywhere.location.open() as registry:
        registry.export(PANEL_A, tmp_path / "now", at=BEGIN, types=["pixel_offset"])
    assert (
        contents(tmp_path / "now")["pixel_offset.npy"]
        != contents(anywhere.exports / "one")["pixel_offset.npy"]
    )


@pytest.mark.slow
def test_eight_panels_are_replayed_in_their_order(sqlite_location: RegistryLocation, tmp_path: Path) -> None:
    folders = [write_panel_folder(tmp_path / str(seed), seed, ["gain"]) for seed in range(8)]
    with sqlite_location.open() as registry:
        for number, panel in enumerate(EIGHT):
            registry.panels.add(panel)
            registry.versions.add(panel, folders[number], valid_from="beginning", kinds=["gain"])
        registry.export("_".join(EIGHT), tmp_path / "out", at=BEGIN, types=["pixel_gain"])
    done = replay(tmp_path / "out" / FILE, tmp_path / "again", store=sqlite_location.store)
    assert contents(tmp_path / "again") == contents(tmp_path / "out")
    assert done.outputs[0].shape == (3, 8, 512, 1024)


@pytest.mark.slow
def test_a_replay_neither_reads_nor_creates_a_database(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "arrays"), valid_from="beginning")
        registry.export(PANEL_A, tmp_path / "out", at=BEGIN)
    sqlite_location.file.rename(tmp_path / "away.sqlite")
    # The store beside the file that is gone, and the store that is given.
    replay(tmp_path / "out" / FILE, tmp_path / "1", sqlite_location.database)
    replay(tmp_path / "out" / FILE, tmp_path / "2", NOWHERE, sqlite_location.store)
    assert contents(tmp_path / "1") == contents(tmp_path / "2") == contents(tmp_path / "out")
    assert not sqlite_location.file.exists()


@pytest.mark.slow
def test_a_replay_changes_nothing_in_the_store(origin: Origin, tmp_path: Path) -> None:
    before = contents(origin.location.store)
    origin.replay(origin.document("one"), tmp_path / "again")
    assert contents(origin.location.store) == before


@pytest.mark.slow
@pytest.mark.parametrize("what", ["missing", "damaged", "cut", "another object"])
def test_a_changed_input_is_named_and_nothing_is_left(origin: Origin, tmp_path: Path, what: str) -> None:
    panel = origin.values()["resolution"]["panels"][1]
    constants = panel["constants"][1]
    sha256, other = (constants["files"][gain_range]["sha256"] for gain_range in (2, 0))
    path, content = origin.object(sha256), origin.object(sha256).read_bytes()
    path.unlink()
    if what != "missing":
        bad = {
            "damaged": content[:-1] + bytes([content[-1] ^ 1]),
            "cut": content[:-4],
            "another object": origin.object(other).read_bytes(),
        }[what]
        path.write_bytes(bad)
    try:
        error = refuse_without_traces(
            CorruptionError, tmp_path / "out", lambda: origin.replay(origin.document(), tmp_path / "out")
        )
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(content)
    expected = {"sha256": sha256, "gain_range": 2, "panel": PANEL_B, "version": constants["version"]}
    assert {name: error.values.get(name) for name in expected} == expected
    origin.replay(origin.document(), tmp_path / "out")


@pytest.mark.slow
def test_another_registrys_store_and_no_store_are_refused(origin: Origin, tmp_path: Path) -> None:
    other = create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    path, output = origin.document(), tmp_path / "out"
    mine = origin.values()["registry"]["id"]
    error = refuse_without_traces(
        ConflictError, output, lambda: replay(path, output, None, tmp_path / "other")
    )
    assert error.values == {"store": other, "document": mine}
    error = refuse_without_traces(
        UnavailableError, output, lambda: replay(path, output, None, tmp_path / "none")
    )
    assert error.values == {"path": str(tmp_path / "none")}
    # A document that claims to be of the other registry has none of its inputs there.
    forged = origin.edit(tmp_path, lambda values: values["registry"].update(id=other))
    error = refuse_without_traces(
        CorruptionError, output, lambda: replay(forged, output, None, tmp_path / "other")
    )
    assert str(tmp_path / "other") in str(error)


# Edits of a document, the class of the refusal, and its values.


def first(values: Values) -> Values:
    constants: Values = values["resolution"]["panels"][0]["constants"][0]
    return constants


def swap_panels(values: Values) -> None:
    values["resolution"]["panels"].reverse()


def repeat_panel(values: Values) -> None:
    panels = values["resolution"]["panels"]
    panels[1] = panels[0]


def another_object(values: Values) -> None:
    files = first(values)["files"]
    files[0]["sha256"] = files[1]["sha256"]


def one_panel_more(values: Values) -> None:
    values["resolution"]["panels"].append(values["resolution"]["panels"][0])


def output(**changes: Any) -> Callable[[Values], object]:
    return lambda values: values["outputs"][0].update(changes)


INVALID_FIELD = {"reason": "$."}  # a part of the reason
EDITS: dict[str, tuple[Callable[[Values], object], type[RegistryError], dict[str, object]]] = {
    "an output's checksum": (output(sha256="0" * 64), CorruptionError, {"sha256": "0" * 64}),
    "an output's size": (output(size=17), CorruptionError, {}),
    "an output's size left out": (output(size=None), CorruptionError, {}),
    "an output's shape": (output(shape=[3, 1, 512, 1024]), DocumentError, {"type": "pixel_gain"}),
    "an output's dtype": (output(dtype="float64"), DocumentError, {"type": "pixel_gain"}),
    "an output's unit": (output(unit="keV/ADU"), DocumentError, {"type": "pixel_gain"}),
    "an output's kind": (output(kind="offset"), DocumentError, {"type": "pixel_gain"}),
    "an output elsewhere": (output(path="pixel_offset.npy"), DocumentError, {"output": "pixel_offset.npy"}),
    "an output in place of the document": (output(path=FILE), DocumentError, {"output": FILE}),
    "an output above": (output(path="../pixel_gain.npy"), DocumentError, INVALID_FIELD),
    "an absolute output": (output(path="/tmp/x.npy"), DocumentError, INVALID_FIELD),  # noqa: S108
    "an output with a backslash": (output(path="..\\x"), DocumentError, INVALID_FIELD),
    "a hidden output": (output(path=".x"), DocumentError, INVALID_FIELD),
    "a negative size": (output(size=-1), DocumentError, INVALID_FIELD),
    "a negative axis": (output(shape=[3, -2, 512, 1024]), DocumentError, INVALID_FIELD),
    "a negative size of an input": (
        lambda values: first(values)["files"][0].update(size=-1),
        DocumentError,
        INVALID_FIELD,
    ),
    "no outputs": (lambda values: values.update(outputs=[]), DocumentError, {"missing": "pixel_gain"}),
    "no types and no outputs": (
        lambda values: (values.update(outputs=[]), values["resolution"].update(types=[])),
        DocumentError,
        {"part": "outputs"},
    ),
    "no types": (
        lambda values: values["resolution"].update(types=[]),
        DocumentError,
        {"part": "outputs"},
    ),
    "a type less": (
        lambda values: values["resolution"]["types"].pop(),
        DocumentError,
        {"part": "outputs"},
    ),
    "a type twice": (
        lambda values: values["resolution"]["types"].append("pixel_gain"),
        DocumentError,
        {"missing": "pixel_gain"},
    ),
    "a type that is not known": (
        lambda values: values["resolution"]["types"].append("pixel_common_mode"),
        DocumentError,
        {},
    ),
    "two outputs of one type": (
        lambda values: values["outputs"].append(values["outputs"][0]),
        DocumentError,
        {"part": "outputs"},
    ),
    "an output of an odd name": (
        output(type="\x1b[2J" * 1000),
        DocumentError,
        {"missing": "pixel_gain"},
    ),
    "panels in another order": (swap_panels, DocumentError, {"part": "detector_id"}),
    "a panel twice": (repeat_panel, DocumentError, {"part": "detector_id"}),
    "a panel more": (one_panel_more, DocumentError, {"type": "pixel_gain"}),
    "no panels": (
        lambda values: values["resolution"].update(panels=[]),
        DocumentError,
        {"type": "pixel_gain"},
    ),
    "another stored object": (another_object, DocumentError, {"part": "constants"}),
    "an object that does not exist": (
        lambda values: first(values)["files"][0].update(sha256="0" * 64),
        DocumentError,
        {"part": "constants"},
    ),
    "a file less": (
        lambda values: first(values)["files"].pop(),
        DocumentError,
        {"part": "constants"},
    ),
    "no constants": (
        lambda values: values["resolution"]["panels"][1].update(constants=[]),
        DocumentError,
        {"panel": PANEL_B},
    ),
    "another kind": (
        lambda values: first(values).update(kind="rms"),
        DocumentError,
        {"part": "constants"},
    ),
    "a detector type that is not known": (
        lambda values: values["resolution"].update(detector_type="pilatus"),
        DocumentError,
        {},
    ),
    "a format that is not known": (
        lambda values: values["request"].update(format="xtc"),
        DocumentError,
        {"known": ["npy", "psana", "lcls2", "hdf5"]},
    ),
    "a newer format": (
        lambda values: values.update(format_version=3),
        DocumentError,
        {"format_version": 3},
    ),
    "another document": (lambda values: values.update(format="calreg snapshot"), DocumentError, {}),
    "a version that is not a number": (
        lambda values: first(values).update(version="1"),
        DocumentError,
        INVALID_FIELD,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("change", "error_class", "expected"), EDITS.values(), ids=EDITS)
def test_an_edited_document_is_refused_and_nothing_is_written(
    origin: Origin,
    tmp_path: Path,
    change: Callable[[Values], object],
    error_class: type[RegistryError],
    expected: dict[str, object],
) -> None:
    path = origin.edit(tmp_path, change)
    error = refuse_without_traces(
        error_class, tmp_path / "out", lambda: origin.replay(path, tmp_path / "out")
    )
    assert error.code in (2, 6)
    if expected is INVALID_FIELD:
        assert str(INVALID_FIELD["reason"]) in error.values["reason"]
    else:
        assert {name: error.values.get(name) for name in expected} == expected


def test_a_file_that_is_missing_cut_or_not_a_document_is_refused(origin: Origin, tmp_path: Path) -> None:
    path, output = tmp_path / FILE, tmp_path / "out"
    error = refuse_without_traces(NotFoundError, output, lambda: origin.replay(path, output))
    assert error.values == {"path": str(path)}
    content = origin.document().read_bytes()
    for bad in (b"", content[: len(content) // 2], content.rstrip()[:-1], content[1:], b"\x93NUMPY"):
        path.write_bytes(bad)
        error = refuse_without_traces(DocumentError, output, lambda: origin.replay(path, output))
        assert error.values == {"path": str(path)}
    error = refuse_without_traces(DocumentError, output, lambda: origin.replay(origin.exports, output))
    assert error.values == {"path": str(origin.exports)}


def test_arrays_in_memory_are_not_replayed(origin: Origin, tmp_path: Path) -> None:
    path, output = origin.exports / "memory.json", tmp_path / "out"
    error = refuse_without_traces(DocumentError, output, lambda: origin.replay(path, output))
    assert error.values == {"part": "outputs", "path": str(path)}


@pytest.mark.slow
def test_facts_that_only_the_registry_knows_are_replayed_and_not_verified(
    origin: Origin, tmp_path: Path
) -> None:
    path = origin.edit(tmp_path, lambda values: first(values).update(version=99, comment="approved"))
    origin.replay(path, tmp_path / "out")
    assert contents(tmp_path / "out")["pixel_gain.npy"] == contents(origin.exports / "run")["pixel_gain.npy"]
    assert (tmp_path / "out" / FILE).read_bytes() == path.read_bytes()
    (problem,) = verify_export(
        tmp_path / "out" / FILE, origin.location.database, origin.location.store
    ).problems
    assert problem.problem == "the registry's answer is not that of the document"


def test_existing_files_stay_without_force(origin: Origin, tmp_path: Path) -> None:
    output, document = tmp_path / "out", origin.document("one")
    output.mkdir()
    for name in ("pixel_offset.npy", FILE):
        (output / name).write_bytes(b"mine")
        with assert_refused(ConflictError, remedy=Remedy.REPLACE_FILES, files=[name]):
            origin.replay(document, output)
        assert {path.name: path.read_bytes() for path in output.iterdir()} == {name: b"mine"}
        (output / name).unlink()
    (output / "pixel_offset.npy").write_bytes(b"mine")
    (output / "notes.txt").write_bytes(b"mine")
    # A replay that fails replaces nothing, forced or not.
    forged = origin.edit(tmp_path, lambda values: values["outputs"][0].update(sha256="0" * 64), name="one")
    with assert_refused(CorruptionError, sha256="0" * 64):
        origin.replay(forged, output, force=True)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == {
        "pixel_offset.npy": b"mine",
        "notes.txt": b"mine",
    }
    origin.replay(document, output, force=True)
    assert contents(output) == {
        **contents(origin.exports / "one"),
        "notes.txt": hashlib.sha256(b"mine").hexdigest(),
    }


def test_an_export_is_repaired_in_its_own_folder(origin: Origin, tmp_path: Path) -> None:
    shutil.copytree(origin.exports / "one", tmp_path / "out")
    (tmp_path / "out" / "pixel_offset.npy").write_bytes(b"damaged")
    origin.replay(tmp_path / "out" / FILE, tmp_path / "out", force=True)
    assert contents(tmp_path / "out") == contents(origin.exports / "one")


@pytest.mark.slow
def test_the_command_line_replays_and_refuses_with_its_codes(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(origin.location, monkeypatch)
    command = ("provenance", "replay", str(origin.document("one")), "--output")
    done = calreg.run(*command, str(tmp_path / "1"), "--json").json
    (written,) = origin.values("one")["outputs"]
    assert {"outputs", "provenance", "revision"} <= set(done)
    assert done["revision"] == origin.values("one")["registry"]["revision"]
    assert done["provenance"] == str(tmp_path / "1" / FILE)
    (output,) = done["outputs"]
    assert output == {
        "type": "pixel_offset",
        "path": str(tmp_path / "1" / "pixel_offset.npy"),
        "sha256": written["sha256"],
        "size": written["size"],
        "shape": [3, 1, 512, 1024],
        "dtype": "float32",
    }
    done_again = calreg.run(*command, str(tmp_path / "2"))
    assert done_again.stdout.splitlines()[-1] == (
        f"provenance {tmp_path / '2' / FILE}, of 2020-01-01T00:00:00Z, as of revision {done['revision']}"
    )
    assert done_again.stderr == ""
    assert calreg.run("provenance", "verify", str(tmp_path / "2" / FILE), "--json").json["problems"] == []
    calreg.run(*command, str(tmp_path / "2"))  # nothing is left to do
    (tmp_path / "2" / "pixel_offset.npy").write_bytes(b"mine")
    calreg.assert_refused(5, *command, str(tmp_path / "2"))
    calreg.run(*command, str(tmp_path / "2"), "--force")
    calreg.assert_refused(
        3, "provenance", "replay", str(tmp_path / "none.json"), "--output", str(tmp_path / "3")
    )
    forged = str(origin.edit(tmp_path, EDITS["an output's checksum"][0]))
    calreg.assert_refused(6, "provenance", "replay", forged, "--output", str(tmp_path / "3"))
    calreg.assert_refused(2, "provenance", "replay", __file__, "--output", str(tmp_path / "3"))
    create_registry(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    monkeypatch.setenv("CALREG_DATABASE", NOWHERE)
    monkeypatch.setenv("CALREG_STORE", str(tmp_path / "other"))
    calreg.assert_refused(5, *command, str(tmp_path / "3"))
    monkeypatch.setenv("CALREG_STORE", str(tmp_path / "nothing"))
    calreg.assert_refused(8, *command, str(tmp_path / "3"))
    monkeypatch.delenv("CALREG_STORE")
    calreg.assert_refused(2, *command, str(tmp_path / "3"))
    assert not (tmp_path / "3").exists()
    # The store alone is enough, and given.
    ended = calreg("--store", str(origin.location.store), *command, str(tmp_path / "3"))
    assert (ended.code, ended.stderr) == (0, "")
    assert contents(tmp_path / "3") == contents(origin.exports / "one")


# Any document: real values changed at random places.

junk = st.sampled_from(
    [None, True, 0, 1, 3, -1, 2**31, 2**63, 2**70, 0.5, "", "0" * 64, "..", "/", "a\x00\x1b", "gain", [], {}]
)
actions = st.sampled_from(["replace", "delete", "repeat", "copy", "swap"])
mutations = st.lists(st.tuples(actions, st.randoms(use_true_random=False), junk), min_size=1, max_size=3)
_numbers = itertools.count()


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the keys that lead to every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def holder(values: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        values = values[key]
    return values


def mutate(values: Values, action: str, random: Any, odd: Any) -> None:
    locations = list(paths(values))
    if not locations:
        return
    one, other = random.choice(locations), random.choice(locations)
    inside, value = holder(values, one), copy.deepcopy(holder(values, other)[other[-1]])
    if action == "delete":
        del inside[one[-1]]
    elif action == "repeat" and isinstance(inside, list):
        inside.append(copy.deepcopy(inside[one[-1]]))
    elif action == "swap" and isinstance(inside, list):
        inside.reverse()
    else:
        inside[one[-1]] = value if action == "copy" else odd


@pytest.mark.slow
@given(changes=mutations, name=st.sampled_from(["one", "run"]))
@settings(max_examples=examples(40))
def test_no_document_ends_in_a_traceback_or_writes_bytes_with_other_checksums(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: list[Any], name: str
) -> None:
    values = origin.values(name)
    for change in changes:
        mutate(values, *change)
    folder = tmp_path / str(next(_numbers))
    folder.mkdir()
    path = folder / "edited.json"
    path.write_text(json.dumps(values))
    before = contents(tmp_path)
    try:
        done = origin.replay(path, folder / "out")
    except (DocumentError, CorruptionError, ConflictError):  # all else is not for a document to cause
        assert contents(tmp_path) == before
        assert not (folder / "out").exists()
    else:
        checksums = {output["path"]: output["sha256"] for output in values["outputs"]}
        assert {output.type: output.sha256 for output in done.outputs} == {
            output["type"]: output["sha256"] for output in values["outputs"]
        }
        document = hashlib.sha256(path.read_bytes()).hexdigest()
        assert contents(folder / "out") == {**checksums, FILE: document}
        shutil.rmtree(folder / "out")
    calreg = Calreg(origin.location, monkeypatch)
    for command in (("show",), ("show", "--format", "prov-json"), ("verify",)):
        ended = calreg("provenance", command[0], str(path), *command[1:])  # raises what is a bug
        assert ended.code in (0, 2, 5, 6)
        assert all(line.isprintable() for line in f"{ended.stdout}{ended.stderr}".splitlines())
