"""The options of every verb, ``--local`` and ``-q``; and of those that list or are read, a format and a pager."""

from __future__ import annotations

from typing import Any

from registry.cli.examples import add_examples
from registry.cli.formats import add_format
from registry.cli.local_times import add_local
from registry.cli.pager import add_pager
from registry.cli.quiet import add_quiet


def add_shared_options(command: Any, words: str) -> Any:
    """Add the shared options to the verb, or to every verb of the noun; return it."""
    verbs = getattr(command, "commands", None)
    if verbs is not None:
        for name, verb in verbs.items():
            add_shared_options(verb, f"{words} {name}")
        return command
    add_examples(command, words)
    add_format(command, words)
    if words != "demo":  # which has no registry yet
        add_local(command)
    return add_quiet(add_pager(command, words))
