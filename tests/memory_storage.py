"""A storage in memory, for tests: all that a third kind of storage needs."""

from __future__ import annotations

import io
import time
from collections.abc import Hashable

from registry.errors import UnavailableError
from registry.files import Digest
from registry.storage import (
    ANY,
    Condition,
    Diskless,
    Document,
    Entry,
    OpenObject,
    Source,
    Unchanged,
    other_source_error,
)


class Memory(Diskless):
    """Documents and objects in memory; see `registry.storage.Storage`."""

    requests = 4

    def __init__(self, place: str = "memory:") -> None:
        super().__init__(place)
        self._files: dict[str, tuple[bytes, float, int]] = {}
        self._writes = 0

    def prepare(self, *, with_objects: bool = True) -> None:
        pass

    refuse_unwritable = prepare

    def list_names(self) -> list[str]:
        return list(dict.fromkeys(key.partition("/")[0] for key in self._files))

    def read_document(self, key: str, max_size: int) -> Document | None:
        return Document(self._files[key][0][:max_size], self.find_tag(key)) if key in self._files else None

    def find_tag(self, key: str) -> Hashable | None:
        return self._files[key][2] if key in self._files else None

    def write_document(self, key: str, content: bytes, condition: Condition = ANY, **_: bool) -> bool:
        wanted = condition.tag if isinstance(condition, Unchanged) else None
        if condition != ANY and self.find_tag(key) != wanted:
            return False
        self._writes += 1
        self._files[key] = bytes(content), time.time(), self._writes
        return True

    def open_object(self, key: str) -> OpenObject | None:
        content = self._files[key][0] if key in self._files else None
        return None if content is None else OpenObject(len(content), io.BytesIO(content))

    def get_source(self, key: str) -> Source:
        return _MemorySource(self, key)

    def put_object(
        self,
        key: str,
        source: Source,
        digest: Digest,
        expected: str,
        stem: str | None = None,  # noqa: ARG002 - the shape of every storage
    ) -> None:
        with source.open() as file:
            content = file.read()
        digest.update(content)
        if digest.hexdigest() != expected:
            raise other_source_error(source.name)
        self.write_document(key, content)

    def has_entry(self, key: str) -> bool:
        return key in self._files

    def stat(self, key: str) -> Entry | None:
        return Entry(key, len(self._files[key][0]), self._files[key][1]) if key in self._files else None

    def list_keys(self) -> list[str]:
        return sorted(key for key in self._files if key.startswith("objects/"))

    def remove(self, key: str) -> None:
        self._files.pop(key, None)


class _MemorySource:
    def __init__(self, memory: Memory, key: str) -> None:
        self.name, self._memory, self._key = memory.locate(key), memory, key

    def open(self) -> io.BufferedIOBase:
        opened = self._memory.open_object(self._key)
        if opened is None:
            raise UnavailableError(f"{self.name!r} cannot be read: there is no such object")
        return opened.file
