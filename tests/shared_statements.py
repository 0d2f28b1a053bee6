"""One cache of compiled SQL statements for all engines: each test opens its own, and most of them run the same."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.util import LRUCache


class SharedStatements(LRUCache[Any, Any]):
    """Compiled statements by the kind of dialect, which is the same for many engines."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_replace_dialect(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_replace_dialect(key), value)


def _replace_dialect(key: Any) -> Any:
    dialect, *statement = key
    return type(dialect), dialect.statement_compiler, dialect.server_version_info, *statement


def share_statements() -> None:
    """Let every engine that is made from now on use one cache."""
    shared = SharedStatements(3000)
    initialise = sa.Engine.__init__

    def initialise_shared(engine: sa.Engine, *arguments: Any, **options: Any) -> None:
        initialise(engine, *arguments, **options)
        engine._compiled_cache = shared

    sa.Engine.__init__ = initialise_shared  # type: ignore[method-assign]
