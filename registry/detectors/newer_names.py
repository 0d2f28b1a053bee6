"""Names of the newer data system: of a detector in the data of a run, and in the database of its constants.

In the data a detector has a name without an index, ``jungfrau`` or ``jungfrau16M``. In the database it has a long name,
its type and its panel Ids joined by ``_``, and a short one with the number that the database gave it,
``jungfrau_000003``: a document is found by the short one. A long name of fewer than 20 characters stands for itself
(``MAX_DETNAME_SIZE`` in slac-lcls/lcls2, ``pscalib/calib/CalibConstants.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from registry.errors import IdentifierError, RequestError
from registry.identifiers import join_detector_id, quote

_SHORTENED_LENGTH = 20
_NUMBER = re.compile(r"[0-9]{6}", re.ASCII)


def build_long_name(detector_type: str, panels: Sequence[str]) -> str:
    """Return the long name of a detector: its type, and its panel Ids in segment order."""
    return f"{detector_type}_{join_detector_id(list(panels))}"


def is_short_name(text: str, detector_type: str) -> bool:
    """Tell whether the text is a short name of a detector of the type, as the database gives them."""
    prefix, _, number = text.partition("_")
    return prefix == detector_type and _NUMBER.fullmatch(number) is not None


def parse_short_name(text: str, detector_type: str, panels: Sequence[str]) -> str:
    """Read the short name of a detector; that of a detector with a brief long name is the long one."""
    long_name = build_long_name(detector_type, panels)
    if len(long_name) < _SHORTENED_LENGTH and text == long_name:
        return text
    if not is_short_name(text, detector_type) or len(long_name) < _SHORTENED_LENGTH:
        expected = long_name if len(long_name) < _SHORTENED_LENGTH else f"one like {detector_type}_000003"
        raise IdentifierError(
            f"{quote(text)} is not a short name of the detector in the newer data system: {expected} is expected",
            short_name=text,
        )
    return text


def find_own_short_name(detector_type: str, panels: Sequence[str]) -> str | None:
    """Return the long name of a detector where it is so brief that it stands for the short one."""
    long_name = build_long_name(detector_type, panels)
    return long_name if len(long_name) < _SHORTENED_LENGTH else None


def newer_source_error(source: str) -> RequestError:
    """Return the refusal of a source that no calibration directory has."""
    return RequestError(
        f"{quote(source)} is a source of the newer data system, which has no calibration directory; the format lcls2 is"
        " for its database",
        source=source,
    )
