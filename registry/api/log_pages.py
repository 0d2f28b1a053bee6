"""The log of a registry, and the changes of one revision, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from registry.api.backend import Backend, InstantLike, ReadTransaction
from registry.api.pages import iterate_pages, parse_upper_end, refuse_invalid_limit
from registry.errors import RequestError
from registry.identifiers import parse_experiment, quote
from registry.instants import Instant
from registry.lookup import changes, log
from registry.lookup.experiments import refuse_unknown_experiment
from registry.lookup.fact_lines import Subject
from registry.lookup.log import LogScope
from registry.lookup.name_lists import expand_names
from registry.lookup.panels import read_panel_keys
from registry.lookup.revisions import AsOf, AsOfRef, RevisionRef, find_revision_number
from registry.records import Revision


@dataclass(frozen=True, slots=True)
class LogRequest:
    """The revisions that are asked for: see `Registry.log`."""

    names: Sequence[str] = ()
    experiment: str | None = None
    author: str | None = None
    since: InstantLike | None = None
    until: InstantLike | None = None
    after: AsOf = None
    as_of: AsOfRef = None


def iterate_log(
    backend: Backend, request: LogRequest, before: int | None, limit: int | None, max_changes: int | None
) -> Iterator[Revision]:
    """Yield the revisions, the newest first; see `Registry.log`."""
    refuse_invalid_limit(limit)
    refuse_invalid_limit(max_changes)
    upper_end = parse_upper_end(before)
    if request.author is not None and not request.author.isprintable():  # databases refuse some of these
        raise RequestError(f"{quote(request.author)} is not the name of an author", author=request.author)
    since, until = _read_times(backend, request)
    ends: list[int] = []  # the numbers after and below which the log is, which words may not move

    def read_page(view: ReadTransaction, last: Revision | None, count: int) -> tuple[list[Revision], bool]:
        if not ends:
            ends.append(_find_lower_end(view, request, since))
            ends.append(min(upper_end, _find_upper_end(view, until)))
        after, below = ends
        scope = LogScope(_find_subject(view, request), request.author, after)
        return log.list_revisions(
            view.connection, below if last is None else last.revision, count, scope, max_changes
        )

    return iterate_pages(backend, request.as_of, limit, read_page)


def iterate_changes(backend: Backend, revision: AsOf, request: LogRequest) -> Iterator[str]:
    """Yield the lines of one revision; see `Registry.iterate_changes`."""

    def read_page(
        view: ReadTransaction, last: changes.PositionedLine | None, count: int
    ) -> tuple[list[changes.PositionedLine], bool]:
        after = changes.START if last is None else last[0]
        subject = _find_subject(view, request)
        number = view.find_revision_number(revision)
        page = changes.read_changes_page(view.connection, number, subject, after, count)
        return page, len(page) == count

    return (line for _, line in iterate_pages(backend, request.as_of, None, read_page))


def _read_times(backend: Backend, request: LogRequest) -> tuple[Instant | None, Instant | None]:
    since, until = (
        backend.parse_optional_instant(at, request.as_of) for at in (request.since, request.until)
    )
    if since is not None and until is not None and since > until:
        raise RequestError(f"a log since {since} until {until} has no time in it", since=since, until=until)
    return since, until


def _find_lower_end(view: ReadTransaction, request: LogRequest, since: Instant | None) -> int:
    """Return the number of the last revision before the log."""
    ends = [0]
    if request.after is not None:
        ends.append(view.find_revision_number(request.after))
        if ends[-1] > view.revision:
            raise RequestError(
                f"revision {ends[-1]} is later than revision {view.revision}",
                after=ends[-1],
                as_of=view.revision,
            )
    if since is not None:
        ends.append(_find_last_revision(view, Instant(since - 1)))
    return max(ends)


def _find_upper_end(view: ReadTransaction, until: Instant | None) -> int:
    """Return the number of the first revision behind the log."""
    last = view.revision if until is None else min(view.revision, _find_last_revision(view, until))
    return last + 1


def _find_last_revision(view: ReadTransaction, instant: Instant) -> int:
    reference: AsOfRef = RevisionRef("instant", instant)
    return find_revision_number(view.connection, reference)


def _find_subject(view: ReadTransaction, request: LogRequest) -> Subject:
    """Return the panels of all names, see `ReadTransaction.find_panels_ever_named`, and the experiment."""
    keys = None
    if request.names:
        names = expand_names(view.connection, request.names, view.revision)
        panels = {panel.panel for name in names for panel in view.find_panels_ever_named(name)}
        keys = tuple(sorted(read_panel_keys(view.connection, sorted(panels)).values()))
    experiment = None if request.experiment is None else parse_experiment(request.experiment)
    if experiment is not None:
        refuse_unknown_experiment(view.connection, experiment, view.revision)
    return Subject(keys, experiment)
