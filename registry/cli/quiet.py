"""``-q``: a verb prints only what is wrong, warnings and errors; for jobs that nobody watches.

Every verb has it, because it is added to all of them here, and takes its answer from the standard output as a whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.core import TyperOption

_is_quiet = False


def is_quiet() -> bool:
    """Tell whether only what is wrong is to be printed."""
    return _is_quiet


def add_quiet(command: Any) -> Any:
    """Add the option to the verb, or to every verb of the noun; return it."""
    verbs = getattr(command, "commands", None)
    if verbs is not None:
        for verb in verbs.values():
            add_quiet(verb)
    else:
        command.params.append(
            TyperOption(
                param_decls=["-q", "--quiet"],
                is_flag=True,
                default=False,
                expose_value=False,
                is_eager=True,
                callback=_begin_quiet,
                help="Print only what is wrong: warnings and errors.",
            )
        )
    return command


def _begin_quiet(ctx: Any, _option: Any, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:  # as completion parses
        ctx.with_resource(_discard_answer())


@contextmanager
def _discard_answer() -> Iterator[None]:
    """Print no answer and no notes, until the verb ends."""
    global _is_quiet
    answer = sys.stdout
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout, _is_quiet = nowhere, True
        try:
            yield
        finally:
            sys.stdout, _is_quiet = answer, False
