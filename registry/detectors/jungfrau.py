"""Jungfrau: panels of 512 x 1024 pixels with three automatically switched gain ranges.

A panel Id is ``moduleVersion-firmwareVersion-serialNumber``, three unsigned 64-bit numbers in lower-case
hexadecimal without leading zeros; 0 is written ``0``, where the old formatter wrote nothing.

``status`` is a bit mask of every pixel from the dark processing: 0 good, 1 and 2 rms too high and too low,
4 and 8 intensity too high and too low in too many events, 16 and 32 average too high and too low, 64 gain not
switched. It has 64 bits as in the newer system (slac-lcls/lcls2, ``pscalib/calib/CalibConstants.py`` and
``detector/UtilsCalib.py``); the older one (lcls-psana/PSCalib, ``GlobalUtils.py``) reads 16 of them, which hold
all the bits that have a meaning. ``mask`` is 1 for a good pixel and 0 for a bad one.
"""

from __future__ import annotations

from registry.detectors.kinds import Condition, Kind, ZeroMeaning, add_conditions
from registry.detectors.types import DetectorType, Device, MakerFormat, PanelId, PanelIdFormat, parse_field
from registry.errors import IdentifierError
from registry.identifiers import quote


def _parse_panel_id(text: str) -> PanelId:
    """Read a panel Id in upper case, with leading zeros or ``0x`` too."""
    fields = text.split("-")
    numbers = [f"{parse_field(field or '0', text, 16, 64):x}" for field in fields]
    canonical = "-".join(numbers)
    if "" in fields:
        raise IdentifierError(
            f"panel Id {quote(text)} has an empty field, which is how the old formatter wrote the value 0;"
            f" write {canonical}",
            canonical=canonical,
        )
    return PanelId(canonical, *numbers)


# Typical gains as the field publishes them, in ADU/keV (offsets: 0.01, 300 and 50 ADU). The sign flips with the
# amplifier stage. Between two gain ranges there is a factor of more than ten, so none can be taken for another.
_GAINS = (41.5, -1.39, -0.11)
# The ADC has 14 bits: data is corrected as ((raw & 0x3fff) - pedestal - offset) / gain, so a mean of raw values lies
# between 0 and 16383, and an offset is the difference of two. An offset of 0.01 ADU has no sign that would mean
# anything. The standard deviation of raw values is not negative, and not larger than they are.
_ADC_MAXIMUM = 16383.0
# Darks of the modes that share a gain range: see slac-lcls/lcls2, detector/UtilsJungfrauCalib.py. A facility that takes
# darks of its own for a bias or an integration time adds a line for each.
_CONDITIONS = (
    Condition("hg0", "gain range 0 with high gain, HighGain0"),
    Condition("fixed", "gain ranges 1 and 2 fixed from the start, FixedGain1 and FixedGain2"),
)
# The expected medians leave a factor of about three around the typical ones; for rms there are no published figures.
_KINDS = (
    Kind(
        "gain",
        "pixel_gain",
        "ADU/keV",
        "<f4",
        ((14.0, 125.0), (-4.2, -0.46), (-0.33, -0.036)),
        typical_medians=_GAINS,
        required=True,
        zero=ZeroMeaning.DEAD,
        scales=True,
        # Maps of the two other gain ranges are mostly filled in.
        characteristic=(0,),
    ),
    Kind(
        "offset",
        "pixel_offset",
        "ADU",
        "<f4",
        ((-100.0, 100.0), (-1000.0, 1000.0), (-1000.0, 1000.0)),
        limits=(-_ADC_MAXIMUM, _ADC_MAXIMUM),
        required=True,
    ),
    Kind(
        "pedestals",
        "pedestals",
        "ADU",
        "<f4",
        ((500.0, 8000.0), (8000.0, _ADC_MAXIMUM), (8000.0, _ADC_MAXIMUM)),
        limits=(0.0, _ADC_MAXIMUM),
        by_condition=True,
    ),
    Kind(
        "rms",
        "pixel_rms",
        "ADU",
        "<f4",
        ((0.5, 100.0),) * 3,
        limits=(0.0, _ADC_MAXIMUM),
        scales=True,
        by_condition=True,
    ),
    Kind("status", "pixel_status", "1", "<u8", zero=ZeroMeaning.GOOD, by_condition=True),
    # Flags that people add to those of the darks.
    Kind("status_extra", "status_extra", "1", "<u8", zero=ZeroMeaning.GOOD, by_condition=True),
    # The smallest and the largest raw value of each pixel in the darks, of the type that the newer system has for them.
    Kind("min", "pixel_min", "ADU", "<u8", limits=(0.0, _ADC_MAXIMUM), by_condition=True),
    Kind("max", "pixel_max", "ADU", "<u8", limits=(0.0, _ADC_MAXIMUM), by_condition=True),
    Kind("mask", "pixel_mask", "1", "|u1", limits=(0.0, 1.0), zero=ZeroMeaning.DEAD),
)

JUNGFRAU = DetectorType(
    name="jungfrau",
    devices=(Device("Jungfrau", "psana.Jungfrau.Config"),),
    newer_devices=(Device("jungfrau"),),
    # 0.5M, 1M, 4M and 16M: jungfrau_segments_tot in slac-lcls/lcls2, detector/UtilsJungfrau.py.
    whole_sizes=(1, 2, 8, 32),
    panel_id_format=PanelIdFormat(
        owns=lambda text: text.count("-") == 2,
        description="three hexadecimal fields joined by '-'",
        example="170505-149520170815-3d00b0",
        read=_parse_panel_id,
    ),
    gain_ranges=3,
    panel_shape=(512, 1024),
    asic_shape=(256, 256),
    conditions=_CONDITIONS,
    kinds=add_conditions(_KINDS, _CONDITIONS),
    # gainMaps_M049.bin of the Paul Scherrer Institute. Data above the pedestal divided by these values is in keV:
    # they are ADU/keV. The stages of the high gain mode (HG) follow where the module was calibrated in it.
    maker_format=MakerFormat("gain", "<f8", ("G0", "G1", "G2"), ("HG0", "HG1", "HG2")),
)
