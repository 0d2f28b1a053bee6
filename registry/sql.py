"""SQLAlchemy as ``sa``, imported when something of it is used for the first time.

To import it takes longer than most commands need for their work. What is asked often has its text in a file
(`database.kept_statements`): modules that such questions import take ``sa`` from here, and use it in functions alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa
else:

    class _Deferred:
        def __getattr__(self, name: str) -> Any:
            import sqlalchemy

            value = getattr(sqlalchemy, name)
            setattr(self, name, value)  # which is found without this function from now on
            return value

    sa = _Deferred()

__all__ = ["sa"]
