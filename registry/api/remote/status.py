"""The state of a registry that is read through a service, as far as the service tells it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress

from msgspec.structs import replace

from registry.api.pins import choose_pin
from registry.api.remote.registry import RemoteRegistry
from registry.api.state_questions import RegistryState, describe_state
from registry.errors import OfflineError, RegistryError
from registry.records import RecordedExport, Revision, Status


def find_service_status(
    url: str, status: Status, compared: int, shown: int
) -> tuple[Status, RegistryError | None]:
    """Return the state with what the service tells, and why it is not read; None where it is.

    Parameters
    ----------
    status
        The state before anything is asked.
    compared, shown
        How many of the newest exports are compared with what would be made now, and how many are shown.
    """
    try:
        with closing(RemoteRegistry(url, pin=choose_pin(None))) as registry:
            newest: Sequence[Revision] = ()
            exports: Sequence[RecordedExport] = ()
            state: RegistryState | None = None
            with suppress(OfflineError):  # what is not of one revision is not known then
                newest = registry.log(limit=1)
                if registry.closure is None or registry.closure.reason != "mirror":  # which has none
                    exports = registry.exports.list(limit=compared)
                state = registry._backend.answer(describe_state, as_of=registry.pin)  # noqa: SLF001 - of this package
            return (
                replace(
                    status,
                    registry=registry.id,
                    timezone=registry.timezone,
                    settings=tuple(
                        replace(row, value=registry.timezone, origin="registry")
                        if not row.value and row.name == "timezone"
                        else row
                        for row in status.settings
                    ),
                    revision=registry.pin.number,
                    recorded_at=newest[0].recorded_at if newest else None,
                    author=newest[0].author if newest else None,
                    seal=registry.pin.seal if registry.pin.number else None,
                    counts=None if state is None else state.counts,
                    problems=() if state is None else state.problems,
                    pin=registry.pin.pin,
                    newest_exports=tuple(exports[:shown]),
                    stale_exports=tuple(export for export in exports if export.stale is not None),
                    exports_compared=len(exports),
                ),
                None,
            )
    except RegistryError as error:
        return replace(status, refusal=error.message), error
