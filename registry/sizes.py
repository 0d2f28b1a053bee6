"""Sizes in bytes as people write and read them: ``20 GB``, ``500 MiB``."""

from __future__ import annotations

import re

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s?([kKMGT]?)(i?)(B?)", re.ASCII)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_UNITS = ("kB", "MB", "GB", "TB")


def parse_size(text: str) -> int | None:
    """Return a size in bytes, None for a text that is not a size of a byte or more.

    ``kB`` to ``TB`` count in thousands; ``KiB`` to ``TiB``, and ``K`` to ``T`` alone, in 1024.
    """
    from decimal import Decimal  # only where a size is given

    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    number, prefix, is_binary, has_unit = match.groups()
    if is_binary and not prefix:
        return None
    size = int(Decimal(number) * (1000 if has_unit and not is_binary else 1024) ** _POWERS[prefix.upper()])
    return size or None


def format_size(size: int) -> str:
    """Return a size with three digits: ``402 MB``."""
    amount = float(size)
    for unit in ("B", *_UNITS):
        if amount < 999.5 or unit == _UNITS[-1]:
            break
        amount /= 1000
    decimals = 0 if unit == "B" or amount >= 99.95 else 1 if amount >= 9.995 else 2
    return f"{amount:.{decimals}f} {unit}"
