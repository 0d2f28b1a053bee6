"""Places that keep the files of a store, by their keys: a folder."""

from registry.storage.folder import Folder, LooseLinkError
from registry.storage.interface import (
    ANY,
    Condition,
    Document,
    Entry,
    OpenObject,
    Source,
    Storage,
    Unchanged,
)
from registry.storage.places import Place, open_storage, parse_place
from registry.storage.sources import FileSource

__all__ = [
    "ANY",
    "Condition",
    "Document",
    "Entry",
    "FileSource",
    "Folder",
    "LooseLinkError",
    "OpenObject",
    "Place",
    "Source",
    "Storage",
    "Unchanged",
    "open_storage",
    "parse_place",
]
