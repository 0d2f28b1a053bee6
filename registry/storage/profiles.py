"""Options of the tools of AWS: their variables, and the profile in their two files.

The library reads the variables itself, and roles of containers and machines. It does not read the files, so the keys,
the region and the endpoint of a profile are read here; a profile that names a role, a program or a sign-on instead of
keys is refused.
"""

from __future__ import annotations

import configparser
import os
import re
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from registry.errors import UnavailableError
from registry.identifiers import quote

_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
_OTHER_WAYS = ("role_arn", "credential_process", "sso_session", "sso_start_url")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_VISIBLE = re.compile(r"[!-~]+")
_ENDPOINT = re.compile(
    r"https?://([a-z0-9._-]+|\[(?P<address>[0-9a-f:.]+)\])(:(?P<port>[0-9]{1,5}))?(/[a-z0-9._~/%-]*)?",
    re.IGNORECASE | re.ASCII,
)
_LAST_PORT = 65535
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def find_options() -> dict[str, Any]:
    """Return what the library is told beside the variables; ``allow_http`` where the endpoint is not encrypted."""
    profile = _read_profile()
    options: dict[str, Any] = {}
    if not os.environ.get("AWS_ACCESS_KEY_ID"):
        options |= {option: profile[name] for name, option in _KEYS.items() if name in profile}
        other = next((name for name in _OTHER_WAYS if name in profile), None)
        if "access_key_id" not in options and other is not None:
            raise UnavailableError(
                f"the profile {quote(_name_profile())} gets its credentials by {other}, which calreg cannot: set"
                " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
            )
    if "region" in profile and not any(map(os.environ.get, _REGIONS)):
        options["region"] = profile["region"]
    endpoint = next((value for name in _ENDPOINTS if (value := os.environ.get(name))), None)
    if endpoint is None:
        endpoint = profile.get("endpoint_url")
    if endpoint is not None:
        options["endpoint"] = endpoint
    _refuse_unusable(options)
    options["allow_http"] = endpoint is not None and endpoint.lower().startswith("http://")
    return options


def _refuse_unusable(options: dict[str, Any]) -> None:
    """Refuse what cannot be in a request, on which the library ends with a panic; nothing of it is repeated."""
    stated = {
        name.upper(): options.get(option) or os.environ.get(name.upper()) for name, option in _KEYS.items()
    }
    stated["AWS_REGION"] = options.get("region") or next(filter(None, map(os.environ.get, _REGIONS)), None)
    for name, value in stated.items():
        if value and not _VISIBLE.fullmatch(value):
            raise UnavailableError(
                f"{name}, or what the profile {quote(_name_profile())} says in its place, has a character that is"
                " none of visible ASCII, such as the end of a line"
            )
    endpoint = options.get("endpoint")
    if endpoint is not None and not _is_endpoint(endpoint):
        raise UnavailableError(
            "AWS_ENDPOINT_URL, or the endpoint_url of the profile, is not the URL of a server: http://HOST:PORT or"
            " https://HOST is expected"
        )


def _is_endpoint(text: str) -> bool:
    match = _ENDPOINT.fullmatch(text)
    if match is None or int(match["port"] or 0) > _LAST_PORT:
        return False
    with suppress(ValueError):
        return match["address"] is None or bool(IPv6Address(match["address"]))
    return False


def _name_profile() -> str:
    return os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"


def _read_profile() -> dict[str, str]:
    """Return the settings of the profile, those of the credentials' file before those of the configuration."""
    name = _name_profile()
    section = name if name == "default" else f"profile {name}"
    settings = _read_section("AWS_CONFIG_FILE", "config", section)
    settings |= _read_section("AWS_SHARED_CREDENTIALS_FILE", "credentials", name)
    if not settings and os.environ.get("AWS_PROFILE"):
        raise UnavailableError(f"there is no profile {quote(name)} in the files of AWS")
    return settings


def _read_section(variable: str, name: str, section: str) -> dict[str, str]:
    try:
        path = Path(os.environ.get(variable) or Path.home() / ".aws" / name)
        content = path.read_bytes()
    except (OSError, RuntimeError):  # there is none, or no home
        return {}
    return parse_section(content, section, path)


def parse_section(content: bytes, section: str, path: Path) -> dict[str, str]:
    """Return the settings of one section of a file of profiles, none where it has no such section."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(content.decode())
    except (configparser.Error, UnicodeDecodeError):
        # What is wrong is not repeated: it may be a key.
        raise UnavailableError(f"{str(path)!r} is not a file of profiles", path=str(path)) from None
    return dict(parser[section]) if parser.has_section(section) else {}
