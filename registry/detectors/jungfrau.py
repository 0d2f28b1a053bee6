"""Jungfrau: panels of 512 x 1024 pixels with three automatically switched gain ranges."""

from __future__ import annotations

from registry.detectors.types import DetectorType, Kind, MakersMaps

# The expected medians leave a factor of about three around what the field sees: 41.5, -1.39, -0.11 ADU/keV
# and 0.01, 300, 50 ADU. The sign of the gain flips with the amplifier stage, so a wrong sign falls outside.
JUNGFRAU = DetectorType(
    name="jungfrau",
    group="Jungfrau::CalibV1",
    gain_ranges=3,
    panel_shape=(512, 1024),
    kinds=(
        Kind(
            "gain",
            "pixel_gain",
            "ADU/keV",
            "<f4",
            ((14.0, 125.0), (-4.2, -0.46), (-0.33, -0.036)),
            required=True,
            zero_is_dead=True,
        ),
        Kind(
            "offset",
            "pixel_offset",
            "ADU",
            "<f4",
            ((-100.0, 100.0), (-1000.0, 1000.0), (-1000.0, 1000.0)),
            required=True,
        ),
        Kind("pedestals", "pedestals", "ADU", "<f4", ((500.0, 8000.0), (8000.0, 16383.0), (8000.0, 16383.0))),
        Kind("rms", "pixel_rms", "ADU", "<f4", ((0.5, 100.0), (0.5, 100.0), (0.5, 100.0))),
    ),
    # gainMaps_M049.bin of the Paul Scherrer Institute. Data above the pedestal is divided by these values to give
    # keV: they are ADU/keV. The stages of the high gain mode (HG) follow where the module was calibrated in it.
    makers_maps=MakersMaps("gain", "<f8", ("G0", "G1", "G2"), ("HG0", "HG1", "HG2")),
)
