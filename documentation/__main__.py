"""``python -m documentation``: write the reference of the commands, recordings, and the kept texts of statements."""

from __future__ import annotations

from documentation import commands, everyday, kept_texts, recording

if __name__ == "__main__":
    for write_page in (commands.write_page, recording.write_page, everyday.write_page, kept_texts.write_file):
        print(write_page())  # noqa: T201 - the answer of a program
