"""Detector types: their panels, their kinds of constants, and how their panel Ids are spelled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from registry.detectors.kinds import Condition, Kind
from registry.errors import IdentifierError, RequestError
from registry.identifiers import get_device_name, is_newer_source, noncanonical_error, quote

_NUMBER_FORMATS = {
    10: ("decimal", re.compile(r"[0-9]+")),
    16: ("hexadecimal", re.compile(r"(0[xX])?[0-9a-fA-F]+")),
}


class PanelId(Struct, frozen=True):
    """The Id under which the data system knows a panel.

    Attributes
    ----------
    text
        The canonical spelling.
    module_version, firmware_version, serial_number
        Parts of it as lower-case hexadecimal numbers of at most 64 bits, without leading zeros. A module may have
        several panel Ids, one after the other; those with one serial number are of one module.
    """

    text: str
    module_version: str
    firmware_version: str
    serial_number: str

    def __str__(self) -> str:
        return self.text


class PanelIdFormat(Struct, frozen=True):
    """The spelling of a detector type's panel Ids. One spelling is canonical: two would be two panels.

    Attributes
    ----------
    owns
        Tells whether a text is meant as such an Id, well formed or not. No text may be that of two types.
    description, example
        What is expected, in words, and one such Id.
    read
        Reads an Id in any unambiguous spelling; raises IdentifierError for every other text.
    """

    owns: Callable[[str], bool]
    description: str
    example: str
    read: Callable[[str], PanelId]

    def parse(self, text: str) -> PanelId:
        """Read a panel Id; raise `IdentifierError`, with the canonical spelling if there is one, for other texts."""
        if not self.owns(text):
            raise IdentifierError(
                f"{quote(text)} is not a panel Id: {self.description} are expected, as in {self.example}"
            )
        parsed = self.read(text)
        if text != parsed.text:
            raise noncanonical_error("panel Id", text, parsed.text)
        return parsed


def parse_field(field: str, text: str, base: Literal[10, 16], bits: int) -> int:
    """Read the number in one field of the panel Id `text`; leading zeros, and ``0x`` before base 16, are allowed."""
    name, digits = _NUMBER_FORMATS[base]
    if not digits.fullmatch(field):
        raise IdentifierError(f"{quote(text)} is not a panel Id: {quote(field)} is not a {name} number")
    significant = field.lower().removeprefix("0x").lstrip("0") or "0"
    # Cut before it is read: Python does not read numbers of thousands of digits.
    value = int(significant[:bits], base)
    if value >= 1 << bits:
        raise IdentifierError(f"{quote(text)} is not a panel Id: {quote(field)} has more than {bits} bits")
    return value


class MakerFormat(Struct, frozen=True):
    """The maker's file of one panel: arrays (row, column), one per gain stage, without a header.

    Attributes
    ----------
    kind
        The kind of constants that the arrays become.
    dtype
        Of the file's values, as numpy writes it; their unit is that of the kind.
    stages
        The gain stages that become the gain ranges, in their order.
    optional_stages
        The stages that may follow, all or none; they become no gain ranges.
    """

    kind: str
    dtype: str
    stages: tuple[str, ...]
    optional_stages: tuple[str, ...] = ()


class Device(Struct, frozen=True):
    """A detector as sources and configuration objects name it.

    Attributes
    ----------
    name
        In sources: ``Jungfrau`` of ``XcsEndstation.0:Jungfrau.0``. In the newer data system the start of the name that
        the detector has in the data, ``jungfrau`` of ``jungfrau16M``.
    configuration_object
        The name of its configuration objects without their version: ``psana.Jungfrau.Config``; None in the newer data
        system, which has none.
    fewest_panels
        The number of panels of the smallest whole one: with fewer some are absent.
    most_panels
        The number of panels of the largest one; None for the largest whole detector of the type.
    """

    name: str
    configuration_object: str | None = None
    fewest_panels: int = 1
    most_panels: int | None = None


@dataclass(frozen=True, slots=True)
class DetectorType:
    """A family of multi-panel detectors. Its methods raise `RequestError` for names that it does not know.

    Attributes
    ----------
    name
        As recorded; also the prefix of the newer detector Ids.
    devices
        Its devices, the usual one first.
    whole_sizes
        The numbers of panels of whole detectors, ascending. Segment numbers are below the last.
    panel_id_format
        The spelling of its panel Ids.
    gain_ranges
        The number of files that make up one kind of constants.
    panel_shape
        (rows, columns) of one panel.
    asic_shape
        (rows, columns) of one of the readout chips that a panel is made of.
    kinds
        Every known kind, the required ones first, those under a condition last.
    conditions
        The conditions of operation under which there are darks of their own.
    maker_format
        The maker's file, None where its layout is not known.
    newer_devices
        Its devices in the newer data system.
    """

    name: str
    devices: tuple[Device, ...]
    whole_sizes: tuple[int, ...]
    panel_id_format: PanelIdFormat
    gain_ranges: int
    panel_shape: tuple[int, int]
    asic_shape: tuple[int, int]
    kinds: tuple[Kind, ...]
    maker_format: MakerFormat | None = None
    newer_devices: tuple[Device, ...] = ()
    conditions: tuple[Condition, ...] = ()

    @property
    def group(self) -> str:
        """The folder of the usual device's constants in a calibration directory, ``Jungfrau::CalibV1``."""
        return _group_name(self.devices[0].name)

    def group_of(self, source: str) -> str:
        """Return the folder of a source's constants in a calibration directory, by the name of its device."""
        return _group_name(self.find_device(source).name)

    def home_of(self, source: str) -> str:
        """Return the folder of a source in a calibration directory, in that of its group."""
        return f"{self.group_of(source)}/{source}"

    def has_source(self, source: str) -> bool:
        """Tell whether a source names one of the devices."""
        return self._find_device(source) is not None

    def find_device(self, source: str) -> Device:
        """Return the device that a source names; refuse a source of another detector type."""
        device = self._find_device(source)
        if device is None:
            known = ", ".join(device.name for device in (*self.devices, *self.newer_devices))
            raise RequestError(f"{quote(source)} is not a source of {self.name}; devices: {known}")
        return device

    def _find_device(self, source: str) -> Device | None:
        if is_newer_source(source):
            return next((device for device in self.newer_devices if _starts_name(device.name, source)), None)
        name = get_device_name(source)
        return next((device for device in self.devices if device.name == name), None)

    def most_panels(self, source: str) -> int:
        """Return the largest number of panels that a source can read out."""
        return self.find_device(source).most_panels or self.whole_sizes[-1]

    @property
    def asic_grid(self) -> tuple[int, int] | None:
        """The numbers of rows and columns of ASICs on a panel; None if it is not made of whole ones."""
        (rows, columns), (asic_rows, asic_columns) = self.panel_shape, self.asic_shape
        if rows % asic_rows or columns % asic_columns:
            return None
        return rows // asic_rows, columns // asic_columns

    @property
    def required_kinds(self) -> tuple[str, ...]:
        """The names of the kinds that are exported by default."""
        return tuple(kind.name for kind in self.kinds if kind.required)

    def find_kind(self, name: str) -> Kind:
        """Return the kind of that name."""
        for kind in self.kinds:
            if kind.name == name:
                return kind
        known = self._list_names({kind.name: kind for kind in self.kinds})
        raise RequestError(f"{quote(name)} is not a kind of constants of {self.name}; known: {known}")

    def find_kind_of_type(self, calibration_type: str) -> Kind:
        """Return the kind from whose files the array `calibration_type` is assembled."""
        for kind in self.kinds:
            if kind.calibration_type == calibration_type:
                return kind
        known = self._list_names({kind.calibration_type: kind for kind in self.kinds})
        raise RequestError(
            f"{quote(calibration_type)} is not a calibration type of {self.name}; known: {known}"
        )

    def _list_names(self, kinds: Mapping[str, Kind]) -> str:
        """Return the names of the usual kinds, and one under a condition, with the conditions."""
        usual = ", ".join(name for name, kind in kinds.items() if kind.condition is None)
        example = next((name for name, kind in kinds.items() if kind.condition is not None), None)
        if example is None:
            return usual
        conditions = ", ".join(condition.name for condition in self.conditions)
        return f"{usual}; darks under a condition ({conditions}) as {example}"

    def file_name(self, kind: str, gain_range: int) -> str:
        """Return the name under which a panel's folder holds these constants: ``g0_gain.npy``.

        Under a condition it is ``g0_pedestals-hg0.npy``.
        """
        return f"g{gain_range}_{kind.replace('/', '-')}.npy"

    def file_names(self, kind: str) -> list[str]:
        """Return the names of all files of one kind, in the order of the gain ranges."""
        return [self.file_name(kind, gain_range) for gain_range in range(self.gain_ranges)]

    def array_shape(self, panels: int) -> tuple[int, int, int, int]:
        """Return the shape of an assembled array: (gain range, panel, row, column)."""
        return (self.gain_ranges, panels, *self.panel_shape)


def _starts_name(name: str, source: str) -> bool:
    """Tell whether a name in the data is that of a device: behind the device's, if anything, a digit or ``_``."""
    rest = source.removeprefix(name)
    return rest != source and (not rest or rest[0] == "_" or rest[0].isdigit())


def _group_name(device: str) -> str:
    return f"{device}::CalibV1"
