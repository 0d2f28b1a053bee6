"""What is known of a type of detector: its panels, its kinds of constants, what their values look like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.detectors.panel_ids import PanelIdFormat
from registry.errors import RequestError
from registry.identifiers import quote


class ZeroMeaning(StrEnum):
    """What the value zero says of a pixel.

    Where it is a value like any other or a dead pixel, an array of nothing but zeros is no constants.
    """

    ORDINARY = "a value like any other"
    DEAD = "a dead pixel"
    GOOD = "a pixel without any flag"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of constants of a detector type.

    Attributes
    ----------
    name
        As in the file names: ``g0_<name>.npy``.
    calibration_type
        The name of the assembled array.
    unit
        Of the values; ``1`` for flags and other pure numbers.
    dtype
        Of the file and of the assembled array, as numpy writes it (``<f4``).
    expected_medians
        One (low, high) pair a gain range, or none at all. A median outside is legal and warned about.
    required
        Whether a version without ``--kind`` must have it, and a look-up without ``--kind`` asks for it.
    zero
        What a zero says of its pixel: dead and flagged pixels are counted in a warning.
    """

    name: str
    calibration_type: str
    unit: str
    dtype: str
    expected_medians: tuple[tuple[float, float], ...] = ()
    required: bool = False
    zero: ZeroMeaning = ZeroMeaning.ORDINARY


@dataclass(frozen=True, slots=True)
class MakerFormat:
    """The file in which the maker delivers a panel: stage after stage, (row, column) each, and no header.

    Attributes
    ----------
    kind
        What the maps are called here.
    dtype
        Of the file's values, as numpy writes it; their unit is that of the kind.
    stages
        The gain stages that become the gain ranges, in their order.
    further
        What may follow, all of it or nothing: no gain ranges.
    """

    kind: str
    dtype: str
    stages: tuple[str, ...]
    optional_stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectorType:
    """A family of multi-panel detectors.

    Attributes
    ----------
    name
        As recorded; also the prefix of the newer detector Ids.
    devices
        The names of its devices in sources (``XcsEndstation.0:Jungfrau.0``), the usual one first.
    panel_ids
        How the Ids of its panels are spelled.
    gain_ranges
        How many files make one kind of constants.
    panel_shape
        (rows, columns) of one panel.
    kinds
        Every kind that is known, the required ones first.
    makers_maps
        How its maker delivers maps; None where that is not known.
    """

    name: str
    devices: tuple[str, ...]
    panel_id_format: PanelIdFormat
    gain_ranges: int
    panel_shape: tuple[int, int]
    kinds: tuple[Kind, ...]
    maker_format: MakerFormat | None = None

    @property
    def group(self) -> str:
        """The folder of the usual device's constants in a calibration directory, ``Jungfrau::CalibV1``."""
        return _group_name(self.devices[0])

    def group_of(self, source: str) -> str:
        """Return the folder of a source's constants in a calibration directory, by the name of its device.

        Raises
        ------
        RequestError
            It is the source of no such device.
        """
        device = source.rpartition(":")[2].partition(".")[0]
        if device not in self.devices:
            known = ", ".join(self.devices)
            raise RequestError(f"{quote(source)} is no source of {self.name}; devices: {known}")
        return _group_name(device)

    @property
    def required_kinds(self) -> tuple[str, ...]:
        """The names of the kinds that no export by default can do without."""
        return tuple(kind.name for kind in self.kinds if kind.required)

    def find_kind(self, name: str) -> Kind:
        """Return the kind of that name.

        Raises
        ------
        RequestError
            The detector type has no such kind; those that it has are named.
        """
        for kind in self.kinds:
            if kind.name == name:
                return kind
        known = ", ".join(kind.name for kind in self.kinds)
        raise RequestError(f"{quote(name)} is no kind of constants of {self.name}; known: {known}")

    def find_kind_of_type(self, calibration_type: str) -> Kind:
        """Return the kind from whose files the array `calibration_type` is assembled.

        Raises
        ------
        RequestError
            The detector type has no such array; those that it has are named.
        """
        for kind in self.kinds:
            if kind.calibration_type == calibration_type:
                return kind
        known = ", ".join(kind.calibration_type for kind in self.kinds)
        raise RequestError(f"{quote(calibration_type)} is no calibration type of {self.name}; known: {known}")

    def file_name(self, kind: str, gain_range: int) -> str:
        """Return the name under which a panel's folder holds these constants, ``g0_gain.npy``."""
        return f"g{gain_range}_{kind}.npy"

    def file_names(self, kind: str) -> list[str]:
        """Return the names of all files of one kind, in the order of the gain ranges."""
        return [self.file_name(kind, gain_range) for gain_range in range(self.gain_ranges)]

    def array_shape(self, panels: int) -> tuple[int, int, int, int]:
        """Return the shape of an assembled array: (gain range, panel, row, column)."""
        return (self.gain_ranges, panels, *self.panel_shape)


def _group_name(device: str) -> str:
    return f"{device}::CalibV1"
