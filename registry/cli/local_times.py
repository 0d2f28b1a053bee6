"""``--local``: a person reads times in the registry's zone, with their offsets; JSON and CSV stay in UTC.

Everything below writes instants in UTC with Z. They are rewritten here alone, at the last step, wherever a line is
printed: in answers, notes, warnings and refusals. What is rewritten can be pasted back, because its offset is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Any

from typer.core import TyperOption

from registry.cli.defaults import find_default

# Not within a word or a path: the name of a file stays what it is.
_INSTANT = re.compile(
    r"(?<![\w/.:-])[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z(?![\w/-]|[.:]\w)",
    re.ASCII,
)


class _State:
    """The wish of a person for local times, and their zone as soon as it is known."""

    is_wanted = False
    zone: tzinfo | None = None


def add_local(command: Any) -> Any:
    """Add ``--local`` to the verb; return it."""
    command.params.append(
        TyperOption(
            param_decls=["--local/--no-local"],
            is_flag=True,
            default=None,
            expose_value=False,
            is_eager=True,
            callback=_begin_local,
            help="Print times in the registry's time zone, not in UTC; JSON and CSV stay in UTC.",
        )
    )
    return command


def _begin_local(ctx: Any, _option: Any, wanted: bool | None) -> None:
    if ctx.resilient_parsing:  # as completion parses
        return
    if wanted is None:
        default = find_default(ctx, "local")
        wanted = default is not None and default.value is True
    if wanted:
        ctx.find_root().with_resource(_print_local_times())  # a refusal is printed after the verb has ended


@contextmanager
def _print_local_times() -> Iterator[None]:
    _State.is_wanted = True
    try:
        yield
    finally:
        _State.is_wanted, _State.zone = False, None


def has_local_times() -> bool:
    """Tell whether the zone of the registry is needed."""
    return _State.is_wanted


def use_zone(zone: tzinfo) -> None:
    """Print times in this zone from now on, if local times are wanted."""
    _State.zone = zone


def keep_utc() -> None:
    """Print times in UTC: the answer is JSON or CSV."""
    _State.is_wanted, _State.zone = False, None


def rewrite(text: str) -> str:
    """Return a line with its instants in the local zone, if a person wants them."""
    return text if _State.zone is None else _INSTANT.sub(_localise, text)


def _localise(match: re.Match[str]) -> str:
    try:
        moment = datetime.fromisoformat(match[0]).astimezone(_State.zone)
    except (ValueError, OverflowError):  # the first and the last day of the calendar
        return match[0]
    offset = moment.utcoffset()
    if not offset or offset.total_seconds() % 60:  # that of UTC; that of a town before there were zones
        return match[0]
    return moment.isoformat()
