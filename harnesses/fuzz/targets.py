"""The table of targets: every parser of untrusted input is in it, which a test compares with the modules."""

from __future__ import annotations

from harnesses.fuzz.caches import CACHE_TARGETS
from harnesses.fuzz.exports import EXPORT_TARGETS
from harnesses.fuzz.files import FILE_TARGETS
from harnesses.fuzz.histories import HISTORY_TARGETS
from harnesses.fuzz.names import TEXT_TARGETS
from harnesses.fuzz.services import SERVICE_TARGETS
from harnesses.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *TEXT_TARGETS,
        *FILE_TARGETS,
        *EXPORT_TARGETS,
        *CACHE_TARGETS,
        *SERVICE_TARGETS,
        *HISTORY_TARGETS,
    )
}
