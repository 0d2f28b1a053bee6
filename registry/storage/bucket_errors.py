"""Errors of a server of objects, as the system's: one sentence each, without what the server or the library says."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_NO_BUCKET = "NoSuchBucket"
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


class RefusedWriteError(OSError):
    """A write is refused for what is there already: its condition is not true, or another write is going on."""


@contextmanager
def translate_bucket_errors(library: Any, location: str) -> Iterator[None]:
    """Turn an error of the library into an `OSError` with a reason."""
    failures = library.exceptions
    try:
        yield
    except (failures.AlreadyExistsError, failures.PreconditionError) as error:
        if _find_code(str(error)) == _NO_BUCKET:
            raise _find_missing_error(str(error), location) from None
        raise RefusedWriteError(errno.EIO, _describe_answer(str(error)), location) from None
    except FileNotFoundError as error:
        raise _find_missing_error(str(error), location) from None
    except failures.BaseError as error:
        if _find_code(str(error)) == _NO_BUCKET:  # lists fail so: the library has no class for it
            raise _find_missing_error(str(error), location) from None
        number, reason = _explain(type(error).__name__, str(error))
        raise OSError(number, reason, location) from None


def _find_missing_error(text: str, location: str) -> FileNotFoundError:
    if _find_code(text) == _NO_BUCKET:
        return MissingBucketError(errno.ENXIO, "there is no such bucket", location)
    return FileNotFoundError(errno.ENOENT, "there is no such object", location)


def _explain(kind: str, text: str) -> tuple[int, str]:
    """Return the number of the system's error that is most like it, and a reason."""
    status, name, answer = _find_status(text), _find_code(text), _find_answer(text)
    if any(mark in text for mark in _NO_CREDENTIALS):
        number, reason = errno.EKEYREJECTED, _NO_CREDENTIALS_REASON
    elif name in _FULL or status == "507":
        number, reason = errno.ENOSPC, f"the server has no more space ({answer})"
    elif name in _BAD_CREDENTIALS or kind == "UnauthenticatedError" or status == "401":
        number, reason = errno.EKEYREJECTED, f"the server does not accept the credentials ({answer})"
    elif kind == "PermissionDeniedError" or status == "403":
        number, reason = errno.EACCES, f"the server does not permit it ({answer})"
    elif answer:
        number, reason = errno.EIO, _describe_answer(text)
    else:
        number, reason = _explain_silence(text)
    return number, reason


def _describe_answer(text: str) -> str:
    return f"the server answers {_find_answer(text)}"


def _find_answer(text: str) -> str:
    return " ".join(part for part in (_find_status(text), _find_code(text)) if part)


def _find_status(text: str) -> str:
    match = _STATUS.search(text)
    return "" if match is None else match[1]


def _find_code(text: str) -> str:
    match = _CODE.search(text)
    return "" if match is None else match[1]


def _explain_silence(text: str) -> tuple[int, str]:
    if "kind: Timeout" in text or "timed out" in text:
        return errno.ETIMEDOUT, "the server does not answer in time"
    if "kind: Connect" in text:
        return errno.ECONNREFUSED, "the server cannot be reached"
    if "BareRedirect" in text or "redirect" in text.partition("Debug source")[0]:
        return errno.EIO, "the server sends the request elsewhere, as for another region: see AWS_REGION"
    return errno.EIO, "the connection to the server broke off, or its answer cannot be read"
