"""The files in a source's folder of a calibration directory, and the constants in them as their documents tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registry import provenance
from registry.calibration_folder import parse_file_name, stops_framework
from registry.errors import RegistryError
from registry.exporters.publication import list_unfinished_documents
from registry.files import sha256_of_file, translate_os_errors
from registry.provenance import Document
from registry.provenance.document import Output

Constants = tuple[str, ...]
"""The SHA-256 of the constants of each panel, in the order of the array."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The constants in a file, and the experiment whose they were; None if it was not exported for one."""

    constants: Constants
    experiment: str | None


class DeployedFolder:
    """The folder of a source in a calibration directory, as it is when it is first asked for.

    Parameters
    ----------
    home
        The folder, with one folder per calibration type and the provenance documents.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._names: dict[str, list[str]] = {}
        # Not cached_property: it has a lock in Python 3.11, which a fork would take over from another thread.
        self._read_documents: dict[str, list[Document]] | None = None
        self._read_unpublished: list[Document] | None = None

    def list_files(self, calibration_type: str) -> list[str]:
        """Return the names of the files of a type with a range of runs."""
        return [name for name in self._list_data(calibration_type) if parse_file_name(name)]

    def list_stopping_files(self, calibration_type: str) -> list[str]:
        """Return the names of the files on which the analysis framework stops."""
        return [name for name in self._list_data(calibration_type) if stops_framework(name)]

    def _list_data(self, calibration_type: str) -> list[str]:
        if calibration_type not in self._names:
            self._names[calibration_type] = _list_names(self.home / calibration_type, ".data")
        return self._names[calibration_type]

    def list_experiments(self) -> set[str]:
        """Return the experiments for which files were exported to the folder."""
        runs = (document.resolution.run for documents in self._documents.values() for document in documents)
        return {run.experiment for run in runs if run is not None}

    def find_contents(self, calibration_type: str, name: str, *, verify: bool = False) -> Contents | None:
        """Return what the document of a file tells; None without one, or if the file is not the one that was written.

        By its size; by its checksum to verify it, and where several documents fit.
        """
        path = self.home / calibration_type / name
        written = list(self._list_written(f"{calibration_type}/{name}", path))
        if verify or len(written) > 1:
            try:
                sha256 = sha256_of_file(path) if written else None
            except RegistryError:
                return None
            written = [(document, output) for document, output in written if output.sha256 == sha256]
        return build_contents(*written[0]) if written else None

    def is_unfinished(self, calibration_type: str, name: str) -> bool:
        """Tell whether a file is that of an export which was killed before it published the file's document."""
        sha256s = {
            output.sha256
            for document in self._unpublished
            for output in document.outputs
            if output.path == f"{calibration_type}/{name}"
        }
        if not sha256s or self.find_contents(calibration_type, name, verify=True) is not None:
            return False
        with suppress(RegistryError):
            return sha256_of_file(self.home / calibration_type / name) in sha256s
        return False

    def _list_written(self, relative: str, path: Path) -> Iterator[tuple[Document, Output]]:
        try:
            size = path.stat().st_size
        except OSError:
            return
        for document in self._documents.get(relative, ()):
            for output in document.outputs:
                if output.path == relative and output.size == size:
                    yield document, output

    @property
    def _documents(self) -> dict[str, list[Document]]:
        """The documents by the files of which they tell."""
        if self._read_documents is None:
            self._read_documents = self._find_documents()
        return self._read_documents

    def _find_documents(self) -> dict[str, list[Document]]:
        documents: dict[str, list[Document]] = {}
        for document in _read_documents(self.home / name for name in _list_names(self.home, ".json")):
            for output in document.outputs:
                if output.path is not None:
                    documents.setdefault(output.path, []).append(document)
        return documents

    @property
    def _unpublished(self) -> list[Document]:
        if self._read_unpublished is None:
            self._read_unpublished = list(_read_documents(list_unfinished_documents(self.home, "*.json")))
        return self._read_unpublished


def _read_documents(paths: Iterable[Path]) -> Iterator[Document]:
    """Yield the documents that can be read."""
    for path in paths:
        with suppress(RegistryError):
            yield provenance.read(path)


def _list_names(folder: Path, suffix: str) -> list[str]:
    """Return the names in a folder that end so; an empty list if the folder does not exist."""
    with translate_os_errors("read", folder):
        try:
            return sorted(path.name for path in folder.iterdir() if path.name.endswith(suffix))
        except (FileNotFoundError, NotADirectoryError):
            return []


def build_contents(document: Document, output: Output) -> Contents:
    """Return the constants in a file as its document tells."""
    resolution = document.resolution
    constants = tuple(
        constants.constants
        for panel in resolution.panels
        for constants in panel.constants
        if constants.kind == output.kind
    )
    return Contents(constants, resolution.run.experiment if resolution.run else None)
