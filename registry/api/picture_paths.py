"""Words that name constants to draw: names of the registry, and paths of files.

A word with a ``/`` in it is a path. Any other is a name if it has the form of one; the name of a folder or a file in
the working folder is taken for it where it has no such form, ends with ``.bin``, or has only the form of a detector's
short name and no detector bears it. A detector's name that is that of a folder or file, too, is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from registry.authorship import escape_undecodable
from registry.errors import IdentifierError, RequestError
from registry.identifiers import quote
from registry.lookup.targets import parse_target

_MAX_DIGITS = 19  # of a version's number
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME = 100
_MAKER_SUFFIX = ".bin"


def find_stated_path(word: str | int | Path) -> Path | None:
    """Return the path that a word is, whatever is registered; None for a word that may be a name."""
    if isinstance(word, int):
        return None
    if isinstance(word, Path) or "/" in word or os.sep in word:
        return Path(word)
    if is_version_number(word) or not _exists(word):
        return None
    return Path(word) if word.endswith(_MAKER_SUFFIX) or not _has_form_of_name(word) else None


def choose_path(word: str | int | Path, is_known_name: Callable[[str], bool]) -> Path | None:
    """Return the path that a word is, None if it is a name.

    Parameters
    ----------
    is_known_name
        Tells whether a detector bears a short name.

    Raises
    ------
    RequestError
        It is both the name of a detector and that of a folder or file.
    """
    path = find_stated_path(word)
    if path is not None or not isinstance(word, str) or is_version_number(word) or not _exists(word):
        return path
    if parse_target(word).category != "name":
        return None
    if is_known_name(word):
        raise RequestError(
            f"{quote(word)} is the name of a detector and of a file or folder: write ./{word} for the latter, and its"
            " panel Ids for the former",
            name=word,
        )
    return Path(word)


def is_version_number(word: str) -> bool:
    """Tell whether a word is the number of a version."""
    return word.isascii() and word.isdecimal() and len(word) <= _MAX_DIGITS


def name_path(path: Path) -> str:
    """Return the last part of a path as a part of a file name."""
    name = _UNSAFE.sub("-", escape_undecodable(path.name or path.absolute().name))[:_MAX_NAME]
    return name.removesuffix(_MAKER_SUFFIX).strip("-.") or "files"


def refuse_options_of_detectors(what: str, **options: object) -> None:
    """Refuse options that go with the constants of a detector at a time."""
    options_set = [name for name, value in options.items() if value is not None and value is not False]
    if options_set:
        names = " and ".join(
            {"at": "an instant", "as_of": "a revision", "panels": "maps of each panel"}.get(name, f"a {name}")
            for name in options_set
        )
        raise RequestError(f"{what} is of one panel, and has no time: {names} cannot be given with it")


def _has_form_of_name(word: str) -> bool:
    try:
        parse_target(word)
    except IdentifierError:
        return False
    return True


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # too long, or a NUL in it
        return False
