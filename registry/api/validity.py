"""Validity ranges, or the versions valid at an instant: for the panels of a name, or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from registry import detectors
from registry.api.backend import Backend, InstantLike
from registry.errors import NotFoundError, NotValidError, RequestError
from registry.instants import Instant
from registry.lookup import validity, versions
from registry.lookup.revisions import AsOf, AsOfRef
from registry.lookup.targets import is_pattern, parse_target
from registry.records import Validity


@dataclass(frozen=True, slots=True)
class _Question:
    """The rest of a request: these kinds, at this instant or over all times, as of a revision."""

    kinds: Sequence[str] | None
    instant: Instant | None
    source: str | None
    as_of: AsOfRef


def find_validity(
    backend: Backend,
    target: str | Sequence[str],
    kinds: Sequence[str] | None,
    at: InstantLike | None,
    source: str | None,
    as_of: AsOf,
) -> Validity:
    """Return the validity ranges of targets, or what is valid at an instant; see `Registry.validity`."""
    reading = None if at is None else backend.read_instant(at, as_of=as_of)
    instant = None if reading is None else reading.instant
    question = _Question(kinds, instant, source, as_of)
    names = [target] if isinstance(target, str) else list(target)
    if len(names) == 1 and not is_pattern(names[0]):
        answer = _answer(backend, names[0], question)
    else:
        answer = _answer_all(backend, names, question)
    notes = () if reading is None else reading.describe()
    return replace(answer, notes=(*answer.notes, *notes))


def _answer_all(backend: Backend, names: Sequence[str], question: _Question) -> Validity:
    """Return the answers of all names as of one revision; refuse with all that is refused of them."""
    from registry.lookup.name_lists import expand_names

    if not names:
        raise RequestError("no panel is named")
    with backend.read_transaction(question.as_of) as view:
        expanded, revision = expand_names(view.connection, names, view.revision), view.pinned
    pinned = _Question(question.kinds, question.instant, question.source, revision)
    answers, refusals = [], []
    for name in expanded:
        try:
            answers.append(_answer(backend, name, pinned))
        except (NotFoundError, NotValidError) as error:
            refusals.append(error)
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        sentences = [sentence for error in refusals for sentence in error.details or (error.message,)]
        is_unknown = any(isinstance(error, NotFoundError) for error in refusals)
        refusal = NotFoundError if is_unknown else NotValidError
        raise refusal.combine("answers are missing", sentences)
    by_number = {version.version: version for answer in answers for version in answer.versions}
    return Validity(
        versions=tuple(by_number.values()),
        without=tuple(sentence for answer in answers for sentence in answer.without),
        instant=question.instant,
        notes=tuple(note for answer in answers for note in answer.notes),
    )


def _answer(backend: Backend, target: str, question: _Question) -> Validity:
    parsed = parse_target(target)
    if parsed.identifiers and question.source is None:
        names, instant = parsed.identifiers, question.instant
        quick = (
            _read_ranges(backend, names, question)
            if instant is None
            else _read_valid(backend, names, instant, question)
        )
        if quick is not None:
            return quick
    return _answer_fully(backend, parsed.name, question)


def _read_ranges(backend: Backend, names: Sequence[str], question: _Question) -> Validity | None:
    """Return all ranges, with one query; None where a panel has none."""
    wanted = check_kinds(names[0], question.kinds) if question.kinds else None
    reference = backend.read_as_of(question.as_of)
    with backend.database.autocommit_read() as connection:
        ranges = versions.list_validity_ranges(connection, names, wanted, reference)
    return Validity(tuple(ranges)) if {version.panel for version in ranges} == set(names) else None


def _read_valid(
    backend: Backend, names: Sequence[str], instant: Instant, question: _Question
) -> Validity | None:
    """Return what is valid, with one statement; None where something is missing."""
    wanted = check_kinds(names[0], question.kinds)
    reference = backend.read_as_of(question.as_of)
    with backend.database.autocommit_read() as connection:
        valid = validity.versions_at(connection, names, wanted, instant, reference)
    if len(valid) < len(names) * len(wanted) or any(version.constants is None for version in valid.values()):
        return None
    return Validity(tuple(valid[name, kind] for name in names for kind in wanted), instant=instant)


def _answer_fully(backend: Backend, name: str, question: _Question) -> Validity:
    """Return what `_answer` does for any name; refuse with all that is missing.

    Under an M-number that is only where no panel is complete.
    """
    with backend.read_transaction(question.as_of) as view:
        target = view.find_target(name, question.instant, question.source)
        names = [panel.panel for panel in target.panels]
        instant = target.find_instant(question.instant)
        if instant is None:
            wanted = check_kinds(names[0], question.kinds) if question.kinds else None
            ranges = versions.list_validity_ranges(view.connection, names, wanted, view.revision)
            return Validity(tuple(ranges))
        wanted = check_kinds(names[0], question.kinds)
        valid = validity.versions_at(view.connection, names, wanted, instant, view.revision)
        missing = validity.describe_missing(
            view.connection, target.panels, wanted, instant, valid, view.revision
        )
    if target.category != "alias" or len(missing) == len(names):
        validity.refuse_missing(missing)
    begin = target.run.begin if target.run else None
    return Validity(
        versions=tuple(valid[name, kind] for name in names if name not in missing for kind in wanted),
        without=tuple(sentence for sentences in missing.values() for sentence in sentences),
        instant=instant,
        notes=(f"{target.name} started at {begin}",) if begin is not None and begin == instant else (),
    )


def check_kinds(panel: str, kinds: Sequence[str] | None) -> list[str]:
    """Return the kinds, by default the required ones; refuse those that a panel of this type cannot have."""
    detector = detectors.find_panel_type(panel)
    return [detector.find_kind(kind).name for kind in dict.fromkeys(kinds or detector.required_kinds)]
