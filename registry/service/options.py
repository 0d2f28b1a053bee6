"""The options of a service, and how its workers learn of them; needs no package of the extra ``serve``."""

from __future__ import annotations

from dataclasses import dataclass

VARIABLE = "CALREG_SERVICE_OPTIONS"
"""The variable by which a server hands its options to its workers, as JSON."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a service.

    Attributes
    ----------
    public
        Leave out authors, hosts, commands and paths.
    token_sha256
        The SHA-256 of the token that requests must bear, in hexadecimal digits; None for no token.
    threads
        How many look-ups a worker makes at once.
    waiting
        How many requests may wait for one; more are refused.
    kept_bytes
        The memory of encoded answers, of each worker.
    drawings
        How many requests for pictures may wait, or be drawn; more are refused. One is drawn at a time.
    silent_seconds
        How long a client may take nothing of its answer, until it is cut off.
    redirects
        Let who asks for a stored file get it from the bucket, where the store is one.
    counts
        The folder in which all workers of a server count; None for one that counts alone.
    """

    public: bool = False
    token_sha256: str | None = None
    threads: int = 8
    waiting: int = 256
    kept_bytes: int = 16 << 20
    drawings: int = 16
    silent_seconds: int = 60
    redirects: bool = False
    counts: str | None = None
