"""The counts of a worker, in the text form of Prometheus."""

from __future__ import annotations

from collections import Counter
from threading import Lock

_BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # seconds


class Metrics:
    """Requests by kind and status, kept answers, and the times of look-ups; safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._kept: Counter[str] = Counter()
        self._lookups: Counter[float] = Counter()
        self._lookup_count = 0
        self._lookup_seconds = 0.0
        self._bytes = 0
        self._drawing_count = 0
        self._drawing_seconds = 0.0

    def count_request(self, route: str, status: int, size: int) -> None:
        """Count an answer that was sent."""
        with self._lock:
            self._requests[route, status] += 1
            self._bytes += size

    def count_kept(self, outcome: str) -> None:
        """Count a question whose answer was kept (``hit``), was known to the client (``unchanged``), or not."""
        with self._lock:
            self._kept[outcome] += 1

    def count_lookup(self, seconds: float) -> None:
        """Count a look-up in the database."""
        with self._lock:
            self._lookup_count += 1
            self._lookup_seconds += seconds
            for bound in _BOUNDS:
                if seconds <= bound:
                    self._lookups[bound] += 1

    def count_drawing(self, seconds: float) -> None:
        """Count a picture that was drawn."""
        with self._lock:
            self._drawing_count += 1
            self._drawing_seconds += seconds

    def format(self, head_number: int | None) -> str:
        """Return the text; the number of the newest revision only where it could be read."""
        with self._lock:
            lines = [
                "# HELP calreg_requests_total Requests by kind and HTTP status.",
                "# TYPE calreg_requests_total counter",
                *(
                    f'calreg_requests_total{{kind="{route}",status="{status}"}} {count}'
                    for (route, status), count in sorted(self._requests.items())
                ),
                "# HELP calreg_sent_bytes_total Bytes of the bodies of answers, without objects.",
                "# TYPE calreg_sent_bytes_total counter",
                f"calreg_sent_bytes_total {self._bytes}",
                "# HELP calreg_pinned_answers_total Pinned questions by what was needed to answer them.",
                "# TYPE calreg_pinned_answers_total counter",
                *(
                    f'calreg_pinned_answers_total{{outcome="{outcome}"}} {count}'
                    for outcome, count in sorted(self._kept.items())
                ),
                "# HELP calreg_lookup_seconds Times of look-ups in the database.",
                "# TYPE calreg_lookup_seconds histogram",
                *(
                    f'calreg_lookup_seconds_bucket{{le="{bound:g}"}} {self._lookups[bound]}'
                    for bound in _BOUNDS
                ),
                f'calreg_lookup_seconds_bucket{{le="+Inf"}} {self._lookup_count}',
                f"calreg_lookup_seconds_sum {self._lookup_seconds:.6f}",
                f"calreg_lookup_seconds_count {self._lookup_count}",
                "# HELP calreg_drawing_seconds Times in which pictures were drawn.",
                "# TYPE calreg_drawing_seconds summary",
                f"calreg_drawing_seconds_sum {self._drawing_seconds:.6f}",
                f"calreg_drawing_seconds_count {self._drawing_count}",
            ]
        if head_number is not None:
            lines += [
                "# HELP calreg_head_revision The number of the newest revision.",
                "# TYPE calreg_head_revision gauge",
                f"calreg_head_revision {head_number}",
            ]
        return "".join(f"{line}\n" for line in lines)
