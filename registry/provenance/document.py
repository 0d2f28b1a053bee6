"""The provenance document: the request, the answer, the files that it came from, and the files that were written.

The exporters work from its `Resolution` alone, so an export and its replay run the same code on the same
values. Instants are ISO 8601 texts in UTC; None is the beginning (``valid_from``) or still valid (``valid_to``).
Paths are relative to the document: names beside it, or in a folder beside it.

Some formats have a copy of the document inside their file, which cannot contain the checksum of that file: there an
output has no path, and the size and the SHA-256 of its payload (C order, little-endian).

Format 2 quotes the seal of the revision, by which the document is held against the registry's history. Documents of
format 1, from before there were seals, are read and replayed as they are.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from registry.heads import Head, Seal, shorten_seal
from registry.identifiers import format_count
from registry.records.display import clip, render_rows
from registry.records.facts import Conversion, Count, Sha256, Size, Statistics

FORMAT = "calreg provenance"
FORMAT_VERSION: Literal[2] = 2
KNOWN_VERSIONS = (1, FORMAT_VERSION)
FILE_NAME = "provenance.json"
_HEADINGS = ("segment", "panel", "alias", "kind", "version", "valid from", "until", "constants", "comment")

RelativePath = Annotated[
    str, Meta(pattern=r"\A([A-Za-z0-9_][A-Za-z0-9_.-]{0,100}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\Z")
]


class _StrictStruct(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the document: immutable, and decoded without unknown fields."""


class Request(_StrictStruct, frozen=True, omit_defaults=True):
    """The request: ``target`` is a dataset or a detector Id; instants in ``at`` and ``as_of`` have their offset.

    ``panels`` are the panel Ids that were asked for, omitted for the whole detector, as in every document of files.
    """

    target: str
    source: str | None
    at: str | None
    as_of: str | None
    types: tuple[str, ...]
    format: str
    panels: tuple[str, ...] = ()


class RevisionReference(_StrictStruct, frozen=True):
    """A revision that recorded something."""

    revision: Count
    recorded_at: str
    author: str
    comment: str | None


class InputFile(_StrictStruct, frozen=True):
    """A stored file: a panel's array of one gain range."""

    gain_range: Count
    sha256: Sha256
    size: Size
    statistics: Statistics


class InputConstants(_StrictStruct, frozen=True, omit_defaults=True):
    """A panel's constants of one kind, and the version that makes them valid."""

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
    conversion: Conversion | None = None  # omitted if None
    odd_allowed: bool = False  # omitted if False


class InputPanel(_StrictStruct, frozen=True):
    """A panel, its position in the detector Id, and its segment number.

    ``segment`` is None if the number is not known, and not set in documents from before there were any.
    """

    position: Count
    panel: str
    alias: str | None
    constants: tuple[InputConstants, ...]
    segment: Count | UnsetType | None = UNSET

    @property
    def segment_label(self) -> str:
        """The segment number, ``?`` if it is not known."""
        return str(self.segment) if isinstance(self.segment, int) else "?"


class InputRun(_StrictStruct, frozen=True):
    """The run; ``begin`` is its registered start time, whatever instant was used."""

    experiment: str
    run: int
    begin: str | None
    end: str | None
    registered: RevisionReference | None


class InputConfiguration(_StrictStruct, frozen=True):
    """The configuration that the panels were taken from."""

    experiment: str
    source: str
    first_run: int
    last_run: int | None
    registered: RevisionReference


class Resolution(_StrictStruct, frozen=True):
    """The registry's answer: everything that an export is made from.

    ``instant_is`` tells the source of the instant: ``begin of the run`` or ``request``.
    """

    detector_type: str
    detector_id: str
    instant: str
    instant_is: str
    run: InputRun | None
    configuration: InputConfiguration | None
    types: tuple[str, ...]
    panels: tuple[InputPanel, ...]

    @property
    def segments(self) -> tuple[int, ...] | None:
        """The segment numbers of the panels; None if they are not known."""
        known = tuple(panel.segment for panel in self.panels if isinstance(panel.segment, int))
        return known if len(known) == len(self.panels) else None

    @property
    def precedes_segments(self) -> bool:
        """True if the document is from before there were segment numbers."""
        return all(panel.segment is UNSET for panel in self.panels)

    def without_segments(self) -> Resolution:
        """Return the resolution as a document from before there were segment numbers has it."""
        return replace(self, panels=tuple(replace(panel, segment=UNSET) for panel in self.panels))


class Output(_StrictStruct, frozen=True):
    """An array, of the axes (gain range, panel, row, column); ``path`` and ``sha256`` are None if it is in memory."""

    type: str
    kind: str
    unit: str
    shape: tuple[Count, Count, Count, Count]
    dtype: str
    path: RelativePath | None
    sha256: Sha256 | None
    size: Size | None


class Companion(_StrictStruct, frozen=True):
    """A file that some formats write beside the arrays."""

    path: RelativePath
    sha256: Sha256
    size: Size


class Deployment(_StrictStruct, frozen=True, omit_defaults=True):
    """The runs of a source that the files are named for; ``last_run`` None: all from the first on.

    ``short_name`` is that of the detector in the newer data system; ``experiment`` the one whose the runs are, where
    the request is not of a run. Both are omitted where the files have none.
    """

    source: str
    first_run: Count
    last_run: Count | None
    short_name: str | None = None
    experiment: str | None = None

    @property
    def runs(self) -> str:
        """The range as in the names of the files: ``631-end``."""
        return f"{self.first_run}-{'end' if self.last_run is None else self.last_run}"


class RegistryReference(_StrictStruct, frozen=True):
    """The registry that answered, and its revision with its seal, which documents of format 1 do not have."""

    id: str
    revision: Count
    recorded_at: str | None
    seal: Seal | UnsetType = UNSET

    def __str__(self) -> str:
        seal = f", seal {self.seal}" if self.seal else ""
        return f"registry {self.id}, revision {self.revision}{seal}"

    @property
    def head(self) -> Head | None:
        """The revision with its seal; None in a document of format 1."""
        return Head(self.revision, self.seal) if isinstance(self.seal, str) else None

    @property
    def revision_label(self) -> str:
        """The revision and the beginning of its seal, as a request can quote them."""
        seal = f":{shorten_seal(self.seal)}" if isinstance(self.seal, str) else ""
        return f"revision {self.revision}{seal}"


class Creator(_StrictStruct, frozen=True):
    """The author, host and command of the export; ``folder`` is the working folder of the command."""

    author: str
    host: str
    command: str
    folder: str | None = None


class Document(_StrictStruct, frozen=True, omit_defaults=True):
    """The whole document; without outputs it is the draft from which a format writes them.

    ``layout`` is that of the files, of those that their format has had; omitted for the first.
    """

    format: Literal["calreg provenance"]
    format_version: Literal[1, 2]
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
    layout: Annotated[int, Meta(ge=1)] = 1

    def __post_init__(self) -> None:
        """Refuse a document whose format has a seal and that has none, and the other way round."""
        if (self.format_version == FORMAT_VERSION) is not (self.registry.head is not None):
            has = "needs" if self.registry.head is None else "has no"
            raise ValueError(f"format {self.format_version} {has} `seal` of the revision")

    def __repr__(self) -> str:
        return f"<Document: {self._summary()}, of registry {clip(self.registry.id)}>"

    def _summary(self) -> str:
        answer = self.resolution
        arrays = f"{clip(', '.join(answer.types))} of {clip(self.request.target)}"
        panels = format_count(len(answer.panels), "panel")
        return f"{arrays} at {clip(answer.instant)}, {panels}, {self.registry.revision_label}"

    def _repr_html_(self) -> str:
        rows = [
            (panel.segment_label, panel.panel, panel.alias, *_get_cells(constants))
            for panel in self.resolution.panels
            for constants in panel.constants
        ]
        return render_rows(self._summary(), _HEADINGS, rows)


def _get_cells(constants: InputConstants) -> tuple[object, ...]:
    start, end = constants.valid_from or "beginning", constants.valid_to or "still valid"
    return constants.kind, constants.version, start, end, constants.constants[:8], constants.comment


class DocumentHeader(Struct, frozen=True):
    """The fields that are read first, to tell a document of another format from a damaged one."""

    format: str
    format_version: int
