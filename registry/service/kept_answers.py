"""The encoded answers that a worker keeps, by their URL: those that were asked last, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

_OVERHEAD = 1000  # bytes of an entry beside its body


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """An answer as it is sent: status, headers in ASGI's form, and body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    etag: bytes = b""


class KeptAnswers:
    """Answers by the bytes of their URL; safe for threads."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._answers: OrderedDict[bytes, EncodedAnswer] = OrderedDict()
        self._lock = Lock()

    def get(self, url: bytes) -> EncodedAnswer | None:
        """Return the answer, None if it is not kept."""
        with self._lock:
            answer = self._answers.get(url)
            if answer is not None:
                self._answers.move_to_end(url)
            return answer

    def put(self, url: bytes, answer: EncodedAnswer) -> None:
        """Keep an answer, and forget those that were not asked for longest."""
        size = len(url) + len(answer.body) + _OVERHEAD
        if size > self._limit // 4:
            return
        with self._lock:
            former = self._answers.pop(url, None)
            if former is not None:
                self._size -= len(url) + len(former.body) + _OVERHEAD
            self._answers[url] = answer
            self._size += size
            while self._size > self._limit:
                oldest, forgotten = self._answers.popitem(last=False)
                self._size -= len(oldest) + len(forgotten.body) + _OVERHEAD
