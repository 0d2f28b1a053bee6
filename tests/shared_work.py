"""Work that is done once for all tests of a process: compiling SQL statements, building the command line."""

from functools import cache
from typing import Any

import sqlalchemy as sa
import typer.testing
from sqlalchemy.util import LRUCache
from typer.main import get_command

from registry.cli.application import LazyCommand


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
    """Let every engine that is made from now on use one cache: most tests run the same statements."""
    shared = SharedStatements(3000)
    initialise = sa.Engine.__init__

    def initialise_shared(engine: sa.Engine, *arguments: Any, **options: Any) -> None:
        initialise(engine, *arguments, **options)
        engine._compiled_cache = shared

    sa.Engine.__init__ = initialise_shared  # type: ignore[method-assign]


def share_program() -> None:
    """Build the program and each verb once, when it is first called in this process."""
    typer.testing._get_command = cache(get_command)
    LazyCommand.load = cache(LazyCommand.load)  # type: ignore[method-assign]
