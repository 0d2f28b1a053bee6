"""The log of a service: one line of JSON for each request, refusal of the database, or fault.

What came from outside is escaped: a line has only printable ASCII. Tokens, and all other headers, are not logged.
The line of a request is written by hand: `logging` took half of the time of an answer that is kept.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from registry.errors import NotValidError, RegistryError

_LOG = logging.getLogger("registry.service")
_FACTS = "facts"


class _Lines(logging.Formatter):
    """Writes a record as one line of JSON; also those of libraries."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        facts = getattr(record, _FACTS, None)
        line |= {"message": record.getMessage()} if facts is None else facts
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def write_log() -> None:
    """Write the log of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def log_request(scope: Mapping[str, Any], url: bytes, status: int, size: int, seconds: float) -> None:
    """Write the line of a request, if this process writes a log; status 0 if the client was gone before the answer."""
    if not _LOG.isEnabledFor(logging.INFO):
        return
    now = time.time()
    second = int(now)
    client = (scope.get("client") or ("",))[0]
    line = (
        f'{{"time": "{_format_second(second)}.{int(1000 * (now - second)):03}+00:00", "level": "info",'
        f' "method": {encode_basestring_ascii(scope["method"])},'
        f' "url": {encode_basestring_ascii(url.decode("latin-1"))}, "status": {status}, "bytes": {size},'
        f' "ms": {1000 * seconds:.1f}, "client": {encode_basestring_ascii(client)}}}\n'
    )
    with suppress(OSError, ValueError):  # the answer is sent also where nobody can read of it
        sys.stderr.write(line)


@lru_cache(maxsize=2)
def _format_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def log_refusal(error: RegistryError) -> None:
    """Write the line of a refusal that its operator has to know: of the database, or of the store."""
    if error.code > NotValidError.code + 1:
        facts = {"kind": type(error).__name__, "code": error.code, "message": str(error)}
        _LOG.error("refusal", extra={_FACTS: facts})


def log_fault(url: bytes, error: BaseException) -> None:
    """Write the line of a fault, with its traceback."""
    _LOG.error("fault", extra={_FACTS: {"url": url.decode("latin-1"), "fault": repr(error)}}, exc_info=error)
