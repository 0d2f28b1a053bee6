"""The frozen values that the registry hands out. Their field names are the keys that scripts read.

They are msgspec's structs and no dataclasses: thirty dataclasses, whose methods are compiled when they are
defined, took a tenth of the time of a look-up from the command line.
"""

from __future__ import annotations

from registry.records.answers import (
    AffectedRun,
    ChangedConstants,
    DetectorDifference,
    Export,
    ExportedFile,
    IdentifiedExport,
    IdentifiedInput,
    IdentifiedPart,
    Identity,
    Outcome,
    PanelDifference,
    PixelDifference,
    Problem,
    UnreferencedFile,
    Validity,
    Verification,
    VersionDifference,
)
from registry.records.conversions import Conversion, ConvertedStage
from registry.records.facts import (
    Alias,
    CheckedConstants,
    CheckedFile,
    Configuration,
    Detector,
    Panel,
    RecordedFile,
    Revision,
    Run,
    Statistics,
    StoredFile,
    Tag,
    Version,
    Withdrawal,
)
from registry.records.tree_comparison import (
    ChoiceDifference,
    LinkDifference,
    RunDifference,
    TreeComparison,
)

__all__ = [
    "AffectedRun",
    "Alias",
    "ChangedConstants",
    "CheckedConstants",
    "CheckedFile",
    "ChoiceDifference",
    "Configuration",
    "Conversion",
    "ConvertedStage",
    "Detector",
    "DetectorDifference",
    "Export",
    "ExportedFile",
    "IdentifiedExport",
    "IdentifiedInput",
    "IdentifiedPart",
    "Identity",
    "LinkDifference",
    "Outcome",
    "Panel",
    "PanelDifference",
    "PixelDifference",
    "Problem",
    "RecordedFile",
    "Revision",
    "Run",
    "RunDifference",
    "Statistics",
    "StoredFile",
    "Tag",
    "TreeComparison",
    "UnreferencedFile",
    "Validity",
    "Verification",
    "Version",
    "VersionDifference",
    "Withdrawal",
]
