"""Optional packages, imported where they are used: a missing or broken one is a refusal."""

from __future__ import annotations

import errno
from importlib import import_module
from types import ModuleType

from registry.errors import UnavailableError

# A package of another version than its own dependencies expect raises any of these while it is imported.
_IMPORT_ERRORS = (
    *(ImportError, OSError, AttributeError, TypeError, ValueError),
    *(RuntimeError, LookupError, NameError, SyntaxError, SystemError, MemoryError, Warning),
)
_UNMAPPED = "failed to map segment"  # of the dynamic linker, which names the reason in some versions only


def import_extra(module: str, extra: str, missing: str) -> ModuleType:
    """Import an optional package.

    Parameters
    ----------
    extra
        The extra of this package that contains it.
    missing
        What is said where it is not installed: "pandas is not installed".

    Raises
    ------
    UnavailableError
        It is not installed, cannot be imported, or there is not enough memory for it.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except _IMPORT_ERRORS as error:
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            raise UnavailableError(f"{missing}: pip install 'calreg[{extra}]'", package=package) from None
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
        if _lacks_memory(error):
            raise UnavailableError(
                f"there is not enough memory to import {package} ({reason})", package=package
            ) from None
        raise UnavailableError(
            f"{package} is installed and cannot be imported ({reason}):"
            f" remove it, then pip install 'calreg[{extra}]'",
            package=package,
        ) from None


def _lacks_memory(error: BaseException) -> bool:
    """Tell whether a package, or what it imports, was not imported because there is not enough memory."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if _UNMAPPED in str(error) and _is_memory_limited():  # else the file system may permit no programs
        return True
    former = error.__cause__ or error.__context__
    return former is not None and _lacks_memory(former)


def _is_memory_limited() -> bool:
    try:
        import resource
    except ImportError:  # not POSIX
        return False
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)
