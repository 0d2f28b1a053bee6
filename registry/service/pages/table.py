"""The table of pages: their paths, the templates that show them, and what these show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry.service.pages import listings, questions, things
from registry.service.pages.visits import Values, Visit


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes
    ----------
    path
        Names in braces are parameters; the last one may have slashes in it.
    template
        The name of its template, without ``.html``.
    look_up
        Returns what the template shows.
    parameters
        Those of its query.
    is_lasting
        True where the page of a revision is the same for ever; False where it also tells what is valid now or
        yesterday, what is wrong, or of exports, which do not belong to revisions.
    find
        Returns the path of the page to which this one leads at once; None where it is shown itself.
    """

    path: str
    template: str
    look_up: Callable[[Visit], Values]
    parameters: tuple[str, ...] = ()
    is_lasting: bool = True
    find: Callable[[Visit], str | None] | None = None

    @property
    def section(self) -> str:
        """The first word of its path, as of the menu."""
        return self.path.partition("/")[0]


PAGES = (
    Page("", "home", listings.show_home, is_lasting=False),
    Page("panels", "panels", listings.show_panels, ("skip",)),
    Page("panels/{name}", "panel", things.show_panels, is_lasting=False),
    Page("detectors", "detectors", listings.show_detectors, ("experiment", "skip")),
    Page("detectors/{name}", "detector", things.show_detector, is_lasting=False),
    Page("runs", "runs", listings.show_runs, ("experiment", "skip")),
    Page("runs/{name}", "run", things.show_run, ("source",), is_lasting=False),
    Page("versions", "versions", listings.show_versions, ("panel", "withdrawn", "before")),
    Page("versions/{number}", "version", things.show_version),
    Page("log", "log", listings.show_log, ("target", "before")),
    Page("log/{number}", "revision", things.show_revision),
    Page("exports/{number}", "export", things.show_export, is_lasting=False),
    Page("tags", "tags", listings.show_tags),
    Page("validity", "validity", questions.show_validity, ("target", "at", "kind"), is_lasting=False),
    Page("changes", "changes", questions.show_changes, ("since",), is_lasting=False),
    Page("search", "search", questions.search, ("q",), is_lasting=False, find=questions.find_page),
)

MENU = (
    ("panels", "Panels"),
    ("detectors", "Detectors"),
    ("runs", "Runs"),
    ("versions", "Versions"),
    ("log", "Log"),
    ("changes", "Changes"),
    ("tags", "Tags"),
    ("validity", "What holds"),
)
"""The pages to which every page leads, with their names."""
