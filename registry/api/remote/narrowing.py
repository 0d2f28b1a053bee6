"""A kept answer about all kinds, narrowed to those that are asked for: by the rules by which the registry answers.

Only what follows from the answer itself is taken of it. Where the registry would have had to look further, as for the
reason why something is missing, nothing is returned.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from registry.api.validity import check_kinds
from registry.records import Validity


def narrow_validity(whole: Validity, kinds: Sequence[str]) -> Validity | None:
    """Return the part of an answer about one target that has these kinds; None where it does not suffice.

    Raises
    ------
    RequestError
        Panels of this type have no such kind.
    """
    panels = tuple(dict.fromkeys(version.panel for version in whole.versions))
    if not panels or whole.without:
        return None
    wanted = check_kinds(panels[0], kinds)
    versions = [version for version in whole.versions if version.kind in wanted]
    if {(version.panel, version.kind) for version in versions} != {
        (panel, kind) for panel in panels for kind in wanted
    }:
        return None
    if whole.instant is not None:  # the registry goes by panels, and by kinds as they were named
        places = {panel: place for place, panel in enumerate(panels)}
        versions.sort(key=lambda version: (places[version.panel], wanted.index(version.kind)))
    return replace(whole, versions=tuple(versions))
