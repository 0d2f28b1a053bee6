"""The counts of all workers of a server, in the text form of Prometheus.

Each worker counts in a file of its own, which all of them map: whichever is asked tells the sum. What a worker has
counted stays when it ends, so that no count ever goes back while the server runs.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

_BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # seconds
_OTHER = "other"
_STATUSES = (200, 206, 304, 400, 401, 404, 405, 409, 414, 416, 422, 429, 500, 503)
_OUTCOMES = ("hit", "missed", "unchanged")
_MAX_KINDS = 100
_NUMBER_SIZE = 8

# The places of the numbers in a file.
_SENT, _LOOKUPS, _SECONDS, _DRAWINGS, _DRAWING_SECONDS = range(5)
_OUTCOME = 5
_BOUND = _OUTCOME + len(_OUTCOMES)
_REQUEST = _BOUND + len(_BOUNDS)
_ROW = len(_STATUSES) + 1  # the last one is of every other status
_LENGTH = _REQUEST + _MAX_KINDS * _ROW


class Metrics:
    """Requests by kind and status, kept answers, and the times of look-ups; safe for threads.

    Parameters
    ----------
    folder
        The folder of the files of all workers; None to count alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._lock = folder, Lock()
        self._kinds: tuple[str, ...] = (_OTHER,)
        self._file = None if folder is None else folder / f"{os.getpid()}-{os.urandom(4).hex()}"
        size = _LENGTH * _NUMBER_SIZE
        if self._file is None:
            self._numbers = memoryview(bytearray(size)).cast("d")
        else:
            with self._file.open("x+b") as opened:
                opened.truncate(size)
                self._numbers = memoryview(mmap.mmap(opened.fileno(), size)).cast("d")

    def know_kinds(self, kinds: set[str]) -> None:
        """Take the kinds of requests, the same in every worker; others are counted together."""
        self._kinds = (*sorted(kinds - {_OTHER})[: _MAX_KINDS - 1], _OTHER)

    def count_request(self, kind: str, status: int, size: int) -> None:
        """Count an answer that was sent."""
        column = _STATUSES.index(status) if status in _STATUSES else _ROW - 1
        row = self._kinds.index(kind if kind in self._kinds else _OTHER)
        with self._lock:
            self._numbers[_REQUEST + row * _ROW + column] += 1
            self._numbers[_SENT] += size

    def count_kept(self, outcome: str) -> None:
        """Count a question whose answer was kept (``hit``), was known to the client (``unchanged``), or ``missed``."""
        with self._lock:
            self._numbers[_OUTCOME + _OUTCOMES.index(outcome)] += 1

    def count_lookup(self, seconds: float) -> None:
        """Count a look-up in the database."""
        with self._lock:
            self._numbers[_LOOKUPS] += 1
            self._numbers[_SECONDS] += seconds
            for place, bound in enumerate(_BOUNDS, _BOUND):
                self._numbers[place] += seconds <= bound

    def count_drawing(self, seconds: float) -> None:
        """Count a picture that was drawn."""
        with self._lock:
            self._numbers[_DRAWINGS] += 1
            self._numbers[_DRAWING_SECONDS] += seconds

    def format(self, head_number: int | None) -> str:
        """Return the text; the number of the newest revision only where it could be read."""
        numbers = self._add_up()
        lines = [
            "# HELP calreg_requests_total Requests by kind and HTTP status.",
            "# TYPE calreg_requests_total counter",
            *self._format_requests(numbers),
            "# HELP calreg_sent_bytes_total Bytes of the bodies of answers, without objects.",
            "# TYPE calreg_sent_bytes_total counter",
            f"calreg_sent_bytes_total {numbers[_SENT]:.0f}",
            "# HELP calreg_pinned_answers_total Pinned questions by what was needed to answer them.",
            "# TYPE calreg_pinned_answers_total counter",
            *(
                f'calreg_pinned_answers_total{{outcome="{outcome}"}} {numbers[place]:.0f}'
                for place, outcome in enumerate(_OUTCOMES, _OUTCOME)
            ),
            "# HELP calreg_lookup_seconds Times of look-ups in the database.",
            "# TYPE calreg_lookup_seconds histogram",
            *(
                f'calreg_lookup_seconds_bucket{{le="{bound:g}"}} {numbers[place]:.0f}'
                for place, bound in enumerate(_BOUNDS, _BOUND)
            ),
            f'calreg_lookup_seconds_bucket{{le="+Inf"}} {numbers[_LOOKUPS]:.0f}',
            f"calreg_lookup_seconds_sum {numbers[_SECONDS]:.6f}",
            f"calreg_lookup_seconds_count {numbers[_LOOKUPS]:.0f}",
            "# HELP calreg_drawing_seconds Times in which pictures were drawn.",
            "# TYPE calreg_drawing_seconds summary",
            f"calreg_drawing_seconds_sum {numbers[_DRAWING_SECONDS]:.6f}",
            f"calreg_drawing_seconds_count {numbers[_DRAWINGS]:.0f}",
        ]
        if head_number is not None:
            lines += [
                "# HELP calreg_head_revision The number of the newest revision.",
                "# TYPE calreg_head_revision gauge",
                f"calreg_head_revision {head_number}",
            ]
        return "".join(f"{line}\n" for line in lines)

    def _format_requests(self, numbers: list[float]) -> Iterator[str]:
        for row, kind in enumerate(self._kinds):
            for column, status in enumerate((*_STATUSES, _OTHER)):
                count = numbers[_REQUEST + row * _ROW + column]
                if count:
                    yield f'calreg_requests_total{{kind="{kind}",status="{status}"}} {count:.0f}'

    def _add_up(self) -> list[float]:
        with self._lock:
            numbers = [float(number) for number in self._numbers]
        for file in [] if self._folder is None else sorted(self._folder.iterdir()):
            if file == self._file:
                continue
            with suppress(OSError):  # the server ends, and removes it
                content = file.read_bytes()
                if len(content) == _LENGTH * _NUMBER_SIZE:  # else its worker begins just now
                    others = memoryview(content).cast("d")
                    numbers = [own + other for own, other in zip(numbers, others, strict=True)]
        return numbers
