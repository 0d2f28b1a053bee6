"""The table of targets: every parser of what strangers write is in it, which a test holds to the modules."""

from __future__ import annotations

from harnesses.fuzz.exports import EXPORTS
from harnesses.fuzz.files import FILES
from harnesses.fuzz.names import NAMES
from harnesses.fuzz.target import Target

TARGETS: dict[str, Target] = {target.name: target for target in (*NAMES, *FILES, *EXPORTS)}
