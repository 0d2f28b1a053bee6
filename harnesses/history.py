"""A registry with a rich history: facts of every table, most of them corrected, and exports in every format."""

from __future__ import annotations

from pathlib import Path

from registry import schema
from registry.api import Registry, create_registry
from registry.authorship import build_signature
from registry.database.transactions import Database
from registry.heads import HeadFile
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, SHORT_NAME, SOURCE, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation

EXPERIMENT = "xcs1"
OTHER_SOURCE = "XcsEndstation.0:Jungfrau.1"
PANELS = (PANEL_A, PANEL_B, NEW_A, PANEL_C)
_YEARS = tuple(f"{year}-01-01T00:00:00Z" for year in range(2018, 2026))


def make_history(factory: RegistryFactory, dialect: str) -> RegistryLocation:
    """Make a registry, and let everything happen to it that calreg can record."""
    location = factory.make_empty(dialect)
    create_registry(location.database, str(location.store))
    material = location.folder / "material"
    with location.open() as registry:
        _record_panels(registry, material)
        _record_runs(registry)
        _export(registry, material)
        _correct(registry, material)
    _record_lineage(location)
    with location.open() as registry:
        registry.tags.add("published", comment="as in the paper")
        # Newer than the newest revision.
        registry.export(PANEL_C, material / "last", at=_YEARS[4])
    return location


def _record_panels(registry: Registry, material: Path) -> None:
    folders = {
        name: write_panel_folder(material / name, seed)
        for seed, name in enumerate(("a", "b", "a again", "b wrong", "c"))
    }
    registry.panels.add(PANEL_A, alias="M068", comment="arrived in Hamburg")
    registry.panels.add(PANEL_B, alias="M043", alias_from=_YEARS[0])
    registry.versions.add(PANEL_A, folders["a"], valid_from="beginning", comment="from the maker")
    registry.versions.add(PANEL_B, folders["b wrong"], valid_from=_YEARS[0], allow_odd=True)
    registry.versions.add(PANEL_A, folders["a again"], valid_from=_YEARS[2], kinds=["gain"])
    registry.set_timezone("Europe/Berlin", comment="where they arrive")
    registry.panels.add(
        NEW_A,
        alias="M068",
        alias_from=_YEARS[3],
        carry_from=PANEL_A,
        valid_from=_YEARS[3],
        comment="new board",
    )
    registry.panels.add(PANEL_C)
    registry.versions.add(PANEL_C, folders["c"], valid_from=_YEARS[1], allow_nonfinite=True)
    registry.versions.add(
        PANEL_B, folders["b"], valid_from=_YEARS[0], supersede=True, comment="another module's before"
    )
    registry.tags.add("first")


def _record_runs(registry: Registry) -> None:
    for run in range(1, 7):
        begin, end = f"2019-06-0{run}T00:00:00Z", f"2019-06-0{run}T01:00:00Z"
        registry.runs.add(f"exp={EXPERIMENT}:run={run}", begin=begin, end=end if run % 2 else None)
    registry.runs.add(f"exp={EXPERIMENT}:run=7")
    registry.runs.add("exp=mfx2:run=1", begin="2022-06-01T00:00:00Z")
    both = f"{PANEL_A}_{PANEL_B}"
    registry.detectors.configure(EXPERIMENT, SOURCE, both, first_run=1, last_run=4)
    registry.detectors.configure(EXPERIMENT, OTHER_SOURCE, PANEL_C, first_run=1)
    registry.detectors.configure("mfx2", SOURCE, f"{PANEL_B}_{NEW_A}", first_run=1)
    registry.detectors.configure("mfx2", OTHER_SOURCE, f"{PANEL_A}_{PANEL_C}", first_run=1, segments=[0, 5])
    for name, panels in (("front", both), ("back", PANEL_C), ("spare", NEW_A)):
        registry.detectors.name(name, panels)


def _export(registry: Registry, material: Path) -> None:
    registry.export(PANEL_A, material / "npy", at=_YEARS[1])
    registry.export(f"exp={EXPERIMENT}:run=2", material / "hdf5", source=SOURCE, format="hdf5")
    registry.export(f"exp={EXPERIMENT}:run=1", material / "psana", source=SOURCE, format="psana")
    registry.export(
        "exp=mfx2:run=1", material / "lcls2", source=SOURCE, format="lcls2", short_name=SHORT_NAME
    )
    registry.deploy(EXPERIMENT, material / "calib")


def _correct(registry: Registry, material: Path) -> None:
    """Withdraw, supersede, end with a gap: of each sort at least one, and something else recorded afterwards."""
    registry.versions.gap(PANEL_B, valid_from=_YEARS[6], kinds=["offset"], comment="at the maker")
    registry.versions.withdraw(5, comment="measured warm")
    registry.runs.add(
        f"exp={EXPERIMENT}:run=3", begin="2019-06-03T00:30:00Z", supersede=True, comment="the clock was wrong"
    )
    registry.runs.withdraw(f"exp={EXPERIMENT}:run=6", comment="a test")
    exchanged = f"{PANEL_B}_{PANEL_A}"
    registry.detectors.configure(
        EXPERIMENT, SOURCE, exchanged, first_run=3, last_run=4, supersede=True, comment="exchanged"
    )
    registry.detectors.withdraw(EXPERIMENT, OTHER_SOURCE, first_run=1, comment="not there")
    registry.detectors.withdraw_name("spare", comment="sold")
    registry.detectors.name("front", exchanged, supersede=True, comment="exchanged")
    registry.aliases.add("M099", PANEL_C, valid_from=_YEARS[5])
    registry.aliases.withdraw("M099", PANEL_C, comment="a slip")
    registry.aliases.add("M043", PANEL_C, valid_from=_YEARS[7], same_module=True, comment="a new sensor")
    registry.set_timezone("America/Los_Angeles", comment="moved")
    registry.export(f"exp={EXPERIMENT}:run=4", material / "after", source=SOURCE)


def _record_lineage(location: RegistryLocation) -> None:
    """Record a head that was lost, as after a restored backup, and that of a registry which this one continues."""
    database = Database(location.database, HeadFile(location.store))
    for reason, registry in (("loss", None), ("fork", database.registry_id)):
        with database.write_transaction(build_signature(), "a disk failed") as change:
            row = {
                "reason": reason,
                "registry": registry,
                "ancestor": database.registry_id,
                "head_revision": change.newest + 3,
                "head_seal": "5ea1" * 16,
            }
            change.record(schema.lineage, [row])
    database.close()
