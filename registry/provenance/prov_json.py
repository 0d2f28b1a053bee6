"""The same trail as W3C PROV-JSON (member submission of 24 April 2013), for tools that read PROV.

Entities are the files, constants, versions, outputs and the document; activities the export and the
revisions that registered; agents the people and the software.
"""

from __future__ import annotations

import json
from typing import Any

from registry.provenance.document import Document, InputConstants, Output, RevisionReference

_NAMESPACE = "urn:calreg:"


class _ProvBuilder:
    """Records of PROV-JSON under construction, by kind of record and identifier."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {"prefix": {"calreg": _NAMESPACE}}

    def add_element(self, category: str, name: str, **attributes: Any) -> str:
        """Add an element; return its qualified name."""
        identifier = f"calreg:{name}"
        known = {key.replace("__", ":"): value for key, value in attributes.items() if value is not None}
        self.records.setdefault(category, {}).setdefault(identifier, {}).update(known)
        return identifier

    def add_relation(self, category: str, **ends: str) -> None:
        """Add a relation between elements."""
        relations = self.records.setdefault(category, {})
        if {f"prov:{end}": name for end, name in ends.items()} in relations.values():
            return
        relations[f"_:{category}{len(relations) + 1}"] = {f"prov:{end}": name for end, name in ends.items()}


def build_prov_json(document: Document) -> str:
    """Return the document's trail as PROV-JSON."""
    trail = _ProvBuilder()
    maker = document.created_by
    person = trail.add_element(
        "agent",
        f"person-{_encode_name(maker.author)}",
        prov__type=_qualified_type("prov:Person"),
        prov__label=maker.author,
    )
    software = " ".join(f"{name} {version}" for name, version in document.software.items())
    agent = trail.add_element(
        "agent", "software", prov__type=_qualified_type("prov:SoftwareAgent"), prov__label=software
    )
    export = trail.add_element(
        "activity",
        "export",
        prov__startTime=document.created_at,
        prov__endTime=document.created_at,
        calreg__target=document.request.target,
        calreg__instant=document.resolution.instant,
        calreg__registry=document.registry.id,
        calreg__revision=document.registry.revision,
        calreg__command=maker.command,
        calreg__host=maker.host,
    )
    for who in (person, agent):
        trail.add_relation("wasAssociatedWith", activity=export, agent=who)
    _add_run_and_configuration(trail, document, export)
    outputs = {output.kind: _add_output(trail, output, export, person) for output in document.outputs}
    for panel in document.resolution.panels:
        for constants in panel.constants:
            entity = _add_constants(trail, panel.panel, panel.alias, constants)
            trail.add_relation("used", activity=export, entity=entity)
            if constants.kind in outputs:
                trail.add_relation(
                    "wasDerivedFrom", generatedEntity=outputs[constants.kind], usedEntity=entity
                )
    return json.dumps(trail.records, indent=2) + "\n"


def _add_run_and_configuration(trail: _ProvBuilder, document: Document, export: str) -> None:
    """Add what led from the request to the panels: the run, and the configuration with its revision."""
    run, configuration = document.resolution.run, document.resolution.configuration
    if run is not None:
        entity = trail.add_element(
            "entity",
            f"run-{_encode_name(run.experiment)}-{run.run}",
            calreg__experiment=run.experiment,
            calreg__run=run.run,
            calreg__begin=run.begin,
            calreg__end=run.end,
        )
        trail.add_relation("used", activity=export, entity=entity)
        if run.registered is not None:
            trail.add_relation("wasGeneratedBy", entity=entity, activity=_add_revision(trail, run.registered))
    if configuration is not None:
        entity = trail.add_element(
            "entity",
            f"configuration-{_encode_name(configuration.experiment)}-{_encode_name(configuration.source)}-{configuration.first_run}",
            calreg__experiment=configuration.experiment,
            calreg__source=configuration.source,
            calreg__first_run=configuration.first_run,
            calreg__last_run=configuration.last_run,
            calreg__detector_id=document.resolution.detector_id,
        )
        trail.add_relation("used", activity=export, entity=entity)
        trail.add_relation(
            "wasGeneratedBy", entity=entity, activity=_add_revision(trail, configuration.registered)
        )


def _add_revision(trail: _ProvBuilder, reference: RevisionReference) -> str:
    """Add a revision and its author; return the revision."""
    author = trail.add_element(
        "agent",
        f"person-{_encode_name(reference.author)}",
        prov__type=_qualified_type("prov:Person"),
        prov__label=reference.author,
    )
    revision = trail.add_element(
        "activity",
        f"revision-{reference.revision}",
        prov__startTime=reference.recorded_at,
        prov__endTime=reference.recorded_at,
        calreg__comment=reference.comment,
    )
    trail.add_relation("wasAssociatedWith", activity=revision, agent=author)
    return revision


def _add_output(trail: _ProvBuilder, output: Output, export: str, person: str) -> str:
    entity = trail.add_element(
        "entity",
        f"output-{output.type}",
        prov__label=output.path,
        calreg__type=output.type,
        calreg__sha256=output.sha256,
        calreg__shape=", ".join(map(str, output.shape)),
        calreg__dtype=output.dtype,
        calreg__unit=output.unit,
    )
    trail.add_relation("wasGeneratedBy", entity=entity, activity=export)
    trail.add_relation("wasAttributedTo", entity=entity, agent=person)
    return entity


def _add_constants(trail: _ProvBuilder, panel: str, alias: str | None, constants: InputConstants) -> str:
    """Add a version, the revision that registered it, its constants and their files; return the version."""
    version = trail.add_element(
        "entity",
        f"version-{constants.version}",
        calreg__panel=panel,
        calreg__alias=alias,
        calreg__kind=constants.kind,
        calreg__valid_from=constants.valid_from or "beginning",
        calreg__valid_to=constants.valid_to,
        calreg__comment=constants.comment,
        calreg__source_path=constants.source_path,
    )
    content = trail.add_element(
        "entity", f"constants-{constants.constants}", prov__type=_qualified_type("prov:Collection")
    )
    trail.add_relation("wasGeneratedBy", entity=version, activity=_add_revision(trail, constants.registered))
    trail.add_relation("wasDerivedFrom", generatedEntity=version, usedEntity=content)
    if constants.carried_from is not None:
        origin = trail.add_element("entity", f"version-{constants.carried_from}")
        trail.add_relation("wasDerivedFrom", generatedEntity=version, usedEntity=origin)
    if constants.conversion is not None:
        made = constants.conversion
        original = trail.add_element(
            "entity",
            f"file-{made.sha256}",
            prov__label=made.file,
            calreg__sha256=made.sha256,
            calreg__size=made.size,
            calreg__dtype=made.dtype,
        )
        trail.add_relation("wasDerivedFrom", generatedEntity=content, usedEntity=original)
    for file in constants.files:
        seen = file.statistics
        member = trail.add_element(
            "entity",
            f"file-{file.sha256}",
            calreg__sha256=file.sha256,
            calreg__size=file.size,
            calreg__minimum=seen.minimum,
            calreg__median=seen.median,
            calreg__maximum=seen.maximum,
            calreg__zeros=seen.zeros,
            calreg__nonfinite=seen.nonfinite,
        )
        trail.add_relation("hadMember", collection=content, entity=member)
    return version


def _qualified_type(name: str) -> dict[str, str]:
    return {"$": name, "type": "prov:QUALIFIED_NAME"}


def _encode_name(text: str) -> str:
    """Return the text as a local name: letters and digits as they are, the rest as hexadecimal."""
    return "".join(char if char.isascii() and char.isalnum() else f"_{ord(char):x}_" for char in text)
