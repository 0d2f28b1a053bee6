"""The log of a registry, and the changes of one revision; and tags, the names of revisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from registry.api.backend import Backend, Noun, ReadTransaction
from registry.api.pages import iterate_pages, parse_upper_end, refuse_invalid_limit
from registry.errors import RequestError
from registry.lookup import changes, log
from registry.lookup.panels import read_panel_keys
from registry.lookup.revisions import AsOf, find_revision_number
from registry.lookup.tags import list_tags
from registry.records import Outcome, Revision, Tag

if TYPE_CHECKING:
    from registry.database.change import Change


def iterate_log(
    backend: Backend,
    target: str | None,
    as_of: AsOf,
    before: int | None,
    limit: int | None,
    max_changes: int | None,
) -> Iterator[Revision]:
    """Yield the revisions, the newest first; see `Registry.log`."""
    refuse_invalid_limit(limit)
    refuse_invalid_limit(max_changes)
    upper_end = parse_upper_end(before)

    def read_page(view: ReadTransaction, last: Revision | None, count: int) -> tuple[list[Revision], bool]:
        below = min(upper_end, view.revision + 1) if last is None else last.revision
        panels = _read_panel_keys(view, target)
        return log.list_revisions(view.connection, below, count, panels, max_changes)

    return iterate_pages(backend, as_of, limit, read_page)


def iterate_changes(backend: Backend, revision: AsOf, target: str | None, as_of: AsOf) -> Iterator[str]:
    """Yield the lines of one revision; see `Registry.iterate_changes`."""

    def read_page(
        view: ReadTransaction, last: changes.PositionedLine | None, count: int
    ) -> tuple[list[changes.PositionedLine], bool]:
        after = changes.START if last is None else last[0]
        panels = _read_panel_keys(view, target)
        number = view.find_revision_number(revision)
        page = changes.read_changes_page(view.connection, number, panels, after, count)
        return page, len(page) == count

    return (line for _, line in iterate_pages(backend, as_of, None, read_page))


def _read_panel_keys(view: ReadTransaction, target: str | None) -> list[int] | None:
    """Return the keys of the panels of a name, see `ReadTransaction.find_panels_ever_named`; None for no name."""
    if target is None:
        return None
    names = [panel.panel for panel in view.find_panels_ever_named(target)]
    return sorted(read_panel_keys(view.connection, names).values())


class Tags(Noun):
    """``registry.tags``: name revisions."""

    def list(self, *, as_of: AsOf = None) -> list[Tag]:
        """Return the tags in the order of the revisions that they name."""
        with self._backend.read_transaction(as_of) as view:
            return list_tags(view.connection, view.revision)

    def add(
        self, name: str, *, as_of: AsOf = None, comment: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Name a revision, by default the newest one; no change where the same person has done just that.

        Raises
        ------
        RequestError
            The name looks like a number or a time, or nothing is recorded yet.
        ConflictError
            The name is taken: a tag never moves.
        """
        from registry.registration.tags import add_tag

        def record(change: Change) -> None:
            reference = self._backend.read_as_of(as_of, change.connection)
            number = find_revision_number(change.connection, reference)
            if number == 0:
                known = f"at {reference.value}" if reference.by == "instant" else "yet"
                raise RequestError(f"nothing is recorded {known}: no revision can be named", tag=name)
            add_tag(change, name, number, is_newest=as_of is None)

        return self._backend.record_revision(record, comment, dry_run=dry_run)
