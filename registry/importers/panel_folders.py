"""Folders of panels' arrays, ``g0_gain.npy`` and so on, checked: one, or every folder of a legacy tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from registry import detectors
from registry.arrays import array_warnings, check_file
from registry.detectors import DetectorType
from registry.errors import ArrayError, NotFoundError, RegistryError, Remedy, UnavailableError
from registry.files import list_folder
from registry.importers.legacy_tree import Entry, Hazard, LegacyTree, read_legacy_tree
from registry.parallel import Progress, map_in_threads
from registry.records import CheckedConstants, CheckedFile, Conversion
from registry.registration.versions import build_constants


@dataclass(frozen=True, slots=True)
class PanelFolder:
    """A folder's constants by kind, and the names of its entries that are not arrays of a known kind.

    ``conversions`` has, by kind, how files were made of what another system has; none where they are its own.
    """

    path: Path
    constants: tuple[CheckedConstants, ...]
    left_out: tuple[str, ...]
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    conversion: None = None  # the files of one place are registered byte for byte

    @property
    def warnings(self) -> list[str]:
        """Sentences on what is legal in the files and yet worth a look."""
        return [warning for constants in self.constants for warning in constants.warnings]

    @property
    def notes(self) -> list[str]:
        """A sentence on each entry that was left out."""
        return [
            f"{self.path / name} is not an array of a known kind; it is left out" for name in self.left_out
        ]


def read_panel_folder(
    folder: Path,
    detector: DetectorType,
    kinds: Sequence[str] | None = None,
    *,
    allow_nonfinite: bool = False,
    allow_odd: bool = False,
) -> PanelFolder:
    """Check every file of these kinds; without `kinds`, of the required ones and of all of which a file is there.

    Raises
    ------
    ArrayError
        Files are missing, are not what they must be, or cannot be read; all such are listed.
    NotFoundError
        There is no such folder.
    UnavailableError
        Nothing else is wrong than that the folder or files cannot be read.
    """
    names = {entry.name for entry in list_folder(folder, "a folder with g0_gain.npy and so on", ArrayError)}
    wanted = (
        [detector.find_kind(kind).name for kind in dict.fromkeys(kinds)]
        if kinds
        else find_present_kinds(detector, names)
    )
    missing = {kind: [name for name in detector.file_names(kind) if name not in names] for kind in wanted}
    whole = [kind for kind in wanted if not missing[kind]]
    checked = _check_files(folder, detector, whole, allow_nonfinite=allow_nonfinite, allow_odd=allow_odd)
    problems: list[str] = []
    constants = []
    for kind in wanted:
        if missing[kind]:
            problems.append(f"{str(folder)!r} lacks {', '.join(missing[kind])}")
            continue
        problems += [str(result) for result in checked[kind] if isinstance(result, RegistryError)]
        files = [result for result in checked[kind] if isinstance(result, CheckedFile)]
        if not problems:
            warnings = array_warnings(detector.find_kind(kind), files)
            constants.append(build_constants(detector.name, kind, files, warnings))
    if problems:
        errors = [result for kind in whole for result in checked[kind] if isinstance(result, RegistryError)]
        raise _combine_errors(errors, problems)
    known = {name for kind in detector.kinds for name in detector.file_names(kind.name)}
    return PanelFolder(folder, tuple(constants), tuple(sorted(names - known)))


_ALLOWANCES = {Remedy.ALLOW_ODD, Remedy.ALLOW_NONFINITE}


def _combine_errors(errors: Sequence[RegistryError], problems: list[str]) -> RegistryError:
    """Return the error of a folder with these problems, those of `errors` and missing files."""
    is_unreadable = len(errors) == len(problems) and all(
        isinstance(error, UnavailableError) for error in errors
    )
    error_class = UnavailableError if is_unreadable else ArrayError
    remedies = {error.remedy for error in errors if isinstance(error, ArrayError)}
    if remedies == _ALLOWANCES:
        remedies = {Remedy.ALLOW_ODD_AND_NONFINITE}
    remedy = remedies.pop() if len(remedies) == 1 else None
    return error_class.combine("files cannot be taken", problems, remedy=remedy, problems=problems)


def find_present_kinds(detector: DetectorType, names: set[str]) -> list[str]:
    """Return the required kinds, and every other of which a file is there: all of its files must be."""
    return [
        kind.name for kind in detector.kinds if kind.required or names & set(detector.file_names(kind.name))
    ]


def _check_files(
    folder: Path, detector: DetectorType, kinds: Sequence[str], *, allow_nonfinite: bool, allow_odd: bool
) -> dict[str, list[CheckedFile | RegistryError]]:
    """Return by kind, for every gain range, the checked file or its error."""

    def check(task: tuple[str, int]) -> CheckedFile | RegistryError:
        kind, gain_range = task
        try:
            return check_file(
                folder / detector.file_name(kind, gain_range),
                detector,
                detector.find_kind(kind),
                gain_range,
                allow_nonfinite=allow_nonfinite,
                allow_odd=allow_odd,
            )
        except (ArrayError, UnavailableError) as error:
            return error

    tasks = [(kind, gain_range) for kind in kinds for gain_range in range(detector.gain_ranges)]
    checked: dict[str, list[CheckedFile | RegistryError]] = defaultdict(list)
    for (kind, _), result in zip(tasks, map_in_threads(check, tasks), strict=True):
        checked[kind].append(result)
    return checked


@dataclass(frozen=True, slots=True)
class CheckedTree:
    """A legacy tree with those of its folders whose arrays are sound, and the hazards of the others.

    ``gaps`` has the kinds of which nothing is valid from the start of an entry on, by its name.
    """

    tree: LegacyTree
    folders: dict[Path, PanelFolder]
    gaps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def used_folders(self) -> list[PanelFolder]:
        """The folders behind the entries, by path."""
        return [self.folders[path] for path in sorted({entry.folder for entry in self.tree.entries})]

    def get_constants(self, entry: Entry) -> tuple[CheckedConstants, ...]:
        """Return the constants of each kind behind an entry."""
        return self.folders[entry.folder].constants

    def get_conversion(self, entry: Entry, kind: str) -> Conversion | None:
        """Return how the constants of a kind behind an entry were made, None if they are registered as they are."""
        return self.folders[entry.folder].conversions.get(kind)


def check_tree(
    root: Path,
    timezone: tzinfo,
    progress: Progress,
    *,
    with_refused: bool = False,
    any_time: bool = False,
    allow_odd: bool = False,
) -> CheckedTree:
    """Read a tree, check the arrays of every folder once, and make hazards of the entries that do not pass.

    Parameters
    ----------
    with_refused
        Keep the entries that are hazards for other reasons than their arrays: to look at, not to import.
    any_time
        Accept stamps before 1990 or more than a year ahead.
    allow_odd
        Accept values that cannot be.

    Raises
    ------
    NotFoundError, RequestError, UnavailableError
        As `read_legacy_tree`.
    """
    tree = read_legacy_tree(root, timezone, any_time=any_time)
    if with_refused:
        tree.entries = sorted([*tree.entries, *tree.excluded], key=lambda entry: entry.name)
    panels = {entry.folder: entry.panel for entry in tree.entries}
    folders: dict[Path, PanelFolder] = {}
    problems: dict[Path, RegistryError] = {}
    with progress("checking modules", len(panels)) as advance:
        for folder, panel in sorted(panels.items()):
            try:
                detector = detectors.find_panel_type(panel)
                folders[folder] = read_panel_folder(folder, detector, allow_odd=allow_odd)
            except (ArrayError, NotFoundError, UnavailableError) as error:
                problems[folder] = error
            advance()
    hazards = len(tree.hazards)
    tree.exclude(
        Hazard(
            entry.name, str(problem), remedy=Remedy.ALLOW_ODD if problem.remedy is Remedy.ALLOW_ODD else None
        )
        for entry in tree.entries
        if (problem := problems.get(entry.folder)) is not None
    )
    # A link that leaves the tree, and leads to nothing there, is named before.
    repeated = {entry.name for entry in tree.excluded if _is_of_strays(tree, entry, problems)}
    tree.hazards[hazards:] = [hazard for hazard in tree.hazards[hazards:] if hazard.name not in repeated]
    return CheckedTree(tree, folders)


def _is_of_strays(tree: LegacyTree, entry: Entry, problems: Mapping[Path, RegistryError]) -> bool:
    """Tell whether all problems of the folder of an entry are those of links that leave the tree."""
    problem, strays = problems.get(entry.folder), tree.strays.get(entry.folder, ())
    if problem is None:
        return False
    sentences = problem.values.get("problems", [])
    return bool(sentences) and all(any(name in text for name in strays) for text in sentences)
