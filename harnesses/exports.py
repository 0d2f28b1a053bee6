"""Exports to kill: into a new folder, and over an older export with ``--force``."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from harnesses.commands import Command, Inspection, Rows, Trial
from harnesses.rows import read_rows
from registry.api.export_verification import verify_export
from registry.errors import RegistryError
from registry.exporters.detection import detect_arrays
from testing.panels import PANELS, write_panel_folder

_OLDER, _NEWER = "2019-01-01T00:00:00Z", "2021-01-01T00:00:00Z"


class Export(Command):
    """Export two arrays into a new folder or, every other round, over an older export with --force."""

    name = "export"
    format_name = "npy"
    is_time_stamped = False  # whether a file names its time of writing, so that its bytes never repeat

    def prepare(self) -> None:
        super().prepare()
        with self.template.open() as registry:
            registry.panels.add(PANELS[0])
            for seed, start in enumerate(("beginning", "2020-01-01T00:00:00Z")):
                folder = write_panel_folder(self.material / str(seed), seed)
                registry.versions.add(PANELS[0], folder, valid_from=start)
            for at in (_OLDER, _NEWER):
                export = registry.export(
                    PANELS[0], self.material / at[:4], at=at, format=self.format_name, **self._build_options()
                )
        root = self.material / _NEWER[:4]
        self.arrays = sorted({str(Path(output.path).relative_to(root)) for output in export.outputs})
        self.document = str(Path(export.provenance).relative_to(root))
        self.values = {at: self._hash_values(self.material / at[:4]) for at in (_OLDER, _NEWER)}
        self.old = {
            name: _hash_file(self.material / _OLDER[:4] / name) for name in (*self.arrays, self.document)
        }

    def _build_options(self) -> dict[str, Any]:
        return {}

    def _hash_values(self, root: Path) -> dict[str, str]:
        """Return the checksum of the values in each array file that exists."""
        return {name: _hash_values_in(root / name) for name in self.arrays if (root / name).exists()}

    def make_trial(self, number: int) -> Trial:
        location = self.factory.copy(self.template)
        if number % 2:
            shutil.copytree(self.material / _OLDER[:4], location.folder / "out")
        force = ("--force",) if number % 2 else ()
        return Trial(location, (*self.build_arguments(), "--output", str(location.folder / "out"), *force))

    def build_arguments(self) -> tuple[str, ...]:
        return ("export", PANELS[0], "--at", _NEWER, "--format", self.format_name)

    def read_state(self, trial: Trial) -> Rows:
        rows = super().read_state(trial)
        if self.is_time_stamped and rows:  # the checksums depend on the time, too
            rows["export_output"] = [str(len(rows["export_output"]))]
        return rows

    def can_conflict(self, trial: Trial) -> bool:
        """Return whether the document exists, or a file that names its time of writing."""
        names = (*self.arrays, self.document) if self.is_time_stamped else (self.document,)
        return any((trial.output / name).exists() for name in names)

    def add_force(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return (*arguments, "--force")

    def inspect(self, trial: Trial) -> Inspection:
        inspection = super().inspect(trial)
        problems, leftovers = inspection.problems, inspection.leftovers
        forced, document = "--force" in trial.arguments, trial.output / self.document
        allowed = (_OLDER, _NEWER) if forced else (_NEWER,)
        values = self._hash_values(trial.output)
        for name, value in values.items():
            if value not in [self.values[at][name] for at in allowed]:
                problems.append(f"{name} is neither the old array nor the new one")
        problems.extend(f"{name} does not belong to the export" for name in self._list_foreign_files(trial))
        if document.exists():
            verification = verify_export(document, trial.location.database, str(trial.location.store))
            problems.extend(f"{problem.path}: {problem.problem}" for problem in verification.problems)
        elif forced:  # the old files must exist, under their names or set aside
            checksums = {_hash_file(path) for path in trial.output.rglob("*") if path.is_file()}
            lost = [name for name, sha256 in self.old.items() if sha256 not in checksums]
            problems.extend(f"the old {name} is lost" for name in lost)
        leftovers["hidden folder"] = len(list(trial.location.folder.glob("**/.calreg-*")))
        leftovers["folder without a document"] = int(bool(values) and not document.exists())
        is_new = document.exists() and values == self.values[_NEWER]
        exports = len(read_rows(trial.location)["export"]) - len(read_rows(self.template)["export"])
        leftovers["export not recorded"] = int(is_new and not exports)
        return inspection

    def _list_foreign_files(self, trial: Trial) -> list[str]:
        known = {*self.arrays, self.document}
        files = [path for path in trial.output.rglob("*") if path.is_file()]
        names = [path.relative_to(trial.output) for path in files if path.name != "HISTORY"]
        return [
            str(name)
            for name in names
            if str(name) not in known and not any(part.startswith(".calreg-") for part in name.parts)
        ]


class ExportPsana(Export):
    """Export two text files into a calibration directory, each with a line in the HISTORY beside it."""

    name = "export psana"
    format_name = "psana"
    is_time_stamped = True

    def _build_options(self) -> dict[str, Any]:
        return {"source": "XcsEndstation.0:Jungfrau.0", "first_run": 1}

    def build_arguments(self) -> tuple[str, ...]:
        return (*super().build_arguments(), "--source", "XcsEndstation.0:Jungfrau.0", "--first-run", "1")


class ExportHdf5(Export):
    """Export both arrays and the document into one file, and the document beside it."""

    name = "export hdf5"
    format_name = "hdf5"
    is_time_stamped = True


def _hash_values_in(path: Path) -> str:
    """Return the checksum of the arrays in a file, or the error that reading it gives."""
    digest = hashlib.sha256()
    try:
        with detect_arrays(path) as arrays:
            for array in arrays:
                digest.update(f"{array.name} {array.shape}".encode())
                for part in array.parts:
                    digest.update(part.tobytes())
    except RegistryError as error:
        return str(error)
    return digest.hexdigest()


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
