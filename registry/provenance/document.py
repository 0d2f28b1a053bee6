"""The provenance document: what was asked, what answered, from which bytes, and what was written.

The exporters work from its `Resolution` alone, so an export and its replay are the same code on the same
values. Instants are ISO 8601 texts in UTC; None stands for the beginning (``valid_from``) and for still
valid (``valid_to``). Paths are relative to the document: names beside it, or in a folder beside it.

A copy of the document stands inside an export where the format has room for one. There a file cannot have its own
checksum: its outputs have no path, and size and SHA-256 of the payload (C order, little-endian).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from registry.records.display import clip, render_rows
from registry.records.facts import Conversion, Count, Sha256, Size, Statistics

FORMAT = "calreg provenance"
FORMAT_VERSION = 1
FILE_NAME = "provenance.json"

RelativePath = Annotated[
    str, Meta(pattern=r"\A([A-Za-z0-9_][A-Za-z0-9_.-]{0,100}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\Z")
]


class _StrictStruct(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the document: immutable, and strict about what it takes."""


class Request(_StrictStruct, frozen=True):
    """What was asked: ``target`` is a dataset or a detector Id, ``at`` and ``as_of`` as they were given."""

    target: str
    source: str | None
    at: str | None
    as_of: str | None
    types: tuple[str, ...]
    format: str


class RevisionReference(_StrictStruct, frozen=True):
    """A revision: number, instant, author and comment."""

    revision: Count
    recorded_at: str
    author: str
    comment: str | None


class InputFile(_StrictStruct, frozen=True):
    """One stored file: a panel's array of one gain range."""

    gain_range: Count
    sha256: Sha256
    size: Size
    statistics: Statistics


class InputConstants(_StrictStruct, frozen=True, omit_defaults=True):
    """The constants of one kind that answered for one panel, and the version that says so."""

    kind: str
    version: int
    valid_from: str | None
    valid_to: str | None
    constants: Sha256
    registered: RevisionReference
    comment: str | None
    carried_from: int | None
    source_path: str | None
    nonfinite_allowed: bool
    files: tuple[InputFile, ...]
    conversion: Conversion | None = None  # not in the document where there was none


class InputPanel(_StrictStruct, frozen=True):
    """One panel at its place in the detector."""

    position: Count
    panel: str
    alias: str | None
    constants: tuple[InputConstants, ...]


class InputRun(_StrictStruct, frozen=True):
    """The run: ``begin`` is what was known of it, whatever instant was used."""

    experiment: str
    run: int
    begin: str | None
    end: str | None
    registered: RevisionReference | None


class InputConfiguration(_StrictStruct, frozen=True):
    """The configuration that named the panels."""

    experiment: str
    source: str
    first_run: int
    last_run: int | None
    registered: RevisionReference


class Resolution(_StrictStruct, frozen=True):
    """What the registry answered: everything that an export is made from.

    ``instant_is`` says where the instant comes from: ``begin of the run`` or ``request``.
    """

    detector_type: str
    detector_id: str
    instant: str
    instant_is: str
    run: InputRun | None
    configuration: InputConfiguration | None
    types: tuple[str, ...]
    panels: tuple[InputPanel, ...]


class Output(_StrictStruct, frozen=True):
    """One written array; ``path`` and ``sha256`` are None where it was handed out in memory.

    The axes are (gain range, panel, row, column).
    """

    type: str
    kind: str
    unit: str
    shape: tuple[Count, Count, Count, Count]
    dtype: str
    path: RelativePath | None
    sha256: Sha256 | None
    size: Size | None


class Companion(_StrictStruct, frozen=True):
    """A file that some formats put beside the arrays."""

    path: RelativePath
    sha256: Sha256
    size: Size


class Deployment(_StrictStruct, frozen=True):
    """The runs of a source for which the files say they are good; ``last_run`` None: all from the first on."""

    source: str
    first_run: Count
    last_run: Count | None

    @property
    def runs(self) -> str:
        """The range as names of files have it: ``631-end``."""
        return f"{self.first_run}-{'end' if self.last_run is None else self.last_run}"


class RegistryReference(_StrictStruct, frozen=True):
    """Which registry answered, and as of which revision."""

    id: str
    revision: Count
    recorded_at: str | None


class Creator(_StrictStruct, frozen=True):
    """Who made the export, where and how; ``folder`` is the one from which the command was given."""

    author: str
    host: str
    command: str
    folder: str | None = None


class Document(_StrictStruct, frozen=True, omit_defaults=True):
    """The whole document. Without outputs it is the draft from which a format makes them."""

    format: Literal["calreg provenance"]
    format_version: Literal[1]
    created_at: str
    created_by: Creator
    software: dict[str, str]
    registry: RegistryReference
    request: Request
    resolution: Resolution
    outputs: tuple[Output, ...]
    warnings: tuple[str, ...]
    companions: tuple[Companion, ...] = ()
    deployment: Deployment | None = None

    def __repr__(self) -> str:
        return f"<Document: {self._summary()}, of registry {clip(self.registry.id)}>"

    def _summary(self) -> str:
        answered = self.resolution
        panels = f"{len(answered.panels)} panel{'' if len(answered.panels) == 1 else 's'}"
        what = f"{clip(', '.join(answered.types))} of {clip(self.request.target)}"
        return f"{what} at {clip(answered.instant)}, {panels}, revision {self.registry.revision}"

    def _repr_html_(self) -> str:
        return render_rows(
            self._summary(),
            ("segment", "panel", "alias", "kind", "version", "valid from", "until", "constants", "comment"),
            [
                (
                    panel.position,
                    panel.panel,
                    panel.alias,
                    each.kind,
                    each.version,
                    each.valid_from or "beginning",
                    each.valid_to or "still valid",
                    each.constants[:8],
                    each.comment,
                )
                for panel in self.resolution.panels
                for each in panel.constants
            ],
        )


class DocumentHeader(Struct, frozen=True):
    """What is read first, to tell a document of another format from a damaged one."""

    format: str
    format_version: int
