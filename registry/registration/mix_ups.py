"""Refuse files of another module: the same bytes, or a map whose pattern is another sensor's.

What is stated is held against everything that is live, and the parts of a batch against each other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from registry.errors import ConflictError, Remedy
from registry.lookup.revisions import require_comment
from registry.registration.sensor_patterns import compare_patterns
from registry.registration.shared_files import compare_files
from registry.registration.stated_constants import Allowances, Comparison, StatedConstants


def compare_sensors(
    connection: sa.Connection,
    stated: Sequence[StatedConstants],
    allowances: Allowances,
    superseded: Collection[int] = (),
) -> Comparison:
    """Return how constants that are to be recorded compare with each other and with what is live.

    Parameters
    ----------
    superseded
        The numbers of versions that the same change withdraws.
    """
    comparison = Comparison()
    if stated:
        compare_files(connection, stated, superseded, allowances, comparison)
        compare_patterns(connection, stated, superseded, allowances, comparison)
    return comparison


def refuse_mix_ups(comparison: Comparison) -> None:
    """Raise a `ConflictError` that lists all files of other modules, if there are any."""
    mix_ups = [mix_up for group in comparison.mix_ups.values() for mix_up in group]
    if mix_ups:
        sentences = [str(mix_up) for mix_up in mix_ups]
        remedy = Remedy.STATE_SAME_FILES
        first = next((mix_up for mix_up in mix_ups if mix_up.remedy is remedy), mix_ups[0])
        values = {"same_as": first.values["same_as"]} if first.remedy is remedy else {}
        raise ConflictError.combine(
            "kinds of files are other modules'",
            sentences,
            remedy=first.remedy,
            mix_ups=[mix_up.values for mix_up in mix_ups],
            **values,
        )


def refuse_idle_same_as(comparison: Comparison, allowances: Allowances) -> None:
    """Refuse a statement that files are those of a module that has none of them."""
    known = {name for module in comparison.sharing for name in module}
    idle = [name for name in allowances.same_as if name not in known]
    if idle:
        raise ConflictError(f"none of the files is live under {', '.join(idle)}", same_as=idle)


def require_pattern_comment(comment: str | None) -> None:
    """Refuse to allow another pattern without a comment."""
    require_comment(comment, "another pattern")
