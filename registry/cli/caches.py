"""The noun ``cache``: the files that the processes of this machine share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.options import Json
from registry.identifiers import format_count
from registry.sizes import format_size

if TYPE_CHECKING:
    from registry.records import Cache, CacheEntry, CacheRemoval

cache = create_group(help="The files that the processes of this machine share.")

_HEADINGS = ("kind", "digest", "size", "in_use", "used_at")
_SHOWN_DIGITS = 16


@cache.command("show")
def show(json: Json = False) -> None:
    """Show where the cache is, and what is in it.

    It has arrays that several processes map (in Python `constants(..., shared=True)`). Nothing in it is needed: what is
    missing or damaged is made again. CALREG_CACHE names its folder, or is 'off'; CALREG_CACHE_LIMIT its largest size.
    """
    from registry.api.caches import read_cache

    output.print_answer(read_cache(), _print_cache, as_json=json)


@cache.command("verify")
def verify(json: Json = False) -> None:
    """Read every file of the cache, and remove those that are damaged.

    Whoever uses a file verifies it, too.
    """
    from registry.api.caches import verify_cache

    output.print_answer(verify_cache(), _print_verification, as_json=json)


@cache.command("clear")
def clear(json: Json = False) -> None:
    """Remove every file of the cache.

    Processes that use one keep its bytes until they end.
    """
    from registry.api.caches import clear_cache

    output.print_answer(clear_cache(), _print_removal, as_json=json)


def _print_cache(answer: Cache) -> None:
    if answer.folder is None:
        output.print_text("the cache is switched off")
        return
    limit = "" if answer.limit is None else f" of {format_size(answer.limit)}"
    files = format_count(len(answer.entries), "file")
    output.print_text(f"{answer.folder}: {files}, {format_size(answer.bytes)}{limit}")
    _print_entries(answer.entries)


def _print_verification(answer: CacheRemoval) -> None:
    files = format_count(answer.looked_at, "file")
    damaged = f"{len(answer.removed)} damaged and removed" if answer.removed else "all sound"
    output.print_text(f"{files} verified, {damaged}" if answer.looked_at else "there is nothing in the cache")
    _print_entries(answer.removed)


def _print_removal(answer: CacheRemoval) -> None:
    files = format_count(len(answer.removed), "file")
    output.print_text(f"{files} removed, {format_size(answer.bytes)}")


def _print_entries(entries: tuple[CacheEntry, ...]) -> None:
    if entries:
        rows = (
            (
                entry.kind,
                entry.digest[:_SHOWN_DIGITS],
                format_size(entry.bytes),
                "yes" if entry.in_use else "no",
                entry.used_at,
            )
            for entry in entries
        )
        output.print_table(_HEADINGS, rows)
