"""Errors of a server of objects, as the system's: one sentence each, without what the server or the library says."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_NO_CREDENTIALS = ("169.254.169.254", "/latest/api/token", "MissingCredentials")
_NO_CREDENTIALS_REASON = (
    "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile by"
    " AWS_PROFILE"
)
_BAD_CREDENTIALS = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthFailure"),
    *("TokenRefreshRequired", "RequestTimeTooSkewed", "InvalidSecurity", "AuthorizationHeaderMalformed"),
}
_FULL = {"InsufficientStorage", "QuotaExceeded", "InsufficientCapacity", "ServiceQuotaExceededException"}


class MissingBucketError(FileNotFoundError):
    """There is no such bucket."""


@contextmanager
def translate_bucket_errors(library: Any, location: str) -> Iterator[None]:
    """Turn an error of the library into an `OSError` with a reason; an unmet condition stays what it is."""
    failures = library.exceptions
    try:
        yield
    except (failures.AlreadyExistsError, failures.PreconditionError):
        raise
    except FileNotFoundError as error:
        raise _find_missing_error(str(error), location) from None
    except failures.BaseError as error:
        number, reason = _explain(type(error).__name__, str(error))
        raise OSError(number, reason, location) from None


def _find_missing_error(text: str, location: str) -> FileNotFoundError:
    code = _CODE.search(text)
    if code is not None and code[1] == "NoSuchBucket":
        return MissingBucketError(errno.ENXIO, "there is no such bucket", location)
    return FileNotFoundError(errno.ENOENT, "there is no such object", location)


def _explain(kind: str, text: str) -> tuple[int, str]:
    """Return the number of the system's error that is most like it, and a reason."""
    status, code = _STATUS.search(text), _CODE.search(text)
    answer = " ".join(match[1] for match in (status, code) if match is not None)
    name = "" if code is None else code[1]
    if any(mark in text for mark in _NO_CREDENTIALS):
        number, reason = errno.EKEYREJECTED, _NO_CREDENTIALS_REASON
    elif name in _BAD_CREDENTIALS or kind == "UnauthenticatedError":
        number, reason = errno.EKEYREJECTED, f"the server does not accept the credentials ({answer})"
    elif kind == "PermissionDeniedError":
        number, reason = errno.EACCES, f"the server does not permit it ({answer})"
    elif name in _FULL or (status is not None and status[1] == "507"):
        number, reason = errno.ENOSPC, f"the server has no more space ({answer})"
    elif status is not None:
        number, reason = errno.EIO, f"the server answers {answer}"
    else:
        number, reason = _explain_silence(text)
    return number, reason


def _explain_silence(text: str) -> tuple[int, str]:
    if "kind: Timeout" in text or "timed out" in text:
        return errno.ETIMEDOUT, "the server does not answer in time"
    if "kind: Connect" in text or "error sending request" in text:
        return errno.ECONNREFUSED, "the server cannot be reached"
    return errno.EIO, "the connection to the server broke off, or its answer cannot be read"
