"""Lists of names, and patterns of names, and the panels that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from registry.errors import NotFoundError
from registry.identifiers import quote, suggestion
from registry.lookup.aliases import list_aliases
from registry.lookup.panels import list_panels
from registry.lookup.targets import find_target, is_pattern, parse_target
from registry.records import Alias, Panel
from registry.sql import sa


def expand_names(connection: sa.Connection, names: Sequence[str], revision: int) -> list[str]:
    """Return the names, each once, with patterns replaced by the names that they fit.

    A pattern fits M-numbers, and the Ids of panels that bear none of these. One that fits nothing is refused, and
    names that cannot be, before anything is looked up.
    """
    for name in names:
        if not is_pattern(name):
            parse_target(name)
    if not any(map(is_pattern, names)):
        return list(dict.fromkeys(names))
    aliases = list_aliases(connection, revision)
    panels = [panel.panel for panel in list_panels(connection, revision)]
    return list(
        dict.fromkeys(
            expanded
            for name in names
            for expanded in (_fit_names(name, aliases, panels) if is_pattern(name) else [name])
        )
    )


def _fit_names(pattern: str, aliases: Sequence[Alias], panels: Sequence[str]) -> list[str]:
    upper = f"M{pattern[1:]}" if pattern.startswith("m") else pattern
    m_numbers = sorted({alias.alias for alias in aliases if fnmatchcase(alias.alias, upper)})
    covered = {alias.panel for alias in aliases if alias.alias in m_numbers}
    fitting = [
        *m_numbers,
        *(panel for panel in panels if panel not in covered and fnmatchcase(panel, pattern)),
    ]
    if not fitting:
        known = {alias.alias for alias in aliases} | set(panels)
        raise NotFoundError(
            f"the pattern {quote(pattern)} fits no M-number and no panel Id{suggestion('', known)}",
            pattern=pattern,
        )
    return fitting


def find_panels_of_names(connection: sa.Connection, names: Sequence[str], revision: int) -> tuple[Panel, ...]:
    """Return the panels that names stand for, each once, in the order of the names; refuse all unknown ones."""
    panels: dict[str, Panel] = {}
    unknown: list[NotFoundError] = []
    for name in expand_names(connection, names, revision):
        try:
            target = find_target(connection, name, revision)
        except NotFoundError as error:
            unknown.append(error)
        else:
            panels |= {panel.panel: panel for panel in target.panels}
    if len(unknown) == 1:
        raise unknown[0]
    if unknown:
        raise NotFoundError.combine("names are not known", [str(error) for error in unknown])
    return tuple(panels.values())
