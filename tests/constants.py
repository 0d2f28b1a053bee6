"""Constants without files, for tests that read none."""

import hashlib
from pathlib import Path

from registry.records import CheckedConstants, CheckedFile, Statistics
from registry.registration.versions import build_constants


def constants_without_files(kind: str, content: str) -> CheckedConstants:
    """Return constants of Jungfrau that differ by kind and content."""
    statistics = Statistics(1.0, 1.0, 1.0, zeros=0, nonfinite=0)
    sums = [hashlib.sha256(f"{kind} {content} {number}".encode()).hexdigest() for number in range(3)]
    files = [CheckedFile(Path("none"), sha256, 1, "<f4", (512, 1024), statistics) for sha256 in sums]
    return build_constants("jungfrau", kind, files, ())
