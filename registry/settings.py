"""The location of the registry: the database's URL and the store's folder, from arguments, environment or default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from registry.configuration import Default, read_folder_defaults, read_user_defaults
from registry.errors import Remedy, RequestError, UnavailableError
from registry.files import make_absolute
from registry.identifiers import quote
from registry.secrets import mask_url
from registry.storage.places import Place, find_parent, parse_place

PIN_VARIABLE, OFFLINE_VARIABLE = "CALREG_PIN", "CALREG_OFFLINE"

_SQLITE_PREFIX = "sqlite:///"
_SERVER_PREFIXES = ("postgresql://", "postgres://", "postgresql+psycopg://")
_MOUNTS = Path("/proc/self/mounts")
_NETWORK_TYPES = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ncpfs|lustre|gpfs|beegfs\w*|ceph|gfs2?|ocfs2|9p|panfs|pvfs2|orangefs"
    r"|fuse\.(sshfs|glusterfs|ceph\S*|s3fs|rclone|cvmfs\w*|gvfsd-fuse|moosefs|juicefs)"
)
# As a person may begin the URL of something else, or mistype one.
_KNOWN_START = re.compile(
    r"(?i:sqlite|postgres(?:ql)?|mysql|mariadb|oracle|mssql|mongodb|duckdb|https?|ftp|s3|gs|file)(?:\+\w+)?:/{0,2}"
)
_OPTIONS = re.compile(r"\?\w+=")  # of SQLAlchemy and SQLite; or the name of a file that is there
_OCTAL_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Settings:
    """The database's URL and the store's place. The URL may hold a password: never show it unmasked."""

    database: str
    store: Place

    def __repr__(self) -> str:
        return f"Settings(database={mask_url(self.database)!r}, store={str(self.store)!r})"


class Setting(NamedTuple):
    """A setting with its origin: option, environment, user's file, registry's file or default; and which of these."""

    name: str
    value: str
    origin: str
    where: str | None


def find_settings(database: str | None = None, store: str | Place | None = None) -> Settings:
    """Return the settings from the arguments, else ``CALREG_DATABASE`` and ``CALREG_STORE``, else the user's file.

    The file is ``calreg.toml`` in the user's configuration folder. Without all of these, the database is a SQLite file
    in the user's data directory; the default store of a SQLite file is the folder ``store`` beside it.

    Raises
    ------
    RequestError
        The URL is neither SQLite's nor PostgreSQL's, or PostgreSQL's without a store, or a path begins
        with the home folder of an unknown user or has a NUL in it, or the user's file is wrong.
    """
    database_setting, store_setting = find_location(database, store)
    return Settings(database_setting.value, parse_place(store_setting.value))


def find_location(database: str | None = None, store: str | Place | None = None) -> tuple[Setting, Setting]:
    """Return the database's URL and the store's folder as `find_settings` does, and where each comes from.

    A store of the user's file belongs to the database of that file, and not to another one.
    """
    url = _choose("database", database, "CALREG_DATABASE")
    if url.origin == "default":
        url = url._replace(value=_default_database())
    file = sqlite_file(url.value)
    is_users = url.origin in ("user's file", "default") or "database" not in read_user_defaults()
    place = _choose("store", store, "CALREG_STORE", is_used=is_users)
    if place.origin == "default":
        place = place._replace(value=str(_default_store(file)))
    return url, place._replace(value=str(parse_place(place.value)))


def _choose(name: str, argument: str | Place | None, variable: str, *, is_used: bool = True) -> Setting:
    """Return a setting with its origin; without a value where it has its default, which may not be needed."""
    if argument:
        return Setting(name, str(argument), "option", None)
    if value := os.environ.get(variable):
        return Setting(name, value, "environment", variable)
    default = read_user_defaults().get(name) if is_used else None
    if default is not None:
        return Setting(name, str(default.value), "user's file", str(default.file))
    return Setting(name, "", "default", None)


def find_defaults(database: str | None = None, store: str | Place | None = None) -> dict[str, Default]:
    """Return the defaults of the two files by setting: the user's go before those beside the registry.

    Where the registry's location is not known there are only the user's.
    """
    users = read_user_defaults()
    folder = _find_folder(database, store)
    return users if folder is None else {**read_folder_defaults(folder), **users}


def _find_folder(database: str | None, store: str | Place | None) -> Path | None:
    """Return the folder that the registry is in: that of the SQLite file, with PostgreSQL the one the store is in."""
    try:
        settings = find_settings(database, store)
        file = sqlite_file(settings.database)
    except (RequestError, UnavailableError):  # where the location is needed, this is refused
        return None
    return find_parent(settings.store) if file is None else file.parent


def find_timezone_name(database: str | None, store: str | Place | None) -> Setting | None:
    """Return the name of the time zone in which times are read, where the environment or a file says it."""
    if value := os.environ.get("CALREG_TIMEZONE"):
        return Setting("timezone", value, "environment", "CALREG_TIMEZONE")
    default = find_defaults(database, store).get("timezone")
    return None if default is None else make_setting("timezone", default)


def make_setting(name: str, default: Default) -> Setting:
    """Return a setting that a file has."""
    value = str(default.value).lower() if isinstance(default.value, bool) else default.value
    origin = "user's file" if read_user_defaults().get(name) == default else "registry's file"
    return Setting(name, value, origin, str(default.file))


def list_settings(database: str | None = None, store: str | Path | None = None) -> list[Setting]:
    """Return all settings with their origins; the time zone is empty where it is the registry's own."""
    defaults = find_defaults(database, store)
    zone = find_timezone_name(database, store) or Setting("timezone", "", "default", None)
    others = [
        make_setting(name, defaults[name]) if name in defaults else Setting(name, value, "default", None)
        for name, value in (("local", "false"), ("format", "table"))
    ]
    if find_service_url(database) is not None:  # which has its store with it
        location = (
            _choose("database", database, "CALREG_DATABASE"),
            _choose("store", store, "CALREG_STORE", is_used=False),
        )
    else:
        location = find_location(database, store)
    sessions = [
        Setting(name, value, "environment", variable)
        for name, variable in (("pin", PIN_VARIABLE), ("offline", OFFLINE_VARIABLE))
        if (value := os.environ.get(variable))
    ]
    return [*location, zone, *others, _find_pager(defaults), *sessions]


def _find_pager(defaults: dict[str, Default]) -> Setting:
    for name in ("CALREG_PAGER", "PAGER"):
        if name == "PAGER" and "pager" in defaults:
            return make_setting("pager", defaults["pager"])
        if name in os.environ:
            return Setting("pager", os.environ[name], "environment", name)
    return Setting("pager", "less", "default", None)


def find_service_url(database: str | None = None) -> str | None:
    """Return the URL of the service through which the registry is read, None where its database is opened.

    It stands where that of a database would, in the user's file, too.
    """
    url = _choose("database", database, "CALREG_DATABASE").value
    return url if is_service_url(url) else None


def find_pin_text() -> str | None:
    """Return the pin that ``CALREG_PIN`` states, None where it is not set."""
    return os.environ.get(PIN_VARIABLE) or None


def refuse_pin(action: str) -> None:
    """Raise `RequestError` where ``CALREG_PIN`` is set, for an action that changes a registry or serves all of it."""
    text = find_pin_text()
    if text is not None:
        raise RequestError(
            f"{PIN_VARIABLE} is {quote(text)}, and a pin is for reading: unset it to {action}", pin=text
        )


def is_offline() -> bool:
    """Tell whether ``CALREG_OFFLINE`` says that no service may be asked; refuse another text than 0 and 1."""
    text = os.environ.get(OFFLINE_VARIABLE, "").strip()
    if text not in {"", "0", "1"}:
        raise RequestError(f"{OFFLINE_VARIABLE} is 1, or 0 and not set, and not {quote(text)}")
    return text == "1"


def is_service_url(url: str) -> bool:
    """Tell whether a URL is that of a service, which answers over HTTP."""
    return url.lower().startswith(("http://", "https://"))


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for PostgreSQL's; raise `RequestError` for any other."""
    if url.startswith(_SERVER_PREFIXES):
        return None
    path = url.removeprefix(_SQLITE_PREFIX)
    if path == url or not path or path == ":memory:" or path.startswith("file:") or "\0" in path:
        # The rest is not repeated: it may be a password.
        start = _KNOWN_START.match(url)
        if is_service_url(url):
            raise RequestError(
                "the URL is that of a service, which answers questions and records nothing: this needs the registry's"
                " database, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
            )
        what = "the text that is given for it" if start is None else f"a URL that begins with {start[0]!r}"
        raise RequestError(
            f"{what} is not a database that calreg can use;"
            " write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
    file = make_absolute(Path(path))
    if _OPTIONS.search(path) and not os.path.lexists(file):
        # They are not repeated: one may be a password.
        raise RequestError(
            "the URL of the database has options after its ?, and calreg takes none for SQLite: write sqlite:///FILE"
        )
    return file


def mask_database_url(url: str) -> str:
    """Return the URL of a database for others to read: a file with its whole path, no password."""
    file = sqlite_file(url)
    return mask_url(url) if file is None else f"{_SQLITE_PREFIX}{file}"


def _default_store(file: Path | None) -> Path:
    if file is None:
        raise RequestError("with PostgreSQL the store must be given", remedy=Remedy.GIVE_STORE)
    return file.parent / "store"


def _default_database() -> str:
    import platformdirs

    try:
        folder = platformdirs.user_data_path("calreg")
    except RuntimeError:
        raise _missing_home_error() from None
    if not folder.is_absolute():  # as of earlier versions of platformdirs
        raise _missing_home_error()
    return f"{_SQLITE_PREFIX}{folder / 'registry.sqlite'}"


def _missing_home_error() -> RequestError:
    return RequestError(
        "this user has no home folder, so the database must be given", remedy=Remedy.NAME_DATABASE
    )


def location_warnings(url: str) -> list[str]:
    """Return a sentence for each risk of a database's location: SQLite's locks may not hold in a network."""
    file = sqlite_file(url)
    file_system = None if file is None else network_file_system(file)
    warning = (
        f"{file} lies on {file_system}, a file system of a network, where SQLite's locks may not hold:"
        " two writers can damage it; use a local disk, or PostgreSQL"
    )
    return [] if file_system is None else [warning]


def network_file_system(file: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the network file system on which the file lies, None where it is local or not known.

    Source: ``/proc/self/mounts`` of Linux, see proc(5); other systems have none.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    path = file.resolve()
    deepest, file_system = -1, ""
    for fields in (line.split(" ") for line in lines):
        if len(fields) < 3:
            continue
        mounted = Path(_OCTAL_ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), fields[1]))
        # The last of several mounts on one folder hides the others.
        if path.is_relative_to(mounted) and len(mounted.parts) >= deepest:
            deepest, file_system = len(mounted.parts), fields[2]
    return file_system if _NETWORK_TYPES.fullmatch(file_system) else None
