"""The parts of a database (tables, columns, constraints, indexes, triggers, functions) and their comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Part(NamedTuple):
    """A part of a database, by the word for it, its table (empty for a function) and its name in the table."""

    kind: str
    table: str
    name: str = ""

    def __str__(self) -> str:
        """Return the part as a sentence names it."""
        if self.kind == "trigger":
            own = self.name.startswith(f"{self.table}_")
            return f"the trigger {self.name}" if own else f"the trigger {self.name} on {self.table}"
        return f"the {self.kind} {'.'.join(filter(None, (self.table, self.name)))}"


Parts = Mapping[Part, Mapping[str, str]]
"""The values that define each part, by the word for them: ``type``, ``definition`` ..."""

GUARD_KINDS = {"trigger", "function"}
_LONG = 100


def compare_parts(live: Parts, wanted: Parts) -> Iterator[tuple[Part, str]]:
    """Yield the parts that differ with a sentence each; of a table that is missing or not ours only the triggers."""
    tables = [{part.table for part in parts if part.kind == "table"} for parts in (live, wanted)]
    other_tables = tables[0] ^ tables[1]
    for part in sorted({*live, *wanted}):
        if part in live and part in wanted:
            for word, value in wanted[part].items():
                if live[part][word] != value:
                    yield part, _describe_difference(part, word, live[part][word], value)
        elif part.kind in {"table", "trigger"} or part.table not in other_tables:
            yield part, f"{part} is missing" if part in wanted else f"{part} is not part of the schema"


def _describe_difference(part: Part, word: str, live: str, wanted: str) -> str:
    if "\n" in live + wanted or max(len(live), len(wanted)) > _LONG:
        return f"{part} has another {word} than that of this software"
    return f"{part} has {word} {live} instead of {wanted}"
