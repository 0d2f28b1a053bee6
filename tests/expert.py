"""The registry of a detector expert: forty modules, a detector of 32 of them, and a delivery for it."""

from __future__ import annotations

from pathlib import Path

from registry import create_registry, open_registry
from testing.panels import write_panel_folder

_SOURCE = "MfxEndstation.0:Jungfrau.0"
_NEW_PANEL = "171113-154920171025-3d1010"  # of M017, after its firmware upgrade


def make_expert_registry(folder: Path) -> None:
    """Make the registry in a folder, in six revisions, and beside it the delivery, one of whose folders is misnamed."""
    location = f"sqlite:///{folder / 'registry.sqlite'}"
    create_registry(location)
    names = [f"M{number:03d}" for number in range(1, 41)]
    panels = [f"170505-149520170815-3d{0x1000 + number:x}" for number in range(40)]
    earlier = folder.parent / "earlier"
    for number, (name, panel) in enumerate(zip(names, panels, strict=True)):
        write_panel_folder(earlier / f"{name}", number)
        (earlier / f"{panel}-20180101000000").symlink_to(name)
    with open_registry(location, timezone="UTC") as registry:
        registry.import_tree(earlier)
        registry.panels.add(
            _NEW_PANEL, alias="M017", carry_from=panels[16], valid_from="2018-03-01T00:00:00Z"
        )
        detector = "_".join([*panels[:16], _NEW_PANEL, *panels[17:32]])
        registry.detectors.configure("mfxx1234", _SOURCE, detector, first_run=1)
        for run, day in ((1, "02"), (2, "10"), (3, "20")):
            registry.runs.add(f"exp=mfxx1234:run={run}", begin=f"2018-05-{day}T08:00:00Z")
    for number, name in enumerate(names[:32]):
        write_panel_folder(folder / "delivery" / (name if number < 31 else "Modul 32"), 100 + number)
