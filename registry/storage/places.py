"""Places of stores, as settings name them: folders and buckets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from registry.errors import RequestError
from registry.files import make_absolute
from registry.identifiers import quote
from registry.storage.folder import Folder
from registry.storage.interface import Storage

_SCHEME = re.compile(r"s3:/{1,2}", re.IGNORECASE)  # a path has lost one of the slashes
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9!_.*'()=+,:-][A-Za-z0-9!_.*'()=+,: -]{0,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A bucket, and what the keys of the store's files begin with in it."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


Place = Path | BucketPlace
"""The place of a store: the path of a folder, or a bucket. Its text is how it is shown and set."""


def parse_place(text: str | Path | BucketPlace) -> Place:
    """Return the place that a text names: ``s3://BUCKET/PREFIX``, or a folder.

    Raises
    ------
    RequestError
        It is neither.
    UnavailableError
        The working folder has been removed.
    """
    if isinstance(text, BucketPlace):
        return text
    scheme = _SCHEME.match(str(text))
    return make_absolute(Path(text)) if scheme is None else _parse_bucket(str(text)[scheme.end() :])


def is_bucket(text: str | Path) -> bool:
    """Tell whether a text names a bucket."""
    return _SCHEME.match(str(text)) is not None


def _parse_bucket(text: str) -> BucketPlace:
    if "@" in text or "?" in text:
        # They are not repeated: one may be a password.
        raise RequestError(
            "the URL of a bucket has no credentials and no options in it: write s3://BUCKET/PREFIX, and set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    bucket, _, rest = text.partition("/")
    parts = [part for part in rest.split("/") if part]
    if not _BUCKET.fullmatch(bucket):
        raise RequestError(f"{quote(bucket)} is not the name of a bucket: write s3://BUCKET/PREFIX")
    for part in parts:
        if not _PART.fullmatch(part) or part in {".", ".."}:
            raise RequestError(
                f"{quote(part)} cannot be a part of the prefix of a store: letters, digits and - _ . can"
            )
    return BucketPlace(bucket, "/".join(parts))


def find_parent(place: Place) -> Path | None:
    """Return the folder in which the folder of a store is, None where it is none."""
    return place.parent if isinstance(place, Path) else None


def open_storage(place: Place | Storage) -> Storage:
    """Return the storage at a place; nothing is read yet."""
    if isinstance(place, Path):
        return Folder(place)
    if isinstance(place, BucketPlace):
        from registry.storage.bucket import Bucket  # not needed for a folder

        return Bucket(place)
    return place
