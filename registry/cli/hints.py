"""What to do next, where an answer is empty or all has only begun: said to a person at a terminal, not to a script."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sized

from registry.cli import output
from registry.identifiers import suggestion

_FIRST_STEPS = (
    "calreg import TREE takes a legacy directory of links; calreg panel add PANEL_ID one panel; and calreg demo DIR"
    " shows all of it on sample data"
)
_NEXT_STEPS = {
    "init": f"to go on: {_FIRST_STEPS}",
    "init again": "this registry was there already, and keeps all that it holds",
    "log": f"nothing is recorded yet; {_FIRST_STEPS}",
    "panel list": f"no panel is recorded yet; {_FIRST_STEPS}",
    "alias list": "no panel bears an M-number yet; calreg alias add M_NUMBER PANEL_ID says that one does",
    "version list": "no version is registered yet; calreg version add PANEL DIR --valid-from T takes a panel's files",
    "validity": "calreg version add PANEL DIR --valid-from T takes a panel's files",
    "run list": (
        "no run is registered yet; calreg run import FILE takes a table of datasets, or a logbook's list, and calreg"
        " run add DATASET --begin T one run"
    ),
    "detector list": (
        "no detector is configured yet; calreg run import FILE takes a table of datasets, and calreg detector"
        " configure EXPERIMENT SOURCE DETECTOR_ID --first-run N one detector"
    ),
    "tag list": "no revision has a name yet; calreg tag add NAME names the newest",
}


def print_next_step(verb: str) -> None:
    """Say what can follow this verb, or its empty answer."""
    if is_interactive():
        output.print_notes(notes=[_NEXT_STEPS[verb]])


def hint_if_empty(found: Sized, verb: str, *, as_of: str | None = None) -> None:
    """Say what would fill an empty answer; not of an earlier revision, which nothing can fill any more."""
    if not found and as_of is None:
        print_next_step(verb)


def note_unknown_experiment(experiment: str, known: Iterable[str]) -> None:
    """Say that nothing of an experiment is recorded, and of which near ones something is: to scripts too."""
    output.print_notes(
        notes=[f"nothing of experiment {experiment} is recorded{suggestion(experiment, known)}"]
    )


def is_interactive() -> bool:
    """Tell whether a person reads what is said beside the answer."""
    return sys.stderr.isatty()
