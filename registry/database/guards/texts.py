"""The one text of the guards of a database, of which the migrations keep a copy."""

from __future__ import annotations

from registry.database.guards import postgresql, sqlite
from registry.database.guards.rules import Guard


def build_guards(dialect: str) -> tuple[Guard, ...]:
    """Return the guards of a database, in the order in which they are made."""
    return postgresql.build_guards() if dialect == "postgresql" else sqlite.build_guards()


def format_guards(dialect: str) -> str:
    """Return the statements that make the guards, as ``migrations/guards`` keeps them."""
    return "\n".join(
        "".join([f"-- {guard.name}\n", *(f"{statement};\n" for statement in guard.statements)])
        for guard in build_guards(dialect)
    )
