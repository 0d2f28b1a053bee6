"""``python -m documentation``: write the references and the recording of the demo anew."""

from __future__ import annotations

from documentation import pages, recording

if __name__ == "__main__":
    for path in pages.write():
        print(path)  # noqa: T201 - what it is called for
    print(recording.write())  # noqa: T201 - and this
