"""Listings for Python: lists of records, and iterators over them, that become frames of pandas and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, overload

from msgspec import Struct

from registry.identifiers import format_count

if TYPE_CHECKING:
    import pandas as pd

_Record = TypeVar("_Record", bound=Struct)


class RecordList(list[_Record]):
    """A list of records of one class, as any other list; a notebook shows it as a table."""

    __slots__ = ("record",)

    def __init__(self, record: type[_Record], items: Iterable[_Record] = ()) -> None:
        super().__init__(items)
        self.record = record

    @overload
    def __getitem__(self, index: SupportsIndex) -> _Record: ...

    @overload
    def __getitem__(self, index: slice) -> RecordList[_Record]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> _Record | RecordList[_Record]:
        """Return a record, or a part of the list."""
        if isinstance(index, slice):
            return RecordList(self.record, super().__getitem__(index))
        return super().__getitem__(index)

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with one row per record, in their order here.

        Returns
        -------
        pandas.DataFrame
            The columns are the keys of the JSON. Instants are ``datetime64[us, UTC]``, exact for the years 1 to 9999;
            NaT is the beginning where a range starts, elsewhere none. Texts are ``string``, numbers ``int64``, or
            ``Int64`` where there may be none. A list or a record within a record is its JSON, as in the CSV of the
            command line.

        Raises
        ------
        UnavailableError
            pandas is not installed.
        """
        from registry.records.display import build_frame

        return build_frame(self.record, self)

    def _repr_html_(self) -> str:
        from registry.records.display import render_records

        return render_records(_count_records(len(self), self.record), self.record, self)


class RecordIterator(Iterator[_Record], Generic[_Record]):
    """An iterator over records of one class, which are read page by page while it is used, and not kept."""

    __slots__ = ("_items", "record")

    def __init__(self, record: type[_Record], items: Iterator[_Record]) -> None:
        self.record = record
        self._items = items

    def __next__(self) -> _Record:
        return next(self._items)

    def __repr__(self) -> str:
        return f"<RecordIterator of {self.record.__name__}, read when asked for>"

    def to_pandas(self) -> pd.DataFrame:
        """Read the rest, and return it as `RecordList.to_pandas` does."""
        return RecordList(self.record, self).to_pandas()


def _count_records(number: int, record: type[Any]) -> str:
    """Return a number of records of a class in words: ``2 recorded exports``."""
    noun = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", record.__name__).lower()
    return format_count(number, noun) if number == 1 or not noun.endswith("s") else f"{number} {noun}es"
