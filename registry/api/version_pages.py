"""Lists of versions, read page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from registry.api.backend import Backend, ReadTransaction
from registry.api.pages import PAGE_SIZE, iterate_pages, parse_upper_end, refuse_invalid_limit
from registry.lookup.panels import read_panel_keys
from registry.lookup.revisions import AsOfRef, read_newest_revision
from registry.lookup.version_pages import list_newest_versions, list_versions_after
from registry.lookup.versions import find_version
from registry.records import Version


def iterate_versions(
    backend: Backend,
    panel: str | Sequence[str] | None,
    as_of: AsOfRef,
    before: int | None,
    limit: int | None,
    *,
    withdrawn: bool,
) -> Iterator[Version]:
    """Yield versions by panel, kind and start; with `before` or `limit` the newest first. See `Versions.list`."""
    refuse_invalid_limit(limit)
    upper_end = parse_upper_end(before)
    newest_first = before is not None or limit is not None

    def read_page(view: ReadTransaction, last: Version | None, count: int) -> tuple[list[Version], bool]:
        connection = view.connection
        panels = None if panel is None else _read_panel_keys(view, panel)
        # The newest revision is answered by indexes of its own.
        revision = None if view.revision == read_newest_revision(connection) else view.revision
        if newest_first:
            below = upper_end if last is None else last.version
            page = list_newest_versions(connection, panels, revision, below, count, withdrawn=withdrawn)
        else:
            after = None if last is None else last.version
            page = list_versions_after(connection, panels, revision, after, count, withdrawn=withdrawn)
        return page, len(page) == count

    return iterate_pages(backend, as_of, limit, read_page)


def read_versions_after(
    backend: Backend,
    panel: str | Sequence[str] | None,
    as_of: AsOfRef,
    after: int | None,
    limit: int | None,
    *,
    withdrawn: bool,
) -> list[Version]:
    """Return one page of versions by panel, kind and start: those that follow a version, None for the first ones.

    Raises
    ------
    NotFoundError
        The version is not known.
    RequestError
        It is of another panel.
    """
    refuse_invalid_limit(limit)
    with backend.read_transaction(as_of) as view:
        panels = None if panel is None else _read_panel_keys(view, panel)
        revision = None if view.revision == read_newest_revision(view.connection) else view.revision
        count = PAGE_SIZE if limit is None else min(limit, PAGE_SIZE)
        if after is not None:
            find_version(view.connection, after, view.revision)
        return list_versions_after(view.connection, panels, revision, after, count, withdrawn=withdrawn)


def _read_panel_keys(view: ReadTransaction, target: str | Sequence[str]) -> list[int]:
    """Return the keys of the panels of a name or of several, in their order."""
    names = [panel.panel for panel in view.find_panels(target)]
    keys = read_panel_keys(view.connection, names)
    return [keys[name] for name in names]
