"""Lines of text made from records that are kept anyway: written when they are read, so that very many cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

Part = tuple[Sequence[Any], Callable[[Any], str]]
"""Records, and what writes the line of each."""


class LazyLines(Sequence[str]):
    """The lines of some parts, one after the other; equal to every sequence of the same lines."""

    __slots__ = ("_parts",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(records) for records, _ in self._parts)

    def __iter__(self) -> Iterator[str]:
        return (write(record) for records, write in self._parts for record in records)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        left = range(len(self))[index]
        for records, write in self._parts:
            if left < len(records):
                return write(records[left])
            left -= len(records)
        raise AssertionError("a range has given an index beyond its own end")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return repr(tuple(self))
