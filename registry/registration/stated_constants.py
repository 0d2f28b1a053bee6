"""Constants that are to be recorded for a module, and how they compare with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from registry import detectors
from registry.errors import Remedy
from registry.identifiers import is_m_number, parse_typed_m_number
from registry.lookup.file_uses import Module
from registry.records import CheckedConstants

ConstantsKey = tuple[Module, str]
"""A module, and the SHA-256 of constants."""


class StatedConstants(NamedTuple):
    """Constants stated for a module: compared once, however many versions state them.

    ``where`` says which version, or which entry of a directory, states them first.
    """

    module: Module
    constants: CheckedConstants
    where: str

    @property
    def key(self) -> ConstantsKey:
        """The module, and the checksum of the constants."""
        return self.module, self.constants.sha256


class Allowances(NamedTuple):
    """The maps that are meant although they look like a mix-up.

    Attributes
    ----------
    same_as
        Modules, by M-number or serial number, whose files are meant, the same bytes.
    pattern
        Maps are meant that look like another sensor's.
    """

    same_as: tuple[str, ...] = ()
    pattern: bool = False

    def names(self, module: Module) -> bool:
        """Tell whether the files of a module are meant."""
        return module.m_number in self.same_as or module.serial_number in self.same_as

    @classmethod
    def parse(cls, same_as: Sequence[str], *, pattern: bool) -> Allowances:
        """Return the allowances for modules that are named by an M-number or by a panel Id."""
        return cls(tuple(dict.fromkeys(map(_parse_module, same_as))), pattern)


class MixUp(NamedTuple):
    """A reason to refuse constants: what states them, a clause on it, the advice, and its values."""

    where: str
    reason: str
    remedy: Remedy
    values: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(slots=True)
class Comparison:
    """The outcome of the comparison of stated constants with each other and with what is live.

    Attributes
    ----------
    mix_ups
        By constants, why they are refused.
    same_as
        By constants, the module of which it was said that its files are meant: only where they are the same.
    patterns_allowed
        Constants that would be refused for their pattern without the allowance.
    sharing
        The other modules that have any of the files.
    """

    mix_ups: dict[ConstantsKey, list[MixUp]] = field(default_factory=dict)
    same_as: dict[ConstantsKey, str] = field(default_factory=dict)
    patterns_allowed: set[ConstantsKey] = field(default_factory=set)
    sharing: set[Module] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _parse_module(text: str) -> str:
    return parse_typed_m_number(text) if is_m_number(text) else detectors.parse_panel_id(text).serial_number


@lru_cache(maxsize=4096)  # a tree of links asks five times for each link, of few panels
def build_module(panel: str, m_number: str | None) -> Module:
    """Return the module of a panel that bears this M-number."""
    return Module(m_number, detectors.parse_panel_id(panel).serial_number)


def name_files(constants: CheckedConstants, gain_ranges: Sequence[int]) -> str:
    """Return the names of files of constants: ``g0_gain.npy, g1_gain.npy``."""
    return ", ".join(constants.files[gain_range].path.name for gain_range in gain_ranges)
