"""The layouts by the names that users give."""

from __future__ import annotations

from typing import cast

from registry.errors import RequestError
from registry.identifiers import quote
from registry.importers.layouts import dcs, documents, lcls1_darks, lcls2, psana
from registry.importers.layouts.contents import Layout

LAYOUTS: dict[str, Layout] = {
    "lcls2": cast("Layout", lcls2),
    "lcls1-darks": cast("Layout", lcls1_darks),
    "psana": cast("Layout", psana),
    "lcls2-arrays": cast("Layout", documents),
    "cdb": cast("Layout", documents),
    "dcs": cast("Layout", dcs),
}


def find_layout(name: str, experiment: str | None) -> Layout:
    """Return the layout of a name; refuse another name, and an experiment where none is needed or none is given."""
    if name not in LAYOUTS:
        raise RequestError(f"{quote(name)} is not a layout; known: {', '.join(LAYOUTS)}", layout=name)
    layout = LAYOUTS[name]
    if layout.NEEDS_EXPERIMENT and experiment is None:
        raise RequestError(
            f"the files of the layout {name} tell their runs and not the experiment, which must be given",
            layout=name,
        )
    if experiment is not None and not layout.NEEDS_EXPERIMENT:
        raise RequestError(f"the names in the layout {name} say of which experiment they are", layout=name)
    return layout
