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
"""What defines each part, by the word for it: ``type``, ``definition`` ..."""

GUARD_KINDS = {"trigger", "function"}
_LONG = 100


def compare_parts(live: Parts, wanted: Parts) -> Iterator[tuple[Part, str]]:
    """Yield the parts that differ with a sentence each; what belongs to a missing table is not named again."""
    missing_tables = {part.table for part in wanted if part.kind == "table" and part not in live}
    for part in sorted({*live, *wanted}):
        if part not in live:
            if part.kind == "table" or part.table not in missing_tables:
                yield part, f"{part} is missing"
        elif part not in wanted:
            yield part, f"{part} is not part of the schema"
        else:
            for word, value in wanted[part].items():
                if live[part][word] != value:
                    yield part, _describe_difference(part, word, live[part][word], value)


def _describe_difference(part: Part, word: str, live: str, wanted: str) -> str:
    if "\n" in live + wanted or max(len(live), len(wanted)) > _LONG:
        return f"{part} has another {word} than that of this software"
    return f"{part} has {word} {live}, not {wanted}"
