"""Options of the tools of AWS: their variables, and the profile in their two files.

The library reads the variables itself, and roles of containers and machines. It does not read the files, so the keys,
the region and the endpoint of a profile are read here; a profile that names a role, a program or a sign-on instead of
keys is refused.
"""

from __future__ import annotations

import configparser
import os
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
    options["allow_http"] = endpoint is not None and endpoint.lower().startswith("http://")
    return options


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
    parser = configparser.RawConfigParser()
    try:
        path = Path(os.environ.get(variable) or Path.home() / ".aws" / name)
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, RuntimeError):  # there is none, or no home
        return {}
    except (configparser.Error, UnicodeDecodeError):
        # What is wrong is not repeated: it may be a key.
        raise UnavailableError(f"{str(path)!r} is not a file of profiles", path=str(path)) from None
    return dict(parser[section]) if parser.has_section(section) else {}
