"""How the command line words a remedy: by its own options and verbs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry.errors import RegistryError, Remedy


def _configure_detector(
    *, experiment: str, first_run: int, source: str = "SOURCE", last_run: int | None = None, **_: Any
) -> str:
    last = "" if last_run is None else f" --last-run {last_run}"
    return (
        f"calreg detector configure {experiment} {source} --first-run {first_run}{last} DETECTOR_ID"
        " says which panels answered"
    )


WORDS: dict[Remedy, str | Callable[..., str]] = {
    Remedy.CONFIGURE_DETECTOR: _configure_detector,
    Remedy.GIVE_COMMENT: "give --comment",
    Remedy.GIVE_INSTANT: "give --at",
    Remedy.RECORD_START_TIME: "give --at, or calreg run add {dataset} --begin T",
}
"""By remedy a text, in which the error's values can be named in braces, or a function of these values."""


def format_error(error: RegistryError) -> str:
    """Return the error's message, followed by what to type about it."""
    if error.remedy is None:
        return error.message
    words = WORDS[error.remedy]
    advice = words.format_map(error.values) if isinstance(words, str) else words(**error.values)
    return f"{error.message}; {advice}"
