"""The pin of a session: what the service says of it, or offline what is kept of that on this machine."""

from __future__ import annotations

from contextlib import suppress

from registry.api.remote.backend import read_served_head
from registry.api.remote.kept_answers import KeptPins, ServedHead
from registry.cache import CacheFolder
from registry.errors import CacheError, DeniedError, OfflineError, Remedy, RequestError, UnavailableError
from registry.heads import Head
from registry.transport import Service


def pin_session(service: Service, cache: CacheFolder | None, pin: Head | None) -> ServedHead:
    """Return the pinned revision, by default the newest, with its registry; nothing is asked offline.

    Raises
    ------
    ConflictError, NotFoundError
        The pin is of another history, or the service does not know its revision.
    OfflineError
        The pin is not kept on this machine, or there is none.
    RequestError
        The cache is switched off, without which nothing is known offline.
    """
    if service.is_offline:
        return _find_kept(service, cache, pin)
    session = read_served_head(service, None if pin is None else str(pin))
    if pin is not None and (session.revision != pin.number or not session.seal.startswith(pin.seal)):
        raise UnavailableError(
            f"the service {service.url} cannot be used: asked for {pin}, it answers with {session.head}",
            service=service.url,
        )
    if cache is not None:
        with suppress(CacheError, DeniedError):  # reading goes on without it
            KeptPins(service, cache).keep(session)
    return session


def _find_kept(service: Service, cache: CacheFolder | None, pin: Head | None) -> ServedHead:
    if cache is None:
        raise RequestError("CALREG_OFFLINE uses what is in the cache, and CALREG_CACHE switches it off")
    pins = KeptPins(service, cache)
    kept = None if pin is None else pins.find(pin)
    if kept is not None:
        return kept.session
    latest = pins.find_latest()
    if latest is None:
        known = "nothing of this service is in the cache"
    else:
        what = "what was fetched last" if latest.fetched_at is not None else "the newest in the cache"
        known = f"{what} is of CALREG_PIN={latest.session.head.pin}"
    problem = (
        "CALREG_OFFLINE needs CALREG_PIN, the revision as of which is answered"
        if pin is None
        else f"nothing of the pin {pin.pin} of the service {service.url} is in the cache {str(cache.path)!r}"
    )
    raise OfflineError(
        f"{problem}; {known}",
        remedy=Remedy.FETCH,
        service=service.url,
        pin=None if latest is None else latest.session.head.pin,
    )
