"""Configuration files: ``calreg.toml`` of a user, and the one beside a registry with defaults for all who use it.

A file beside a registry may be another person's: it names no other registry, and no program that would be started.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.errors import RequestError
from registry.files import decode_text, read_bounded
from registry.identifiers import quote, suggestion
from registry.secrets import mask_url
from registry.sizes import parse_size

FILE_NAME = "calreg.toml"
FORMATS = ("table", "csv", "json")

_TYPES: dict[str, type] = {
    "database": str,
    "store": str,
    "timezone": str,
    "local": bool,
    "format": str,
    "pager": str,
    "cache": str,
    "cache_limit": str,
}
_USERS_ONLY = {
    "database": "only a user's own configuration names a registry",
    "store": "only a user's own configuration names a registry",
    "pager": "it names a program, which only a user's own configuration may",
    "cache": "it names a folder of the user, which only a user's own configuration may",
    "cache_limit": "it is that of a folder of the user, which only a user's own configuration may set",
}
_PLATFORM = str(sys.platform)
_MAX_SIZE = 1 << 20
_TYPE_NAMES = {str: "a text in quotation marks", bool: "true or false"}
_VALUE_NAMES = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}

Value = str | bool


@dataclass(frozen=True, slots=True)
class Default:
    """The value of a setting that no option and no environment gives, and the file that has it."""

    value: Value
    file: Path

    def __repr__(self) -> str:
        shown = mask_url(self.value) if isinstance(self.value, str) and "//" in self.value else self.value
        return f"Default(value={shown!r}, file={str(self.file)!r})"


def user_file() -> Path | None:
    """Return the path of the user's configuration, which need not exist; None for a user without a home folder."""
    if _PLATFORM.startswith("linux"):  # as platformdirs finds it, whose import would delay a look-up
        folder = os.environ.get("XDG_CONFIG_HOME", "").strip() or os.path.expanduser("~/.config")  # noqa: PTH111 - Path.expanduser raises without a home
        path = Path(folder, "calreg", FILE_NAME)
        return path if path.is_absolute() else None
    import platformdirs

    try:
        folder_path = platformdirs.user_config_path("calreg")
    except RuntimeError:
        return None
    return folder_path / FILE_NAME if folder_path.is_absolute() else None


def read_user_defaults() -> dict[str, Default]:
    """Return what the user's configuration has, by the names of the settings."""
    path = user_file()
    return {} if path is None else read_defaults(path, {})


def read_folder_defaults(folder: Path) -> dict[str, Default]:
    """Return what the configuration beside a registry has; nothing where it is the user's own."""
    path = folder / FILE_NAME
    users = user_file()
    if users is not None and _is_same(path, users):
        return {}
    return read_defaults(path, _USERS_ONLY)


def read_defaults(path: Path, refused: Mapping[str, str]) -> dict[str, Default]:
    """Return what a configuration file has; nothing where there is none.

    Parameters
    ----------
    refused
        The settings that this file may not have, and why.

    Raises
    ------
    RequestError
        The file is not TOML, or has a setting that is not known, of the wrong type, or refused here.
    UnavailableError
        The file cannot be read.
    """
    if not _exists(path):
        return {}
    import tomllib

    content = read_bounded(path, _MAX_SIZE, "a configuration file")
    try:
        settings = tomllib.loads(decode_text(content))
    except UnicodeDecodeError:
        raise RequestError(
            f"{str(path)!r} is not a configuration file: it is not UTF-8", file=str(path)
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RequestError(f"{str(path)!r} is not TOML: {_describe(error)}", file=str(path)) from None
    return {name: Default(_check(name, value, path, refused), path) for name, value in settings.items()}


def _describe(error: Exception) -> str:
    """Return where a text is not TOML: Python's message may repeat a part of it, and a part of a password."""
    text = str(error)
    place = text[text.rfind("(") + 1 : text.rfind(")")] if "(at " in text else ""
    return f"something is wrong {place}" if place else "it is nested too deeply"


def _check(name: str, value: object, path: Path, refused: Mapping[str, str]) -> Value:
    """Return the value of a setting; raise `RequestError` where it cannot be meant."""
    expected = _TYPES.get(name)
    if expected is None:
        raise _refuse(path, name, f"is not a setting{suggestion(name, _TYPES)}")
    if name in refused:
        raise _refuse(path, name, f"cannot stand in a file beside a registry: {refused[name]}")
    if not isinstance(value, expected) or not isinstance(value, str | bool):
        what = next((words for kind, words in _VALUE_NAMES.items() if isinstance(value, kind)), "a text")
        raise _refuse(path, name, f"must be {_TYPE_NAMES[expected]}, not {what}")
    if value == "" and name != "pager":
        raise _refuse(path, name, "is empty; leave it out instead")
    if name == "format" and value not in FORMATS:
        raise _refuse(path, name, f"must be one of {', '.join(FORMATS)}")
    if name == "cache_limit" and parse_size(str(value)) is None:
        raise _refuse(path, name, "must be a size, as in 20 GB")
    return _check_location(name, value, path) if isinstance(value, str) else value


def _check_location(name: str, value: str, path: Path) -> str:
    """Return a value; a path of it must lead from the root or the home, and not from where somebody works."""
    file = value.removeprefix("sqlite:///") if name == "database" else value
    is_path = (
        (name == "store" and not value.startswith("s3://"))
        or (name == "database" and file != value)
        or (name == "cache" and value != "off")
    )
    if is_path and not file.startswith(("/", "~")) and not Path(file).is_absolute():
        raise _refuse(path, name, "must lead from the root, as in /data/calreg, or from ~")
    return value


def _refuse(path: Path, name: str, what: str) -> RequestError:
    # A word that cannot be a setting may be a part of a URL with a password.
    shown = name if name.replace("_", "").replace("-", "").isalnum() else "a word"
    return RequestError(f"{quote(shown)} in {str(path)!r} {what}", file=str(path), setting=shown)


def _exists(path: Path) -> bool:
    """Tell whether there is such a file; in a folder that this user may not enter, there is none for this user."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return False
    except OSError:
        return True  # and reading it says what is wrong
    return True


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False
