"""The trail as W3C PROV-JSON, read by the ``prov`` package: nothing is lost, every output leads to its inputs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from registry import provenance
from registry.errors import RequestError
from registry.provenance import Document, prov_json
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what prov's own imports remark on is not ours
    import prov.model as prov

SOURCE = "XcsEndstation.0:Jungfrau.0"
RUN = "exp=xcs1:run=12"


@pytest.fixture(scope="module")
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RegistryLocation, Path]]:
    """An export of two panels, one with constants carried from a third, and its document."""
    base = tmp_path_factory.mktemp("exported")
    for location in make_location(request, base, "sqlite"):
        with location.open() as registry:
            registry.panels.add(PANEL_A, alias="M068")
            registry.panels.add(PANEL_B)
            registry.versions.add(
                PANEL_A, write_panel_folder(base / "one"), valid_from="beginning", comment="flat field é 平"
            )
            registry.versions.add(
                PANEL_B, write_panel_folder(base / "two", 9), valid_from="2019-01-01T00:00:00Z"
            )
            registry.panels.add(NEW_A, alias="M068", carry_from=PANEL_A, valid_from="2019-01-01T00:00:00Z")
            registry.versions.add(PANEL_B, base / "one", valid_from="2021-01-01T00:00:00Z", same_as=[PANEL_A])
            registry.detectors.configure("xcs1", SOURCE, f"{NEW_A}_{PANEL_B}", first_run=1)
            registry.runs.add(RUN, begin="2020-01-01T00:00:00Z")
            registry.export(RUN, base / "out")
        yield location, base / "out" / "provenance.json"


@pytest.fixture(scope="module")
def document(exported: tuple[RegistryLocation, Path]) -> Document:
    return provenance.read(exported[1])


class Trail:
    """A PROV document as the ``prov`` package reads it."""

    def __init__(self, text: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.document = prov.ProvDocument.deserialize(content=text, format="json")

    def of(self, kind: Any) -> dict[str, Any]:
        records: Any = self.document.get_records(kind)
        return {record.identifier.localpart: record for record in records}

    @property
    def export(self) -> str:
        """The name of the only export."""
        (name,) = (name for name in self.of(prov.ProvActivity) if name.startswith("export-"))
        return str(name)

    def uses(self) -> dict[str, dict[str, str]]:
        """Return what is said of the use of each entity by the export."""
        return {
            record.formal_attributes[1][1].localpart: values(record)
            for record in self.document.get_records(prov.ProvUsage)
        }

    def pairs(self, kind: Any) -> set[tuple[str, str]]:
        """Return the two ends of every relation of a kind."""
        pairs = []
        for record in self.document.get_records(kind):
            (_, one), (_, other) = record.formal_attributes[:2]
            pairs.append((one.localpart, other.localpart))
        return set(pairs)


def values(record: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in record.attributes}


@pytest.mark.slow
def test_the_trail_has_every_file_version_output_revision_and_author(document: Document) -> None:
    trail = Trail(prov_json.build_prov_json(document))
    entities, activities, agents = (
        trail.of(kind) for kind in (prov.ProvEntity, prov.ProvActivity, prov.ProvAgent)
    )
    inputs = [(panel, constants) for panel in document.resolution.panels for constants in panel.constants]
    files = {file.sha256: file for _, constants in inputs for file in constants.files}
    assert (len(inputs), len(files)) == (4, 12)
    run, configuration = document.resolution.run, document.resolution.configuration
    assert run is not None
    assert configuration is not None
    origins = {f"version-{constants.carried_from}" for _, constants in inputs if constants.carried_from}
    (configured,) = (name for name in entities if name.startswith("configuration-"))
    (run_name,) = (name for name in entities if name.startswith(f"run-{run.experiment}-{run.run}"))
    assert set(entities) == {
        configured,
        *origins,
        run_name,
        *(f"{trail.export}-{output.type}" for output in document.outputs),
        *(f"version-{constants.version}" for _, constants in inputs),
        *(f"constants-{constants.constants}" for _, constants in inputs),
        *(f"file-{sha256}" for sha256 in files),
    }
    stamps = [configuration.registered, *(constants.registered for _, constants in inputs)]
    stamps += [run.registered] if run.registered else []
    assert set(activities) == {trail.export, *(f"revision-{stamp.revision}" for stamp in stamps)}
    assert values(entities[configured])["calreg:source"] == configuration.source
    assert values(entities[configured])["calreg:detector_id"] == document.resolution.detector_id
    assert (configured, f"revision-{configuration.registered.revision}") in trail.pairs(prov.ProvGeneration)
    assert {(trail.export, configured), (trail.export, run_name)} <= trail.pairs(prov.ProvUsage)
    for panel, constants in inputs:
        attributes = values(entities[f"version-{constants.version}"])
        use = trail.uses()[f"version-{constants.version}"]
        assert attributes["calreg:panel"] == panel.panel
        assert use.get("calreg:alias") == panel.alias
        assert attributes["calreg:kind"] == constants.kind
        assert attributes["calreg:valid_from"] == "2019-01-01T00:00:00Z"
        assert use.get("calreg:valid_to") == constants.valid_to
        assert attributes.get("calreg:source_path") == constants.source_path
        if constants.carried_from:
            edge = (f"version-{constants.version}", f"version-{constants.carried_from}")
            assert edge in trail.pairs(prov.ProvDerivation)
        revision = activities[f"revision-{constants.registered.revision}"]
        moment = datetime.fromisoformat(constants.registered.recorded_at)
        assert revision.get_startTime() == revision.get_endTime() == moment
    for sha256, file in files.items():
        attributes = values(entities[f"file-{sha256}"])
        assert (attributes["calreg:sha256"], attributes["calreg:size"]) == (sha256, str(file.size))
        assert attributes["calreg:zeros"] == str(file.statistics.zeros)
        assert float(attributes["calreg:median"]) == file.statistics.median
    for output in document.outputs:
        attributes = values(entities[f"{trail.export}-{output.type}"])
        assert (attributes["calreg:sha256"], attributes["prov:label"]) == (output.sha256, output.path)
        assert attributes["calreg:shape"] == "3, 2, 512, 1024"
        assert (attributes["calreg:unit"], attributes["calreg:dtype"]) == (output.unit, "float32")
    export = values(activities[trail.export])
    assert export["calreg:registry"] == document.registry.id
    assert export["calreg:revision"] == str(document.registry.revision)
    assert (export["calreg:target"], export["calreg:instant"]) == (RUN, "2020-01-01T00:00:00Z")
    assert activities[trail.export].get_startTime() == datetime.fromisoformat(document.created_at)
    people = {
        values(agent)["prov:label"] for name, agent in agents.items() if not name.startswith("software-")
    }
    assert people == {document.created_by.author, *(stamp.author for stamp in stamps)}
    (software,) = (name for name in agents if name.startswith("software-"))
    assert "calreg" in values(agents[software])["prov:label"]


@pytest.mark.slow
def test_every_output_leads_to_the_inputs_of_its_kind_and_to_its_author(document: Document) -> None:
    trail = Trail(prov_json.build_prov_json(document))
    derived, members = trail.pairs(prov.ProvDerivation), trail.pairs(prov.ProvMembership)
    generated = trail.pairs(prov.ProvGeneration)
    associated = trail.pairs(prov.ProvAssociation)
    for output in document.outputs:
        name = f"{trail.export}-{output.type}"
        inputs = [
            constants
            for panel in document.resolution.panels
            for constants in panel.constants
            if constants.kind == output.kind
        ]
        assert {to for of, to in derived if of == name} == {
            f"version-{constants.version}" for constants in inputs
        }
        for constants in inputs:
            version, content = f"version-{constants.version}", f"constants-{constants.constants}"
            assert (version, content) in derived
            assert {to for of, to in members if of == content} == {
                f"file-{file.sha256}" for file in constants.files
            }
            revision = f"revision-{constants.registered.revision}"
            assert (version, revision) in generated
            assert {who for what, who in associated if what == revision}
            assert (trail.export, version) in trail.pairs(prov.ProvUsage)
        assert (name, trail.export) in generated
        assert {who for what, who in trail.pairs(prov.ProvAttribution) if what == name} == {
            who for what, who in associated if what == trail.export and not who.startswith("software-")
        }
    assert any(what == trail.export and who.startswith("software-") for what, who in associated)


@pytest.mark.slow
def test_everything_that_is_referred_to_is_described(document: Document) -> None:
    records = json.loads(prov_json.build_prov_json(document))
    described = {name for category in ("entity", "activity", "agent") for name in records[category]}
    relations = [
        end
        for category, named in records.items()
        if category not in ("prefix", "entity", "activity", "agent")
        for relation in named.values()
        for attribute, end in relation.items()
        if attribute.startswith("prov:")
    ]
    assert set(relations) == described
    assert records["prefix"] == {
        "calreg": "urn:calreg:",
        "registry": f"urn:calreg:registry:{document.registry.id}:",
    }


@pytest.mark.parametrize(
    "author", ["dr. x@host", "Zoë Müller", "李 雷", "a_b", "a b", 'quote" \\ and \n line', "x:y/z#%20", "🜁"]
)
def test_names_with_odd_characters_survive(document: Document, author: str) -> None:
    odd = msgspec.structs.replace(
        document,
        created_by=msgspec.structs.replace(
            document.created_by, author=author, command=f"calreg export --output {author!r}"
        ),
    )
    text = prov_json.build_prov_json(odd)
    assert text.isascii()
    trail = Trail(text)
    agents = trail.of(prov.ProvAgent)
    (person,) = {
        who for what, who in trail.pairs(prov.ProvAttribution) if what == f"{trail.export}-pixel_gain"
    }
    assert values(agents[person])["prov:label"] == author
    assert person.removeprefix("person-").replace("_", "").isalnum()
    assert values(trail.of(prov.ProvActivity)[trail.export])["calreg:command"] == odd.created_by.command


def test_people_with_similar_names_are_two_agents(document: Document) -> None:
    names = ["a_b", "a b", "a_5f_b", "a_20_b", "ab", "AB"]
    people = set()
    for name in names:
        odd = msgspec.structs.replace(
            document, created_by=msgspec.structs.replace(document.created_by, author=name)
        )
        trail = Trail(prov_json.build_prov_json(odd))
        people |= {
            who for what, who in trail.pairs(prov.ProvAttribution) if what == f"{trail.export}-pixel_gain"
        }
    assert len(people) == len(names)


def test_constants_that_two_panels_share_are_one_entity_with_two_versions(document: Document) -> None:
    first, second = document.resolution.panels
    shared = msgspec.structs.replace(
        second,
        constants=tuple(
            msgspec.structs.replace(mine, files=other.files, constants=other.constants)
            for mine, other in zip(second.constants, first.constants, strict=True)
        ),
    )
    twice = msgspec.structs.replace(
        document, resolution=msgspec.structs.replace(document.resolution, panels=(first, shared))
    )
    trail = Trail(prov_json.build_prov_json(twice))
    contents = {name for name in trail.of(prov.ProvEntity) if name.startswith("constants-")}
    assert contents == {f"constants-{constants.constants}" for constants in first.constants}
    stated = [*first.constants, *second.constants]
    origins = {f"version-{constants.carried_from}" for constants in stated if constants.carried_from}
    assert len([name for name in trail.of(prov.ProvEntity) if name.startswith("version-")]) == 4 + len(
        origins
    )
    assert len({of for of, to in trail.pairs(prov.ProvDerivation) if to in contents}) == 4


def test_arrays_in_memory_have_a_trail_too(exported: tuple[RegistryLocation, Path]) -> None:
    with exported[0].open() as registry:
        held = registry.constants(PANEL_A, at="2020-01-01T00:00:00Z", types=["pixel_gain"]).provenance
    trail = Trail(prov_json.build_prov_json(held))
    attributes = values(trail.of(prov.ProvEntity)[f"{trail.export}-pixel_gain"])
    assert "calreg:sha256" not in attributes
    (version,) = (to for of, to in trail.pairs(prov.ProvDerivation) if of == f"{trail.export}-pixel_gain")
    assert values(trail.of(prov.ProvEntity)[version])["calreg:valid_from"] == "beginning"
    revision = trail.of(prov.ProvActivity)["revision-3"]
    assert values(revision)["calreg:comment"] == "flat field é 平"


def test_trails_of_two_revisions_and_of_two_registries_merge_without_a_contradiction(
    exported: tuple[RegistryLocation, Path], document: Document, tmp_path: Path
) -> None:
    with exported[0].open() as registry:
        former = registry.constants(PANEL_B, at="2020-06-01T00:00:00Z").provenance
        registry.versions.add(
            PANEL_B, write_panel_folder(tmp_path / "later", 7), valid_from="2020-07-01T00:00:00Z"
        )
        later = registry.constants(PANEL_B, at="2020-06-01T00:00:00Z").provenance
    elsewhere = msgspec.structs.replace(
        later, registry=msgspec.structs.replace(later.registry, id="00000000-0000-4000-8000-000000000000")
    )
    (gained,) = (item.version for item in later.resolution.panels[0].constants if item.kind == "gain")
    merged = prov.ProvDocument()
    for held in (document, former, later, elsewhere):
        merged.update(Trail(prov_json.build_prov_json(held)).document)
    unified = merged.unified()
    records = list(unified.get_records(prov.ProvElement))
    names = [str(record.identifier.uri) for record in records if record.identifier]
    assert len(set(names)) == len(names)
    for record in records:
        stated = [name for name, _ in record.attributes if str(name) != "prov:label"]
        assert len(set(stated)) == len(stated), record  # no attribute has two values
    exports = {name for name in names if ":export-" in name and not name.endswith(("gain", "offset"))}
    assert len(exports) == 4
    versions = [name for name in names if name.endswith(f":version-{gained}")]
    assert len(versions) == 2  # one in each registry
    ends = {
        str(value)
        for record in unified.get_records(prov.ProvUsage)
        if record.formal_attributes[1][1].localpart == f"version-{gained}"
        for name, value in record.extra_attributes
        if str(name) == "calreg:valid_to"
    }
    assert ends == {"2020-07-01T00:00:00Z", "2021-01-01T00:00:00Z"}


def test_the_command_line_writes_the_trail_and_refuses_other_formats(
    exported: tuple[RegistryLocation, Path], document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(exported[1])
    calreg = Calreg(None, monkeypatch)  # no registry is needed
    printed = calreg.run("provenance", "show", path, "--format", "prov-json").stdout
    assert printed == prov_json.build_prov_json(document)
    assert calreg.run("provenance", "show", path, "--format", "json").stdout.encode() == (
        exported[1].read_bytes()
    )
    error = calreg.assert_refused(RequestError.code, "provenance", "show", path, "--format", "prov-xml")
    for name in ("prov-xml", "text", "json", "prov-json"):
        assert name in error["message"]
