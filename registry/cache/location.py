"""The place of the cache and its limit, as the environment or the user's file says, or by default.

By default it is on the machine's own disk: a folder in the user's cache folder, or, where that lies on a file system of
a network as home folders do, in the folder for temporary files. A folder in memory (/dev/shm) would count against the
memory of a job and stay until the machine is started again; the pages of a file on a disk are given back by themselves.
"""

from __future__ import annotations

import os
from pathlib import Path

from registry.cache.folder import CacheFolder
from registry.configuration import read_user_defaults
from registry.errors import RequestError
from registry.files import make_absolute
from registry.identifiers import quote
from registry.permissions import may
from registry.settings import Setting, make_setting, network_file_system
from registry.sizes import parse_size

OFF = "off"
"""The word that switches the cache off."""

_FOLDER_VARIABLE = "CALREG_CACHE"
_LIMIT_VARIABLE = "CALREG_CACHE_LIMIT"


def find_cache() -> CacheFolder | None:
    """Return the cache of this user on this machine, None where it is switched off.

    Raises
    ------
    RequestError
        The folder is not a path, the limit not a size, or the user's file is wrong.
    """
    folder, limit = list_cache_settings()
    if folder.value == OFF:
        return None
    return CacheFolder(Path(folder.value), _read_limit(limit))


def _read_limit(setting: Setting) -> int | None:
    limit = parse_size(setting.value) if setting.value else None
    if setting.value and limit is None:
        raise RequestError(
            f"{quote(setting.value)} in {setting.where} is not a size;"
            " write a number of bytes, 500 MB, 20 GB or 10 GiB"
        )
    return limit


def list_cache_settings() -> tuple[Setting, Setting]:
    """Return the folder of the cache, or `OFF`, and its limit (empty by default), each with its origin."""
    folder = _choose("cache", _FOLDER_VARIABLE)
    if folder.origin == "default":
        folder = folder._replace(value=str(find_default_folder()))
    elif folder.value.lower() == OFF:
        folder = folder._replace(value=OFF)
    else:
        folder = folder._replace(value=str(make_absolute(Path(folder.value))))
    return folder, _choose("cache_limit", _LIMIT_VARIABLE)


def find_default_folder() -> Path:
    """Return the folder of the cache where nobody says another one."""
    home = Path(os.environ.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache"))  # noqa: PTH111 - Path.expanduser raises without a home
    existing = next(filter(os.path.isdir, (home / "calreg", home, home.parent)), None)
    is_usable = home.is_absolute() and existing is not None and may(existing, os.W_OK | os.X_OK)
    if existing is not None and is_usable and network_file_system(existing) is None:
        return home / "calreg"
    # Not `tempfile.gettempdir`, which writes a file to find out, and raises where the disk is full.
    return Path(os.environ.get("TMPDIR", "").strip() or "/tmp").absolute() / f"calreg-{os.geteuid()}"  # noqa: S108 - the folder is looked at


def _choose(name: str, variable: str) -> Setting:
    if value := os.environ.get(variable):
        return Setting(name, value, "environment", variable)
    default = read_user_defaults().get(name)
    return Setting(name, "", "default", None) if default is None else make_setting(name, default)
