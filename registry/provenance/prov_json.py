"""The same trail as W3C PROV-JSON (member submission of 24 April 2013), for tools that read PROV.

Entities are the files, constants, versions, outputs, the run and its configuration; activities the export and the
revisions that registered; agents the people and the software.

Identifiers are global, so that trails can be merged: a file, constants and software are named by their content, what a
registry numbers or knows by name within that registry, an export by the SHA-256 of its document. What may differ
between two revisions of one registry, as the end of a validity range, is said of the use, not of the entity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from msgspec.structs import asdict

from registry.provenance import encode
from registry.provenance.document import (
    Document,
    InputConfiguration,
    InputConstants,
    InputPanel,
    InputRun,
    Output,
    RevisionReference,
)

_NAMESPACE = "urn:calreg:"
_CONTENT, _REGISTRY = "calreg", "registry"
"""The prefixes of what is named by its content, and of what is named within its registry."""


def build_prov_json(document: Document) -> str:
    """Return the document's trail as PROV-JSON."""
    trail = _Trail(document.registry.id)
    trail.add_export(document)
    return json.dumps(trail.records, indent=2) + "\n"


class _Trail:
    """Records of PROV-JSON, by kind of record and identifier; what is added returns its qualified name."""

    def __init__(self, registry_id: str) -> None:
        prefixes = {_CONTENT: _NAMESPACE, _REGISTRY: f"{_NAMESPACE}registry:{registry_id}:"}
        self.records: dict[str, dict[str, Any]] = {"prefix": prefixes}

    def add_export(self, document: Document) -> None:
        """Add the export and everything that led to it."""
        creator, resolution = document.created_by, document.resolution
        person = self._add_person(creator.author)
        names = " ".join(f"{name} {version}" for name, version in document.software.items())
        software = self._add(
            "agent", f"software-{_encode_name(names)}", {"type": _qualify("SoftwareAgent"), "label": names}
        )
        export = self._add_of_registry(
            "activity",
            f"export-{sha256(encode(document)).hexdigest()}",
            _start_and_end(document.created_at),
            target=document.request.target,
            instant=resolution.instant,
            registry=document.registry.id,
            revision=document.registry.revision,
            seal=document.registry.head and document.registry.head.seal,
            command=creator.command,
            host=creator.host,
        )
        self._relate("wasAssociatedWith", activity=export, agent=person)
        self._relate("wasAssociatedWith", activity=export, agent=software)
        if resolution.run is not None:
            self._add_run(resolution.run, export)
        if resolution.configuration is not None:
            self._add_configuration(resolution.configuration, resolution.detector_id, export)
        outputs = {output.kind: self._add_output(output, export, person) for output in document.outputs}
        for panel in resolution.panels:
            for constants in panel.constants:
                version = self._add_version(panel, constants)
                self._relate(
                    "used",
                    {
                        "segment": panel.segment if isinstance(panel.segment, int) else None,
                        "alias": panel.alias,
                        "valid_to": constants.valid_to,
                    },
                    activity=export,
                    entity=version,
                )
                if constants.kind in outputs:
                    self._relate(
                        "wasDerivedFrom", generatedEntity=outputs[constants.kind], usedEntity=version
                    )

    def _add(
        self, category: str, name: str, prov: Mapping[str, Any] = MappingProxyType({}), **attributes: Any
    ) -> str:
        """Add what is the same in all registries, with attributes of PROV and of calreg, or add these to it."""
        return self._add_named(category, f"{_CONTENT}:{name}", prov, attributes)

    def _add_of_registry(
        self, category: str, name: str, prov: Mapping[str, Any] = MappingProxyType({}), **attributes: Any
    ) -> str:
        """Add what has this name in its registry only."""
        return self._add_named(category, f"{_REGISTRY}:{name}", prov, attributes)

    def _add_named(
        self, category: str, identifier: str, prov: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> str:
        values = {f"prov:{key}": value for key, value in prov.items()}
        values |= {f"{_CONTENT}:{key}": value for key, value in attributes.items()}
        element = self.records.setdefault(category, {}).setdefault(identifier, {})
        element.update({key: value for key, value in values.items() if value is not None})
        return identifier

    def _relate(
        self, category: str, attributes: Mapping[str, Any] = MappingProxyType({}), **ends: str
    ) -> None:
        """Add a relation between two elements, once."""
        relations = self.records.setdefault(category, {})
        stated = {f"{_CONTENT}:{key}": value for key, value in attributes.items() if value is not None}
        relation = {f"prov:{end}": name for end, name in ends.items()} | stated
        if relation not in relations.values():
            relations[f"_:{category}{len(relations) + 1}"] = relation

    def _add_person(self, name: str) -> str:
        return self._add_of_registry(
            "agent", f"person-{_encode_name(name)}", {"type": _qualify("Person"), "label": name}
        )

    def _add_revision(self, reference: RevisionReference) -> str:
        """Add a revision and its author."""
        times = _start_and_end(reference.recorded_at)
        author = self._add_person(reference.author)
        name = f"revision-{reference.revision}"
        revision = self._add_of_registry("activity", name, times, comment=reference.comment)
        self._relate("wasAssociatedWith", activity=revision, agent=author)
        return revision

    def _add_run(self, run: InputRun, export: str) -> None:
        entity = self._add_of_registry(
            "entity",
            f"run-{_encode_name(run.experiment)}-{run.run}{_say_revision(run.registered)}",
            experiment=run.experiment,
            run=run.run,
            begin=run.begin,
            end=run.end,
        )
        self._relate("used", activity=export, entity=entity)
        if run.registered is not None:
            self._relate_to_revision(entity, run.registered)

    def _add_configuration(self, configuration: InputConfiguration, detector_id: str, export: str) -> None:
        names = f"{_encode_name(configuration.experiment)}-{_encode_name(configuration.source)}"
        entity = self._add_of_registry(
            "entity",
            f"configuration-{names}-{configuration.first_run}{_say_revision(configuration.registered)}",
            experiment=configuration.experiment,
            source=configuration.source,
            first_run=configuration.first_run,
            detector_id=detector_id,
        )
        self._relate("used", {"last_run": configuration.last_run}, activity=export, entity=entity)
        self._relate_to_revision(entity, configuration.registered)

    def _relate_to_revision(self, entity: str, reference: RevisionReference) -> None:
        self._relate("wasGeneratedBy", entity=entity, activity=self._add_revision(reference))

    def _add_output(self, output: Output, export: str, person: str) -> str:
        entity = self._add_named(
            "entity",
            f"{export}-{output.type}",
            {"label": output.path},
            {
                "type": output.type,
                "sha256": output.sha256,
                "shape": ", ".join(map(str, output.shape)),
                "dtype": output.dtype,
                "unit": output.unit,
            },
        )
        self._relate("wasGeneratedBy", entity=entity, activity=export)
        self._relate("wasAttributedTo", entity=entity, agent=person)
        return entity

    def _add_version(self, panel: InputPanel, constants: InputConstants) -> str:
        """Add a version, the revision that registered it, its constants and their files."""
        version = self._add_of_registry(
            "entity",
            f"version-{constants.version}",
            panel=panel.panel,
            kind=constants.kind,
            valid_from=constants.valid_from or "beginning",
            comment=constants.comment,
            source_path=constants.source_path,
        )
        content = self._add("entity", f"constants-{constants.constants}", {"type": _qualify("Collection")})
        self._relate_to_revision(version, constants.registered)
        self._relate("wasDerivedFrom", generatedEntity=version, usedEntity=content)
        if constants.carried_from is not None:
            origin = self._add_of_registry("entity", f"version-{constants.carried_from}")
            self._relate("wasDerivedFrom", generatedEntity=version, usedEntity=origin)
        if (source := constants.conversion) is not None:
            original = self._add(
                "entity",
                f"file-{source.sha256}",
                {"label": source.file},
                sha256=source.sha256,
                size=source.size,
                dtype=source.dtype,
            )
            self._relate("wasDerivedFrom", generatedEntity=content, usedEntity=original)
        for file in constants.files:
            statistics: dict[str, Any] = asdict(file.statistics)
            name = f"file-{file.sha256}"
            member = self._add("entity", name, sha256=file.sha256, size=file.size, **statistics)
            self._relate("hadMember", collection=content, entity=member)
        return version


def _start_and_end(instant: str) -> dict[str, str]:
    return {"startTime": instant, "endTime": instant}


def _say_revision(registered: RevisionReference | None) -> str:
    """Return the end of a name: what was recorded anew since is another entity."""
    return f"-of-revision-{registered.revision}" if registered else ""


def _qualify(name: str) -> dict[str, str]:
    return {"$": f"prov:{name}", "type": "prov:QUALIFIED_NAME"}


def _encode_name(text: str) -> str:
    """Return the text as a local name: letters and digits as they are, the rest as hexadecimal."""
    return "".join(char if char.isascii() and char.isalnum() else f"_{ord(char):x}_" for char in text)
