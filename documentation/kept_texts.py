"""The file of kept texts: the statements of often asked questions, as SQLAlchemy writes them for SQLite.

Look-ups execute these texts without SQLAlchemy; see `registry.database.kept_statements`.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

import registry.database
import registry.lookup
from registry.database.kept_statements import FILE, KeptText, KeptTexts, list_kept_calls
from registry.database.seal_text import NAMES_OF_EXPORT_TABLES, find_line_form
from registry.database.sqlite_compiler import HintingSQLiteCompiler
from registry.lookup.value_list_types import ValueList


def write_file() -> Path:
    """Write the file; return its path."""
    FILE.write_bytes(build_file())
    return FILE


def build_file() -> bytes:
    """Return the content of the file."""
    for package in (registry.database, registry.lookup):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    texts = KeptTexts(
        {call.key: build_text(call.build()) for call in list_kept_calls()},
        {name: find_line_form(name) for name in NAMES_OF_EXPORT_TABLES},
    )
    return msgspec.json.format(msgspec.json.encode(texts), indent=1) + b"\n"


def build_text(statement: Any) -> KeptText:
    """Return the text of a statement for SQLite, and what is needed to execute it."""
    dialect = sa.create_engine("sqlite://").dialect
    dialect.statement_compiler = HintingSQLiteCompiler
    compiled = statement.compile(dialect=dialect)
    lists = sorted(str(name) for name, bind in compiled.binds.items() if isinstance(bind.type, ValueList))
    for name, bind in compiled.binds.items():
        write = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if write is not None and name not in lists:
            raise TypeError(f"the parameter {name} is not sent as it is: {compiled}")
    columns = [(str(entry.keyname), entry.type) for entry in compiled._result_columns]  # noqa: SLF001 - as above
    for name, sort in columns:
        read = sort.dialect_impl(dialect).result_processor(dialect, None)
        if read is not None and not isinstance(sort, sa.Boolean):
            raise TypeError(f"the column {name} is not read as it is: {compiled}")
    return KeptText(
        lines=tuple(line.rstrip() for line in str(compiled).split("\n")),
        parameters=tuple(map(str, compiled.positiontup)),
        fixed={str(name): value for name, value in compiled.params.items() if value is not None},
        lists=tuple(lists),
        columns=tuple(name for name, _ in columns),
        booleans=tuple(index for index, (_, sort) in enumerate(columns) if isinstance(sort, sa.Boolean)),
    )
