"""Recorded runs by the file of a calibration directory that is read for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from registry.calibration_folder import choose_files
from registry.lookup.answers import Answer, AnswerSegment


@dataclass(frozen=True, slots=True)
class ReadRange:
    """Recorded runs, one after the other, with one answer, and the file that is read for them; None without one."""

    runs: tuple[int, ...]
    name: str | None
    answer: Answer

    def expects(self, kind: str, constants: tuple[str, ...] | None) -> bool:
        """Tell whether these constants of the kind, panel by panel, are those of the runs."""
        return self.answer.is_possible(kind) and self.answer.constants[kind] == constants


def list_read_ranges(segments: Iterable[AnswerSegment], names: Iterable[str]) -> Iterator[ReadRange]:
    """Yield the recorded runs by number, with the file among these that the analysis framework takes."""
    known = list(names)
    for segment in segments:
        chosen = choose_files(known, segment.runs)
        for name, group in groupby(segment.runs, key=chosen.__getitem__):
            yield ReadRange(tuple(group), name, segment.answer)
