"""Versions as a table of pandas, for who asks: a row a range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from registry.errors import UnavailableError

if TYPE_CHECKING:
    import pandas as pd

    from registry.instants import Instant
    from registry.records.facts import Version

_TEXT_COLUMNS = ("panel", "alias", "kind", "constants", "comment", "source_path")
_COLUMNS = (
    "version", "panel", "alias", "kind", "valid_from", "valid_to", "is_gap", "constants", "recorded_in",
    "withdrawn_in", "carried_from", "nonfinite_allowed", "source_path", "comment",
)  # fmt: skip


def build_frame(versions: Sequence[Version]) -> pd.DataFrame:
    """Return the versions as a frame; see `Validity.to_pandas`.

    Raises
    ------
    UnavailableError
        pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UnavailableError("pandas is not installed: pip install 'calreg[pandas]'") from None
    columns: dict[str, Any] = {
        "version": pd.array([each.version for each in versions], "int64"),
        "valid_from": _to_timestamps([each.valid_from for each in versions]),
        "valid_to": _to_timestamps([each.valid_to for each in versions]),
        "is_gap": pd.array([each.is_gap for each in versions], "bool"),
        "recorded_in": pd.array([each.recorded_in for each in versions], "int64"),
        "withdrawn_in": pd.array([each.withdrawn_in for each in versions], "Int64"),
        "carried_from": pd.array([each.carried_from for each in versions], "Int64"),
        "nonfinite_allowed": pd.array([each.nonfinite_allowed for each in versions], "bool"),
    }
    for name in _TEXT_COLUMNS:
        columns[name] = pd.array([getattr(each, name) for each in versions], "string")
    return pd.DataFrame(columns, columns=list(_COLUMNS))


def _to_timestamps(instants: Sequence[Instant | None]) -> pd.DatetimeIndex:
    """Return instants in microseconds, which reach from the year 1 to 9999 as ours do; the beginning is none."""
    import numpy as np
    import pandas as pd

    from registry.instants import BEGINNING

    known = [
        np.datetime64("NaT") if each in (None, BEGINNING) else np.datetime64(each, "us") for each in instants
    ]
    return pd.DatetimeIndex(np.array(known, "datetime64[us]")).tz_localize("UTC")
