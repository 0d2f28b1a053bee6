"""Provenance documents and the history that they are of: the seal that they quote, and documents from before seals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from registry import provenance
from registry.api import Registry, open_registry
from registry.api.backups import restore_registry
from registry.api.export_verification import verify_export
from registry.api.replays import plan_replay, replay
from registry.errors import ConflictError, CorruptionError, DocumentError, Remedy
from registry.provenance import prov_json
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, SHORT_NAME, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused
from tests.test_quoted_heads import OTHER, remove_seals

if TYPE_CHECKING:
    from tests.cli import Calreg

pytestmark = pytest.mark.small_panels

FORMAT_1 = Path(__file__).parent / "documents_of_format_1"
FORMATS = ("npy", "psana", "lcls2", "hdf5")
BEGIN = "2020-01-01T00:00:00Z"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
SOURCE = "XcsEndstation.0:Jungfrau.0"


@dataclass(frozen=True)
class Export:
    """A registry, and the document of an export from it."""

    location: RegistryLocation
    path: Path

    def verify(self, path: Path | None = None) -> Any:
        return verify_export(path or self.path, self.location.database, self.location.store)

    def edit(self, change: Callable[[dict[str, Any]], object]) -> Path:
        """Write an edited copy of the document beside it."""
        values = json.loads(self.path.read_bytes())
        change(values)
        edited = self.path.with_name("edited.json")
        edited.write_text(json.dumps(values))
        return edited


@pytest.fixture
def export(registry: Registry, location: RegistryLocation, tmp_path: Path) -> Export:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "one"), valid_from="beginning")
    done = registry.export(PANEL_A, tmp_path / "out", at=BEGIN)
    return Export(location, Path(done.provenance))


def to_format_1(values: dict[str, Any]) -> None:
    values["format_version"] = 1
    del values["registry"]["seal"]


def test_a_document_quotes_the_seal_of_its_revision(
    registry: Registry, export: Export, calreg: Calreg
) -> None:
    document = provenance.read(export.path)
    assert document.format_version == 2
    assert document.registry.head == registry.head
    assert (export.verify().problems, export.verify().notes) == ((), ())
    registry.panels.add(PANEL_B)
    held = registry.constants(PANEL_A, at=BEGIN, as_of=document.registry.head)
    assert held.provenance.registry == document.registry
    assert held.provenance.request.as_of == str(document.registry.head)
    seal = document.registry.head.seal
    for text in (repr(document), repr(held), document._repr_html_(), held._repr_html_()):
        assert f"revision 2:{seal[:16]}" in text
    assert seal in calreg.run("provenance", "show", str(export.path)).stdout
    trail = json.loads(prov_json.build_prov_json(document))
    (export_trail,) = (facts for name, facts in trail["activity"].items() if ":export-" in name)
    assert export_trail["calreg:seal"] == seal
    assert held.to_xarray().attrs["seal"] == seal


def test_the_files_of_an_export_tell_the_seal_where_they_tell_the_revision(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "one"), valid_from="beginning")
    registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1, segments=[0])
    registry.runs.add("exp=xcs1:run=12", begin=BEGIN)
    label = f"registry {registry.id}, revision 4, seal {registry.head.seal}"
    psana = registry.export("exp=xcs1:run=12", tmp_path / "psana", types=["pixel_gain"], format="psana")
    assert label in Path(psana.outputs[0].path).read_text()
    lcls2 = registry.export(
        "exp=xcs1:run=12", tmp_path / "lcls2", types=["pixel_gain"], format="lcls2", short_name=SHORT_NAME
    )
    assert json.loads(Path(lcls2.outputs[0].path).with_suffix(".json").read_text())["comment"] == label


@pytest.mark.slow
def test_a_document_of_another_history_is_a_problem(
    registry: Registry,
    export: Export,
    calreg: Calreg,
    tmp_path: Path,
    empty_postgres: str,
) -> None:
    registry.backup(tmp_path / "backup")
    for database in (f"sqlite:///{tmp_path / 'restored' / 'registry.sqlite'}", empty_postgres):
        store = tmp_path / "restored" / database[:6] / "store"
        restore_registry(tmp_path / "backup", database, store)
        with open_registry(database, store) as restored:
            assert verify_export(export.path, database, store).problems == ()
            restored.panels.add(PANEL_B, comment="only here")
            other = restored.export(PANEL_A, tmp_path / f"other-{database[:6]}", at=BEGIN)
        if registry.head.number < 3:
            (ahead,) = export.verify(Path(other.provenance)).problems
            assert ahead.path == "revision 3"
            assert "another history" in ahead.problem
        registry.tags.add(f"t-{database[:6]}", comment="only there")
        result = export.verify(Path(other.provenance))
        problem = result.problems[0]
        assert problem.path == "revision 3"
        for text in (provenance.read(Path(other.provenance)).registry.head.seal, registry.find_head(3).seal):
            assert text in problem.problem
        refused = calreg("provenance", "verify", other.provenance)
        assert refused.code == 6
        assert "another history" in refused.stdout
        assert export.verify().problems == ()


def test_an_edited_seal_is_a_problem(export: Export) -> None:
    (problem,) = export.verify(export.edit(lambda values: values["registry"].update(seal=OTHER))).problems
    assert problem.path == "revision 2"
    assert OTHER in problem.problem
    quoted = export.edit(lambda values: values["request"].update(as_of=f"2:{OTHER}"))
    assert len(export.verify(quoted).problems) == 1


def test_a_revision_that_lost_its_seal_is_a_problem_of_its_documents(export: Export) -> None:
    remove_seals(export.location, 2)
    (problem,) = export.verify().problems
    assert problem.path == "revision 2"


def test_no_export_is_made_of_a_revision_without_a_seal(
    registry: Registry, export: Export, calreg: Calreg, tmp_path: Path
) -> None:
    remove_seals(export.location, 2)
    for act in (
        lambda: registry.constants(PANEL_A, at=BEGIN),
        lambda: registry.export(PANEL_A, tmp_path / "more", at=BEGIN),
    ):
        with assert_refused(CorruptionError, 2, remedy=Remedy.SEAL_REVISION, revision=2):
            act()
    calreg.assert_refused(6, "export", PANEL_A, "--at", BEGIN, "--output", str(tmp_path / "more"))
    assert not (tmp_path / "more").exists()


def test_without_a_database_a_note_says_that_the_seal_was_not_compared(
    export: Export, tmp_path: Path
) -> None:
    nowhere = f"sqlite:///{tmp_path / 'none.sqlite'}"
    (note,) = verify_export(export.path, nowhere, export.location.store).notes
    assert "seal of revision 2" in note
    older = export.edit(to_format_1)
    (note,) = verify_export(older, nowhere, export.location.store).notes
    assert "seal" not in note


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["registry"].pop("seal"),
        lambda values: values["registry"].update(seal=None),
        lambda values: values["registry"].update(seal=OTHER[:-1]),
        lambda values: values["registry"].update(seal=OTHER.upper()),
        lambda values: values.update(format_version=1),
        lambda values: values.update(format_version=3),
        lambda values: values.update(format_version=0),
        lambda values: values.update(format_version="2"),
    ],
)
def test_a_document_whose_seal_and_format_do_not_fit_is_refused(
    registry: Registry, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "one"), valid_from="beginning")
    held = registry.constants(PANEL_A, at=BEGIN)
    values = json.loads(provenance.encode(held.provenance))
    change(values)
    path = tmp_path / "provenance.json"
    path.write_text(json.dumps(values))
    with assert_refused(DocumentError, path.name, path=str(path)):
        provenance.read(path)


def test_a_document_from_before_there_were_seals_is_verified_as_it_was(export: Export) -> None:
    older = export.edit(to_format_1)
    document = provenance.read(older)
    assert document.registry.head is None
    assert "seal" not in repr(document)
    assert "seal" not in provenance.encode(document).decode()
    verification = export.verify(older)
    assert verification.problems == ()
    unknown = export.edit(lambda values: (to_format_1(values), values["registry"].update(revision=9)))
    (problem,) = export.verify(unknown).problems
    assert "another history" in problem.problem


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """The store of the registry of the documents of format 1, which are of software from before seals."""
    document = provenance.read(FORMAT_1 / "npy.json")
    objects = ContentStore(tmp_path / "store")
    objects.create(document.registry.id)
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        folder = write_panel_folder(tmp_path / panel, seed)
        for constants in document.resolution.panels[seed].constants:
            for file in constants.files:
                objects.add_object(folder / f"g{file.gain_range}_{constants.kind}.npy", file.sha256)
    return Path(objects.place)


@pytest.mark.parametrize("name", FORMATS)
def test_a_document_of_format_1_is_replayed_bit_for_bit(store: Path, tmp_path: Path, name: str) -> None:
    path = FORMAT_1 / f"{name}.json"
    content = path.read_bytes()
    document = provenance.read(path)
    assert provenance.encode(document) == content
    if plan_replay(document, path, ContentStore(store)).software_changes:
        pytest.skip("another h5py writes other bytes")
    done = replay(path, tmp_path / "again", NOWHERE, store)
    assert [output.sha256 for output in done.outputs] == [output.sha256 for output in document.outputs]
    assert Path(done.provenance).read_bytes() == content
    with assert_refused(ConflictError, store=document.registry.id[:-1] + "0"):
        other = ContentStore(tmp_path / "other")
        other.create(document.registry.id[:-1] + "0")
        replay(path, tmp_path / "more", NOWHERE, other.place)
    assert verify_export(done.provenance, NOWHERE, store).problems == ()
