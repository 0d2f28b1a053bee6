"""The error tree: what can go wrong, and the exit code that each kind of refusal has.

::

    RegistryError
    ├── RequestError        2  bad request or input
    │   ├── IdentifierError     a text that is not a panel Id, M-number, dataset ...
    │   ├── InstantError        a time that cannot be read, or does not exist, or exists twice
    │   ├── ArrayError          a file that is not the array that its name promises
    │   ├── DocumentError       a provenance document that cannot be trusted as one
    │   └── ImportHazardError   a legacy tree that cannot be imported as it stands
    ├── NotFoundError       3  nothing of that name is known
    ├── NotValidError       4  known, but nothing valid at that time
    ├── ConflictError       5  contradicts what is recorded
    │   └── ClosedError         the registry takes no more writes here: it moved, or this is a snapshot
    ├── CorruptionError     6  stored bytes are not what was recorded
    ├── SchemaError         7  the database's schema is not the one of this software
    └── UnavailableError    8  the database or the store cannot be used
        ├── BehindError         another server of the registry knows more, and this one does not yet
        ├── DeniedError         this user may not use a file
        ├── LeftOutError        a partial snapshot has not got a file, on purpose
        ├── StoreServerError    the server of a store does not answer, or not as it should
        ├── OfflineError        no service may be asked, and the cache has not got an answer or a file
        └── CacheError          the cache cannot be used, and the same can be done without it

Everything else that escapes is a bug and shows its traceback. The codes are published: they are
only ever added to.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum, auto
from typing import Any, ClassVar, Self


class Remedy(StrEnum):
    """The advice on a refusal; each interface words it, the command line by its options and verbs."""

    ADD_PATTERNS = auto()
    ALLOW_ANY_TIME = auto()
    ALLOW_NONFINITE = auto()
    ALLOW_ODD = auto()
    ALLOW_ODD_AND_NONFINITE = auto()
    ALLOW_PATTERN = auto()
    ASK_ONCE = auto()
    CARRY_CONSTANTS = auto()
    CHECK_DATABASE = auto()
    CHOOSE_PANELS = auto()
    CONFIGURE_DETECTOR = auto()
    CONFIGURE_SEGMENTS = auto()
    CONTINUE_COPY = auto()
    COUNT_CHANGES = auto()
    CREATE_REGISTRY = auto()
    FETCH = auto()
    FREE_CONNECTIONS = auto()
    GIVE_ALIAS_START = auto()
    GIVE_COMMENT = auto()
    GIVE_DATABASE = auto()
    GIVE_EXPERIMENT = auto()
    GIVE_EXPERIMENT_AND_RUNS = auto()
    GIVE_INSTANT = auto()
    GIVE_ROLES = auto()
    GIVE_SHORT_NAME = auto()
    GIVE_SOURCE_AND_RUNS = auto()
    GIVE_STORE = auto()
    GIVE_TIMEZONE = auto()
    GRANT_RIGHTS = auto()
    NAME_DATABASE = auto()
    NAME_POOLER = auto()
    OMIT_EXPERIMENT = auto()
    OMIT_KINDS = auto()
    POOL_TRANSACTIONS = auto()
    RECORD_START_TIME = auto()
    REPAIR_STORE = auto()
    REPLACE_FILES = auto()
    RESTORE_WITHOUT_HEAD = auto()
    SEAL_REVISION = auto()
    SKIP_BAD_ENTRIES = auto()
    STATE_BOARD_TOGETHER = auto()
    STATE_SAME_FILES = auto()
    STATE_SAME_MODULE = auto()
    STATE_SEGMENTS = auto()
    SUPERSEDE = auto()
    SUPERSEDE_CONFIGURATION = auto()
    SUPERSEDE_RUN = auto()
    TAKE_DELIVERY = auto()
    UPGRADE_SCHEMA = auto()
    USE_LIVE_DATABASE = auto()
    WITHDRAW_CONFIGURATION = auto()


class RegistryError(Exception):
    """A refusal that a user can act on: one sentence, and its values.

    Where several things are refused at once, ``details`` holds a sentence for each, and ``message`` their
    number. ``remedy`` is the advice; `registry.cli.remedies` words it, never the message.
    """

    code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, details: Sequence[str] = (), remedy: Remedy | None = None, **values: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)
        self.remedy = remedy
        self.values = values

    def __str__(self) -> str:
        return f"{self.message}: {'; '.join(self.details)}" if self.details else self.message

    @classmethod
    def combine(cls, what: str, sentences: Sequence[str], **values: Any) -> Self:
        """Return the refusal of one thing, or of several at once; `what` names them in the plural."""
        if len(sentences) == 1:
            return cls(sentences[0], **values)
        return cls(f"{len(sentences)} {what}", details=sentences, **values)


class RequestError(RegistryError):
    """The request or its input cannot be understood or may not be taken."""

    code = 2


class IdentifierError(RequestError):
    """A text is not an Id or a name of the expected form."""


class InstantError(RequestError):
    """A text is not an instant, or its local time does not exist or exists twice."""


class ArrayError(RequestError):
    """A file is not the array that its name promises."""


class DocumentError(RequestError):
    """A provenance document is cut, edited, foreign or of another format."""


class ImportHazardError(RequestError):
    """A tree holds entries that cannot be imported; ``values["hazards"]`` lists them all."""


class NotFoundError(RegistryError):
    """Nothing of that name is known."""

    code = 3


class NotValidError(RegistryError):
    """Known, but nothing is valid at that time."""

    code = 4


class ConflictError(RegistryError):
    """The request contradicts what is recorded."""

    code = 5


class ClosedError(ConflictError):
    """The database is closed to writes: its registry moved elsewhere, or is not open here yet."""


class CorruptionError(RegistryError):
    """Stored bytes are missing or are not what was recorded."""

    code = 6


class SchemaError(RegistryError):
    """The database's schema is older or newer than this software, or is not a registry's."""

    code = 7


class UnavailableError(RegistryError):
    """The database or the store is not there, or cannot be used."""

    code = 8


class BehindError(UnavailableError):
    """A revision is not known here yet, which another server of the registry knows."""


class DeniedError(UnavailableError):
    """A file may not be used by this user; the message names its owner."""


class CacheError(UnavailableError):
    """The cache cannot be written or waited for now: who wants an entry goes on without the cache."""


class LeftOutError(UnavailableError):
    """A file was left out of a partial snapshot on purpose; the message names its request, and the whole."""


class StoreServerError(UnavailableError):
    """The server of a store does not answer, or not as it should: nothing is known of any file."""


class OfflineError(UnavailableError):
    """``CALREG_OFFLINE`` lets no service be asked, and an answer or a file is not in the cache of the machine."""
