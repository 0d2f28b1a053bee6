"""Optional packages, imported where they are used: a missing or broken one is a refusal."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from registry.errors import UnavailableError

# A package of another version than its own dependencies expect raises any of these while it is imported.
_IMPORT_ERRORS = (
    *(ImportError, OSError, AttributeError, TypeError, ValueError),
    *(RuntimeError, LookupError, NameError, SyntaxError, SystemError, Warning),
)


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
        It is not installed, or cannot be imported.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except _IMPORT_ERRORS as error:
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            raise UnavailableError(f"{missing}: pip install 'calreg[{extra}]'", package=package) from None
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UnavailableError(
            f"{package} is installed and cannot be imported ({reason}):"
            f" remove it, then pip install 'calreg[{extra}]'",
            package=package,
        ) from None
