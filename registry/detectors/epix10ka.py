"""ePix10ka: panels of 352 x 384 pixels that are read in one of three fixed or two automatic gain modes.

A gain range here is a gain mode of the detector: seven, in the order of the calibration files of the field,
`GAIN_MODES` (lcls-psana/Detector, ``UtilsEpix10ka.py``; slac-lcls/lcls2, ``detector/UtilsEpix10ka.py``): fixed high,
medium and low; automatic high-to-low before the switch; medium-to-low before the switch; and both after it.
Data is corrected as ((raw & 0x3fff) - pedestal) / gain. The frameworks know an offset and do not
subtract it: as measured by charge injection it is part of the pedestals of the last two gain modes.

A panel Id is ``firmware-carrier0-carrier1-digital0-digital1-analog0-analog1``, unsigned 32-bit numbers of ten decimal
digits each (``id_epix10ka`` in lcls-psana/Detector, ``UtilsEpix10ka2M.py``; ``_fullname`` in slac-lcls/lcls2,
``detector/epix_base.py``). The carrier, on which the sensor sits, distinguishes modules: the panels of a quad
share the digital card, and the data systems write the analog card, the newer one the digital card too, as zeros.
"""

from __future__ import annotations

from registry.detectors.kinds import Kind, ZeroMeaning
from registry.detectors.types import DetectorType, Device, PanelId, PanelIdFormat, parse_field

GAIN_MODES = ("FH", "FM", "FL", "AHL-H", "AML-M", "AHL-L", "AML-L")

# 132 ADU at 8.05 keV in high gain; medium has a third of it, low a hundredth (lcls-psana/Detector,
# UtilsEpix10kaCalib.py). Measured means: 128, 42 and 1.3 ADU. Between high and medium there is a factor of three only:
# one in the place of the other is unusual, and not impossible.
_HIGH, _MEDIUM, _LOW = (9.5, 28.0), (3.2, 9.4), (0.055, 0.5)
_GAINS = (16.4, 5.47, 0.164, 16.4, 5.47, 0.164, 0.164)
# Published pedestals are 2100 to 3100 ADU. For rms and offset there are no published figures: these limits are wide.
_PEDESTAL, _RMS, _OFFSET = (700.0, 9300.0), (0.1, 100.0), (-16383.0, 16383.0)
# The ADC has 14 bits (raw & 0x3fff). Pedestals of the last two gain modes are extrapolated from charge injection and
# may be negative; a pedestal or an offset beyond the ADC on either side is not one. A standard deviation is not
# negative, and not larger than the values are.
_ADC_RANGE, _RMS_LIMITS = (-16383.0, 16383.0), (0.0, 16383.0)


def _parse_panel_id(text: str) -> PanelId:
    """Read a panel Id whose fields have more or fewer leading zeros too."""
    numbers = [parse_field(field, text, 10, 32) for field in text.split("-")]
    firmware, carrier0, carrier1, digital0, digital1, *_ = numbers
    return PanelId(
        text="-".join(f"{number:010}" for number in numbers),
        module_version=f"{digital0 << 32 | digital1:x}",
        firmware_version=f"{firmware:x}",
        serial_number=f"{carrier0 << 32 | carrier1:x}",
    )


EPIX10KA = DetectorType(
    name="epix10ka",
    # One panel, four, sixteen, with a group of their own each (list_of_calib_groups in PSCalib's GlobalUtils.py);
    # the names of their configuration objects are in lcls-psana/Detector, PyDataAccess.py.
    devices=(
        Device("Epix10ka", "psana.Epix.Config10ka"),
        Device("Epix10kaQuad", "psana.Epix.Config10kaQuad", fewest_panels=4, most_panels=4),
        Device("Epix10ka2M", "psana.Epix.Config10ka2M", fewest_panels=16),
    ),
    # epixquad is the name of a quad in the data (slac-lcls/lcls2, detector/UtilsEpix10kaCalib.py).
    newer_devices=(Device("epix10ka"), Device("epixquad", fewest_panels=4, most_panels=4)),
    whole_sizes=(1, 4, 16),
    panel_id_format=PanelIdFormat(
        owns=lambda text: text.count("-") == 6,
        description="seven fields of ten decimal digits",
        example="3926196238-0175152897-1157627926-0000000000-0000000000-0000000000-0000000000",
        read=_parse_panel_id,
    ),
    gain_ranges=len(GAIN_MODES),
    panel_shape=(352, 384),
    asic_shape=(176, 192),
    kinds=(
        Kind(
            "gain",
            "pixel_gain",
            "ADU/keV",
            "<f4",
            (_HIGH, _MEDIUM, _LOW, _HIGH, _MEDIUM, _LOW, _LOW),
            typical_medians=_GAINS,
            required=True,
            zero=ZeroMeaning.DEAD,
            scales=True,
            # No gain range is characteristic: whether two measurements of one panel agree has not been seen.
        ),
        Kind("offset", "pixel_offset", "ADU", "<f4", (_OFFSET,) * len(GAIN_MODES), limits=_ADC_RANGE),
        Kind("pedestals", "pedestals", "ADU", "<f4", (_PEDESTAL,) * len(GAIN_MODES), limits=_ADC_RANGE),
        Kind("rms", "pixel_rms", "ADU", "<f4", (_RMS,) * len(GAIN_MODES), limits=_RMS_LIMITS, scales=True),
        Kind("status", "pixel_status", "1", "<u8", zero=ZeroMeaning.GOOD),
        Kind("status_extra", "status_extra", "1", "<u8", zero=ZeroMeaning.GOOD),
        Kind("min", "pixel_min", "ADU", "<u8", limits=_ADC_RANGE),
        Kind("max", "pixel_max", "ADU", "<u8", limits=_ADC_RANGE),
        Kind("mask", "pixel_mask", "1", "|u1", limits=(0.0, 1.0), zero=ZeroMeaning.DEAD),
    ),
)
