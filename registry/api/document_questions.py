"""Questions of a provenance document: whether its registry is this one, and answers the same; see `questions`.

The document stays with who asks: its values and digests are sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct

from registry.api.backend import Backend, ReadTransaction
from registry.api.document_history import find_history_problem, refuse_other_registry
from registry.api.mirror_refusals import refuse_mirror
from registry.errors import RegistryError
from registry.identifiers import parse_sha256
from registry.instants import is_stamp, parse_instant
from registry.lookup.deployments import count_former_warnings, deployment_warnings
from registry.lookup.resolution import ArrayRequest, resolve
from registry.lookup.revisions import AsOf, AsOfRef, find_revision_number
from registry.lookup.stored_files import list_exports_with_file
from registry.provenance.document import Deployment, RegistryReference, Resolution


class DocumentAnswer(Struct, frozen=True):
    """The answer of the registry to the request of a document, as of the document's revision.

    Attributes
    ----------
    foreign
        Why that revision is not in this history; None where it is.
    is_known
        Whether there is a revision of that number, as of which the rest is.
    refused
        Why the request is refused; None where it is answered.
    is_same
        Whether the resolution has the digest of the document's.
    warnings, former_warnings
        How many warnings the answer has, and how many more the software gave before.
    named
        The revision that the request names, 0 where that name is not known; None where it names none.
    """

    foreign: str | None
    is_known: bool = False
    refused: str | None = None
    is_same: bool = False
    warnings: int = 0
    former_warnings: int = 0
    recorded_at: str | None = None
    named: int | None = None


def refuse_other_document(backend: Backend, registry: str, revision: int, *, as_of: AsOfRef = None) -> None:
    """Refuse the document of another registry, unless its revision is of the history that a fork has in common."""
    with backend.read_transaction(as_of) as view:
        reference = RegistryReference(registry, revision, None)
        refuse_other_registry(view.connection, reference, backend.database.registry_id)


def compare_document(
    backend: Backend,
    target: str,
    registry: str,
    revision: int,
    digest: str,
    *,
    seal: str | None = None,
    source: str | None = None,
    at: str | None = None,
    types: Sequence[str] | None = None,
    named: str | None = None,
    precedes_segments: bool = False,
    deployed: str | None = None,
    first_run: int | None = None,
    last_run: int | None = None,
    as_of: AsOfRef = None,
) -> DocumentAnswer:
    """Return what is answered to the request of a document, with the digest of its resolution."""
    reference = RegistryReference(registry, revision, None, UNSET if seal is None else seal)
    deployment = None if deployed is None else Deployment(deployed, first_run or 0, last_run)
    with backend.read_transaction(as_of) as view:
        connection = view.connection
        foreign = find_history_problem(connection, reference, view.revision)
        if revision > view.revision:
            return DocumentAnswer(foreign)
        try:
            instant = None if at is None else parse_instant(at, backend.find_timezone)
            request = ArrayRequest(target, source, instant, tuple(types or ()))
            answer = resolve(connection, request, revision)
            count, former = len(answer.warnings), 0
            if deployment is not None:
                of_files = connection, answer.resolution, deployment, revision
                count += len(deployment_warnings(*of_files))
                former = count_former_warnings(*of_files)
        except RegistryError as error:
            return DocumentAnswer(foreign, is_known=True, refused=str(error))
        return DocumentAnswer(
            foreign,
            is_known=True,
            is_same=digest_resolution(answer.resolution, precedes_segments=precedes_segments) == digest,
            warnings=count,
            former_warnings=former,
            recorded_at=answer.recorded_at,
            named=None if named is None else _find_requested_revision(view, named),
        )


def digest_resolution(resolution: Resolution, *, precedes_segments: bool) -> str:
    """Return the SHA-256 of a resolution as JSON, of a document from before segment numbers without them."""
    shown = resolution.without_segments() if precedes_segments else resolution
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()


def _find_requested_revision(view: ReadTransaction, as_of: str) -> int | None:
    """Return the revision that the request names, 0 where that name is not known; None for a stamp.

    Documents of the first releases can hold a stamp, and do not tell the time zone in which it was read.
    """
    if is_stamp(as_of):
        return None
    try:
        return find_revision_number(view.connection, as_of)  # strictly: a document names no yesterday
    except RegistryError:
        return 0


def is_export_recorded(backend: Backend, sha256: str, *, as_of: AsOf = None) -> bool:
    """Tell whether an export is recorded that wrote a file with this checksum."""
    parse_sha256(sha256)
    with backend.read_transaction(as_of) as view:
        is_recorded = bool(list_exports_with_file(view.connection, sha256))
    if not is_recorded:
        refuse_mirror(backend, "this question")
    return is_recorded
