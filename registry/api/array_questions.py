"""Questions of what compares and draws constants: which versions and files they are made from.

The pixels are read from the store, wherever it is; see `questions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import Struct
from msgspec.structs import replace as replace_struct

from registry import detectors
from registry.api.backend import Backend, ReadTransaction
from registry.errors import NotFoundError, NotValidError, RequestError
from registry.instants import Instant
from registry.lookup.detector_names import list_detector_names
from registry.lookup.resolution import ArrayRequest, resolve, resolve_version
from registry.lookup.revisions import AsOf, AsOfRef
from registry.lookup.versions import find_version
from registry.provenance.document import Resolution
from registry.records import Version

_ResolutionError = NotFoundError | NotValidError


class VersionConstants(Struct, frozen=True):
    """A version, and the resolution of its files, as of a revision."""

    revision: int
    version: Version
    resolution: Resolution


class VersionPair(Struct, frozen=True):
    """The resolutions of two versions that can be compared, as of a revision."""

    revision: int
    before: Resolution
    after: Resolution


class ResolvedDetector(Struct, frozen=True):
    """The resolution of a detector, as of a revision."""

    revision: int
    resolution: Resolution
    warnings: tuple[str, ...]


class ResolvedSides(Struct, frozen=True):
    """The resolutions of a request as of two revisions, or the sentence that refuses one of them.

    Attributes
    ----------
    optional
        Those of every optional kind that is complete as of at least one of the revisions; without panels where it is
        not.
    """

    revisions: tuple[int, int]
    before: Resolution | None
    after: Resolution | None
    refused_before: str | None
    refused_after: str | None
    optional: tuple[tuple[Resolution, Resolution], ...]


def resolve_version_constants(backend: Backend, version: int, *, as_of: AsOfRef = None) -> VersionConstants:
    """Return a version with the resolution of its files; refuse a gap."""
    with backend.read_transaction(as_of) as view:
        record = find_version(view.connection, version, view.revision)
        resolution = resolve_version(view.connection, record, view.revision)
        return VersionConstants(view.revision, record, resolution)


def resolve_version_pair(backend: Backend, before: int, after: int, *, as_of: AsOfRef = None) -> VersionPair:
    """Return the resolutions of two versions; refuse gaps, and versions of different kinds or detector types."""
    with backend.read_transaction(as_of) as view:
        pair = [find_version(view.connection, number, view.revision) for number in (before, after)]
        old, new = (resolve_version(view.connection, version, view.revision) for version in pair)
        revision = view.revision
    kinds = ("kind", pair[0].kind, pair[1].kind)
    for what, first, second in (kinds, ("detector type", old.detector_type, new.detector_type)):
        if first != second:
            raise RequestError(
                f"version {before} is of {what} {first}, version {after} of {second}: they cannot be compared",
                before=before,
                after=after,
            )
    return VersionPair(revision, old, new)


def resolve_detector(
    backend: Backend,
    target: str,
    *,
    source: str | None = None,
    at: Instant | None = None,
    types: Sequence[str] | None = None,
    as_of: AsOfRef = None,
) -> ResolvedDetector:
    """Return the versions and files from which the arrays of a detector are made."""
    with backend.read_transaction(as_of) as view:
        request = ArrayRequest(target, source, at, tuple(types or ()))
        answer = resolve(view.connection, request, view.revision)
        return ResolvedDetector(view.revision, answer.resolution, answer.warnings)


def is_detector_name(backend: Backend, name: str, *, as_of: AsOfRef = None) -> bool:
    """Tell whether a detector has this short name."""
    with backend.read_transaction(as_of) as view:
        return any(known.name == name for known in list_detector_names(view.connection, view.revision))


def resolve_sides(
    backend: Backend,
    target: str,
    before: AsOf,
    *,
    source: str | None = None,
    at: Instant | None = None,
    as_of: AsOf = None,
) -> ResolvedSides:
    """Return the resolutions of a detector as of two revisions; refuse what is refused as of both."""
    request = ArrayRequest(target, source, at)
    with backend.read_transaction() as view:
        numbers = (view.find_revision_number(before), view.find_revision_number(as_of))
        (old, old_error), (new, new_error) = (_try_resolve(view, request, number) for number in numbers)
        known = old or new
        optional = _resolve_optional_kinds(view, request, numbers, known) if known else []
    if old_error is not None and new_error is not None:
        raise _both_refused_error(target, numbers, (old_error, new_error))
    return ResolvedSides(
        numbers,
        old,
        new,
        None if old_error is None else str(old_error),
        None if new_error is None else str(new_error),
        tuple(optional),
    )


def _resolve_optional_kinds(
    view: ReadTransaction, request: ArrayRequest, numbers: Sequence[int], known: Resolution
) -> list[tuple[Resolution, Resolution]]:
    """Return both resolutions of every optional kind that is complete as of at least one revision."""
    nothing = replace_struct(known, panels=())
    pairs = []
    for kind in detectors.find_detector_type(known.detector_type).kinds:
        if not kind.required:
            of_kind = replace(request, types=(kind.calibration_type,))
            old, new = (_try_resolve(view, of_kind, number)[0] for number in numbers)
            if old or new:
                pairs.append((old or nothing, new or nothing))
    return pairs


def _try_resolve(
    view: ReadTransaction, request: ArrayRequest, revision: int
) -> tuple[Resolution | None, _ResolutionError | None]:
    try:
        return resolve(view.connection, request, revision).resolution, None
    except (NotFoundError, NotValidError) as error:
        return None, error


def _both_refused_error(
    target: str, numbers: Sequence[int], errors: Sequence[_ResolutionError]
) -> _ResolutionError:
    """Return the error for a request that fails as of both revisions; not known precedes not valid."""
    error_class = (
        NotFoundError if any(isinstance(error, NotFoundError) for error in errors) else NotValidError
    )
    reasons = list(dict.fromkeys(map(str, errors)))
    return error_class(
        f"{target} is refused as of both revisions: {'; '.join(reasons)}",
        before=numbers[0],
        after=numbers[1],
        reasons=reasons,
    )
