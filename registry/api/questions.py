"""Questions beside the public methods, which ask them; where the registry is remote, of its service.

`Backend.answer` calls a function of this module, or asks a service for what the function would return. What one
question alone needs is imported by its function.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from msgspec import Struct

from registry.api.backend import Backend
from registry.api.stale_copies import StoreWitness
from registry.database.seals import find_head
from registry.errors import RequestError
from registry.heads import Head
from registry.identifiers import is_dataset
from registry.instants import Instant
from registry.lookup.resolution import ArrayRequest, resolve
from registry.lookup.revisions import AsOfRef
from registry.provenance.document import Deployment, Resolution
from registry.records import Subject, Version

MEMORY = "memory"
"""The format of arrays that are not written."""


class ExportFacts(Struct, frozen=True):
    """The facts that an export is made from.

    Attributes
    ----------
    head
        The revision as of which this is so.
    recorded_at
        The instant of that revision.
    blake3s
        The BLAKE3 of files by their SHA-256, as far as recorded.
    warnings, beside
        Those of the document, and others.
    short_names
        The short names of the newer data system that are recorded, where the format has one: by name whether it is
        that of the detector.
    """

    head: Head
    recorded_at: str
    resolution: Resolution
    deployment: Deployment | None
    blake3s: dict[str, str]
    warnings: tuple[str, ...]
    beside: tuple[str, ...]
    short_names: dict[str, bool] = {}


def find_export_facts(
    backend: Backend,
    target: str,
    *,
    source: str | None = None,
    at: Instant | None = None,
    types: Sequence[str] | None = None,
    format: str = MEMORY,  # noqa: A002 - the name of the option
    first_run: int | None = None,
    last_run: int | None = None,
    panels: Sequence[str] | None = None,
    segments: Sequence[int] | None = None,
    experiment: str | None = None,
    as_of: AsOfRef = None,
) -> ExportFacts:
    """Return what an export is made from; see `Registry.export`."""
    from registry.exporters.formats import find_format  # which no other question needs

    export_format = None if format == MEMORY else find_format(format)
    with_runs = export_format is not None and export_format.HAS_RUN_RANGE
    # With a detector Id the source is only part of the paths of psana's and lcls2's files.
    request = ArrayRequest(
        target,
        source if is_dataset(target) or not with_runs else None,
        at,
        tuple(types or ()),
        panels=None if panels is None and segments is None else (*(panels or ()), *(segments or ())),
    )
    witness = StoreWitness(backend, as_of)
    with backend.read_transaction(as_of) as view:
        head = find_head(view.connection, view.revision)
        answer = resolve(view.connection, request, view.revision)
        warnings = answer.warnings
        deployment: Deployment | None = None
        beside: list[str] = []
        short_names: dict[str, bool] = {}
        if export_format is None or not with_runs:
            _refuse_range_of_runs(format, first_run, last_run)
        else:
            from registry.lookup.deployed_runs import find_deployment

            deployment, beside = find_deployment(
                view.connection,
                answer.resolution,
                source,
                (first_run, last_run),
                view.revision,
                by_segment=export_format.BY_SEGMENT,
                experiment=experiment,
            )
        if export_format is not None and export_format.HAS_SHORT_NAME:
            from registry.lookup.detector_names import list_short_names

            panels_of = [panel.panel for panel in answer.resolution.panels]
            short_names = list_short_names(
                view.connection, answer.resolution.detector_type, panels_of, view.revision
            )
        if deployment is not None:
            from registry.lookup.deployments import deployment_warnings

            warnings += tuple(
                deployment_warnings(view.connection, answer.resolution, deployment, view.revision)
            )
        beside += witness.list_warnings(view.connection)
    return ExportFacts(
        head,
        answer.recorded_at,
        answer.resolution,
        deployment,
        dict(answer.blake3s),
        warnings,
        tuple(beside),
        short_names,
    )


def _refuse_range_of_runs(name: str, first_run: int | None, last_run: int | None) -> None:
    """Refuse a range of runs for a format whose files have none."""
    if first_run is not None or last_run is not None:
        from registry.exporters.formats import list_formats_with_runs

        formats = list_formats_with_runs()
        raise RequestError(
            f"files of the format {name} have no range of runs; those of {' and '.join(formats)} do",
            known=formats,
        )


def show_named(backend: Backend, name: str, *, source: str | None = None, as_of: AsOfRef = None) -> Subject:
    """Return what is known of the thing with a name; files are not shown."""
    from registry.api.showing import show

    return show(backend, name, source, as_of, with_files=False)


def list_versions(
    backend: Backend,
    panel: str | Sequence[str] | None = None,
    *,
    withdrawn: bool = False,
    before: int | None = None,
    after: int | None = None,
    limit: int | None = None,
    as_of: AsOfRef = None,
) -> list[Version]:
    """Return a page of versions: with `after`, or nothing, by panel, kind and start, else the newest first.

    At most `limit`: those that follow the version `after`, 0 for the first ones, or have numbers below `before`.
    """
    from registry.api.version_pages import iterate_versions, read_versions_after

    if after is not None or (before is None and limit is None):
        if before is not None:
            raise RequestError("a page of versions begins after a version, or below one: give one of the two")
        return read_versions_after(backend, panel, as_of, after or None, limit, withdrawn=withdrawn)
    return list(iterate_versions(backend, panel, as_of, before, limit, withdrawn=withdrawn))


def list_changes(
    backend: Backend,
    revision: int,
    *,
    panels: Sequence[str] = (),
    experiment: str | None = None,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOfRef = None,
) -> list[str]:
    """Return lines of one revision, behind the first `skip` of them."""
    from registry.api.log_pages import LogRequest, iterate_changes

    lines = iterate_changes(backend, revision, LogRequest(panels, experiment, as_of=as_of))
    first = skip or 0
    return list(islice(lines, first, None if limit is None else first + limit))
