"""``python -m documentation``: write the reference of the commands, and recordings."""

from __future__ import annotations

from documentation import commands, everyday, recording

if __name__ == "__main__":
    for write_page in (commands.write_page, recording.write_page, everyday.write_page):
        print(write_page())  # noqa: T201 - the answer of a program
