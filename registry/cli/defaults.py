"""The defaults of the options, from the configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry.configuration import Default

_KEY = "calreg.defaults"


def find_default(ctx: Any, name: str) -> Default | None:
    """Return the default of a setting for this command, None where no file has it."""
    return _read(ctx).get(name)


def _read(ctx: Any) -> dict[str, Default]:
    """Return all defaults; the files are read once for a command."""
    if _KEY not in ctx.meta:
        from registry.settings import find_defaults  # not needed by the help of a verb

        location = ctx.find_root().params
        ctx.meta[_KEY] = find_defaults(location.get("database"), location.get("store"))
    known: dict[str, Default] = ctx.meta[_KEY]
    return known
