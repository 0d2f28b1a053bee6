"""Lines that are formatted when they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

Part = tuple[Sequence[Any], Callable[[Any], str]]
"""Records, and the function that formats the line of one."""


class LazyLines(Sequence[str]):
    """The lines of several parts, formatted when they are read, so that large results do not keep them in memory.

    Equal to every sequence of the same lines.
    """

    __slots__ = ("_parts",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(records) for records, _ in self._parts)

    def __iter__(self) -> Iterator[str]:
        return (format_line(record) for records, format_line in self._parts for record in records)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        position = range(len(self))[index]
        for records, format_line in self._parts:
            if position < len(records):
                return format_line(records[position])
            position -= len(records)
        raise AssertionError("the position is within the length")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return repr(tuple(self))
