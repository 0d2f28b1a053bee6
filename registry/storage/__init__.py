"""Places that keep the files of a store, by their keys: folders and buckets."""

from registry.storage.diskless import Diskless
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
from registry.storage.places import BucketPlace, Place, is_bucket, open_storage, parse_place
from registry.storage.sources import FileSource, other_source_error

__all__ = [
    "ANY",
    "BucketPlace",
    "Condition",
    "Diskless",
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
    "is_bucket",
    "open_storage",
    "other_source_error",
    "parse_place",
]
