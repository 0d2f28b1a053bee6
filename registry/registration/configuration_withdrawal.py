"""Detector configurations withdrawn."""

from __future__ import annotations

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError, NotFoundError
from registry.identifiers import shorten, suggestion
from registry.lookup.revisions import require_comment
from registry.lookup.runs import list_configurations, list_keyed_configurations


def withdraw_configuration(
    change: Change, experiment: str, source: str, first_run: int, last_run: int | None
) -> None:
    """Withdraw the configuration that starts with `first_run` (and ends with `last_run`, if given), with a comment.

    Where one with panel Ids and one without start there, the one with is withdrawn: it is the one in use. A
    `ConflictError` if it was withdrawn already; a `NotFoundError` if none was recorded, which names the ranges.
    """
    require_comment(change.comment, "a withdrawal")
    recorded = [
        (key, known)
        for key, known in list_keyed_configurations(
            change.connection, change.visible_revision, {experiment}, withdrawn=True
        )
        if (known.source, known.first_run) == (source, first_run) and last_run in (None, known.last_run)
    ]
    live = [(not known.panels, key) for key, known in recorded if known.withdrawn_in is None]
    if live:
        change.withdraw(schema.configuration, [min(live)[1]])
    elif recorded:
        withdrawn_in = max(known.withdrawn_in or 0 for _, known in recorded)
        raise ConflictError(
            f"the configuration of {source} in {experiment} from run {first_run} was withdrawn already, by revision"
            f" {withdrawn_in}",
            withdrawn_in=withdrawn_in,
        )
    else:
        raise NotFoundError(
            f"no configuration of {source} in {experiment} starts with run {first_run}"
            + (f" and ends with run {last_run}" if last_run is not None else "")
            + _suggest_configurations(change, experiment, source)
        )


def _suggest_configurations(change: Change, experiment: str, source: str) -> str:
    """Return the end of a message: what is configured there, or under which near names."""
    known = list_configurations(change.connection, change.visible_revision)
    own = [configuration for configuration in known if configuration.experiment == experiment]
    ranges = [f"{source} in {experiment}, runs {known.runs}" for known in own if known.source == source]
    if ranges:
        return f"; configured: {shorten(ranges)}"
    if own:
        near = suggestion(source, (configuration.source for configuration in own))
        return f"; no such source is configured{near}"
    near = suggestion(experiment, (configuration.experiment for configuration in known))
    return f"; no such experiment is configured{near}"
