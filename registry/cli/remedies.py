"""How the command line words a remedy: by its own options and verbs."""

from __future__ import annotations

from registry.errors import RegistryError, Remedy

_WORDS = {
    Remedy.GIVE_COMMENT: "give --comment",
}
"""By remedy, a text in which the error's values can be named in braces."""


def format_error(error: RegistryError) -> str:
    """Return the error's message, followed by what to type about it."""
    if error.remedy is None:
        return error.message
    return f"{error.message}; {_WORDS[error.remedy].format_map(error.values)}"
