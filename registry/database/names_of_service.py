"""Names for a shell from a service, with what Python has: the client of `transport` takes longer to load than this.

There is one attempt, and what is not an answer means that there are no names. Redirections are not followed.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from registry.errors import RegistryError
from registry.settings import is_offline
from registry.tokens import read_token

_SECONDS = 0.5
_MAX_ANSWER = 1 << 20


def ask_names(url: str, category: str, prefix: str, experiment: str) -> list[tuple[str, str]]:
    """Return names with descriptions; none offline, and where the service does not answer within half a second."""
    try:
        if is_offline():
            return []
        parts = urlsplit(url)
        query = urlencode({"prefix": prefix, "experiment": experiment})
        address = f"{parts.path.rstrip('/')}/v1/names/{quote(category)}?{query}"
        return parse_names(_get(parts.scheme.lower(), parts.netloc, address))
    except (OSError, http.client.HTTPException, ValueError, RegistryError):
        return []


def parse_names(content: bytes) -> list[tuple[str, str]]:
    """Return the names in an answer with their descriptions; none of another one."""
    try:
        return [*map(_read_row, json.loads(content))]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _read_row(row: Any) -> tuple[str, str]:
    name, description = row["text"], row["description"]
    if not isinstance(name, str) or not isinstance(description, str):
        raise TypeError
    return name, description


def _get(scheme: str, host: str, address: str) -> bytes:
    connection: http.client.HTTPConnection
    if scheme == "https":
        context = ssl.create_default_context(cafile=os.environ.get("CALREG_CA"))
        connection = http.client.HTTPSConnection(host, timeout=_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, timeout=_SECONDS)
    try:
        connection.request("GET", address, headers=_build_headers())
        response = connection.getresponse()
        content = response.read(_MAX_ANSWER + 1)
    finally:
        connection.close()
    if response.status != http.client.OK or len(content) > _MAX_ANSWER:
        raise http.client.HTTPException
    return content


def _build_headers() -> dict[str, str]:
    name = os.environ.get("CALREG_TOKEN_FILE")
    return {"authorization": f"Bearer {read_token(Path(name))}"} if name else {}
