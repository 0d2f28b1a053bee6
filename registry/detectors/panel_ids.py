"""Panel Ids: what they say of a panel, and how a detector type spells them.

One spelling of each Id is canonical. Every other spelling is refused with the canonical one named, because two
spellings of one panel would be two panels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from registry.errors import IdentifierError
from registry.identifiers import quote

_NUMBER_FORMATS = {
    10: ("decimal", re.compile(r"[0-9]+")),
    16: ("hexadecimal", re.compile(r"(0[xX])?[0-9a-fA-F]+")),
}


@dataclass(frozen=True, slots=True)
class PanelId:
    """The Id under which a panel answers to the data system, read.

    Attributes
    ----------
    text
        The canonical spelling.
    module_version, firmware_version, serial_number
        Parts of it as lower-case hexadecimal numbers of at most 64 bits, without leading zeros. A module shows
        several panel Ids over its life; those with one serial number are of one module.
    """

    text: str
    module_version: str
    firmware_version: str
    serial_number: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class PanelIdFormat:
    """How a detector type spells its panel Ids: fields joined by ``-``. No two types have as many fields.

    Attributes
    ----------
    fields
        How many fields there are.
    meaning, example
        What is expected, in words, and one such Id.
    read
        Reads an Id in any spelling that leaves no doubt; raises IdentifierError for every other text.
    """

    fields: int
    description: str
    example: str
    read: Callable[[str], PanelId]

    def matches(self, text: str) -> bool:
        """Tell whether the text has as many fields, and so is meant as such an Id, well formed or not."""
        return text.count("-") == self.fields - 1

    def parse(self, text: str) -> PanelId:
        """Read a canonical panel Id.

        Raises
        ------
        IdentifierError
            The text is no such Id, or is not spelled canonically (then the canonical form is named).
        """
        if not self.matches(text):
            raise IdentifierError(
                f"{quote(text)} is no panel Id: {self.description} are expected, as in {self.example}"
            )
        parsed = self.read(text)
        if text != parsed.text:
            raise IdentifierError(
                f"panel Id {quote(text)} is not in its canonical form; write {parsed}", canonical=parsed.text
            )
        return parsed


def parse_field(field: str, text: str, base: Literal[10, 16], bits: int) -> int:
    """Read the number in one field of the panel Id `text`; leading zeros, and ``0x`` before base 16, are no matter.

    Raises
    ------
    IdentifierError
        It is no such number, or has more bits.
    """
    name, digits = _NUMBER_FORMATS[base]
    if not digits.fullmatch(field):
        raise IdentifierError(f"{quote(text)} is no panel Id: {quote(field)} is not a {name} number")
    significant = field.lower().removeprefix("0x").lstrip("0") or "0"
    # Cut before it is read: Python does not read numbers of thousands of digits.
    value = int(significant[:bits], base)
    if value >= 1 << bits:
        raise IdentifierError(f"{quote(text)} is no panel Id: {quote(field)} has more than {bits} bits")
    return value
