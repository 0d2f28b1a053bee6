"""Imported by the process from which killed commands are forked: none of them waits for the disk, as in the tests."""

import os

from tests.shared_work import forgo_the_disk

os.fsync = lambda _: None
forgo_the_disk()
