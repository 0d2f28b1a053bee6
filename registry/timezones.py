"""Time zones by their IANA names, the same on every machine."""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from registry.errors import InstantError, UnavailableError
from registry.identifiers import find_near, quote

# Of these `localtime` is the zone of the machine, and "right" counts leap seconds.
_LOCAL_NAMES = {"Factory", "localtime", "posixrules"}
_LOCAL_FOLDERS = ("posix/", "right/")


def find_zone(name: str) -> tzinfo:
    """Return the time zone of that IANA name, as in ``America/Los_Angeles``; raise `InstantError` for other names."""
    if name == "UTC":
        return UTC
    if name in _LOCAL_NAMES or name.startswith(_LOCAL_FOLDERS):
        raise InstantError(
            f"{quote(name)} is not the same time zone on every machine; a name like America/Los_Angeles is expected",
            timezone=name,
        )
    # Where file names have no case, the system finds "utc" and "america/los_angeles"; elsewhere it does not.
    if name in list_zone_names():
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # listed, and yet no file of it is there
            pass
    raise InstantError(
        f"{quote(name)} is not a time zone; a name like {_suggest_name(name)} is expected", timezone=name
    )


def find_recorded_zone(name: str) -> tzinfo:
    """Return the time zone that a registry has recorded; raise `UnavailableError` where this machine lacks it."""
    try:
        return find_zone(name)
    except InstantError:
        raise UnavailableError(
            f"the registry's time zone {quote(name)} is not known on this machine, so no time without its offset can"
            " be read: install a newer tzdata, or write times with their offset",
            timezone=name,
        ) from None


@cache
def list_zone_names() -> frozenset[str]:
    """Return the names of all zones that mean the same on every machine."""
    from importlib.resources import files

    try:
        names = files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    except (ImportError, OSError):  # some systems distribute the zones without Python's package
        from zoneinfo import available_timezones

        names = list(available_timezones())
    return frozenset(names) - _LOCAL_NAMES


def _suggest_name(name: str) -> str:
    """Return the known name that is most like this one."""
    by_case = {known.casefold(): known for known in sorted(list_zone_names())}
    near = find_near(name.casefold(), by_case)
    return by_case[near[0]] if near else "America/Los_Angeles"
