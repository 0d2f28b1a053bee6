"""Files that the processes of one machine share: each is made once, and verified by whoever takes it.

The cache never decides an answer: an entry is named by its content, and one that is missing or damaged is made anew.
"""

from registry.cache.folder import CacheFolder
from registry.cache.location import find_cache
from registry.cache.names import EntryKind, EntryName
from registry.cache.new_entries import NewEntry

__all__ = ["CacheFolder", "EntryKind", "EntryName", "NewEntry", "find_cache"]
