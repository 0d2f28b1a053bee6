"""The pin of a session: the revision, with the beginning of its seal, as of which everything is answered."""

from __future__ import annotations

from registry.database.seals import find_head
from registry.database.transactions import Database
from registry.errors import RequestError
from registry.heads import Head, is_head, parse_head, parse_pin
from registry.lookup.revisions import find_revision_number
from registry.settings import PIN_VARIABLE, find_pin_text


def choose_pin(pin: str | Head | None) -> Head | None:
    """Return the pin that is stated, else that of the environment; None where there is none. A head is one, too.

    Raises
    ------
    RequestError
        It is not a pin.
    """
    if isinstance(pin, Head):
        return pin
    if pin is not None:
        return _parse(pin)
    text = find_pin_text()
    if text is None:
        return None
    try:
        return _parse(text)
    except RequestError as error:
        raise RequestError(f"{PIN_VARIABLE}: {error}", pin=text) from None


def _parse(text: str) -> Head:
    return parse_head(text) if is_head(text) else parse_pin(text)


def find_whole_head(database: Database, pin: Head) -> Head:
    """Return a pin with all digits of its seal; refuse one of another history."""
    with database.read_transaction() as connection:
        return find_head(connection, find_revision_number(connection, pin))
