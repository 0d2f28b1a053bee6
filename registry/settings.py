"""Where the registry is: the database's URL and the store's folder, from options, environment or default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from registry.errors import RequestError
from registry.secrets import mask_passwords

_SQLITE_PREFIX = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Settings:
    """The two places that make a registry. ``database`` may hold a password: never show it unmasked."""

    database: str
    store: Path

    def __repr__(self) -> str:
        return f"Settings(database={mask_passwords(self.database)!r}, store={str(self.store)!r})"


def find_settings(database: str | None = None, store: str | Path | None = None) -> Settings:
    """Return the settings: what is given, else ``CALREG_DATABASE`` and ``CALREG_STORE``, else the default.

    The default is a SQLite file in the user's data directory, and for a SQLite file a folder ``store``
    beside it.

    Raises
    ------
    RequestError
        The URL is neither SQLite's nor PostgreSQL's, or PostgreSQL's without a store, or a place begins
        with the home folder of an unknown user or has a NUL in it.
    """
    url = database or os.environ.get("CALREG_DATABASE") or _default_database()
    file = sqlite_file(url)
    folder = store or os.environ.get("CALREG_STORE") or _default_store(file)
    return Settings(url, _make_absolute(Path(folder)))


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for PostgreSQL's.

    Raises
    ------
    RequestError
        The URL is neither, or names no file, or one below the home folder of an unknown user.
    """
    if url.startswith(("postgresql://", "postgresql+psycopg://")):
        return None
    path = url.removeprefix(_SQLITE_PREFIX)
    if path == url or not path or path == ":memory:" or "?" in path or "\0" in path:
        raise RequestError(
            f"{mask_passwords(url)!r} is not a database that calreg can use;"
            " write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
    return _make_absolute(Path(path))


def mask_database_url(url: str) -> str:
    """Return the URL of a database as others can read it later: a file with its whole path, no password."""
    file = sqlite_file(url)
    return mask_passwords(url) if file is None else f"{_SQLITE_PREFIX}{file}"


def _make_absolute(path: Path) -> Path:
    if "\0" in str(path):
        raise RequestError(f"{str(path)!r} is not a place: no name has a NUL in it")
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise RequestError(f"{str(path)!r} begins with the home folder of nobody known") from None


def _default_store(file: Path | None) -> Path:
    if file is None:
        raise RequestError("with PostgreSQL the store must be given: set CALREG_STORE or --store to a folder")
    return file.parent / "store"


def _default_database() -> str:
    import platformdirs

    return f"{_SQLITE_PREFIX}{platformdirs.user_data_path('calreg') / 'registry.sqlite'}"
