"""Advice on refusals and empty answers, in the verbs and options of the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from registry.errors import RegistryError, Remedy


def _configure_detector(
    *, experiment: str, first_run: int, source: str = "SOURCE", last_run: int | None = None, **_: Any
) -> str:
    last = "" if last_run is None else f" --last-run {last_run}"
    return (
        f"calreg detector configure {experiment} {source} --first-run {first_run}{last} DETECTOR_ID"
        " records the panels that are read out"
    )


def _state_segments(
    *,
    experiment: str,
    first_run: int,
    source: str = "SOURCE",
    last_run: int | None = None,
    panels: Sequence[str] = ("DETECTOR_ID",),
    **_: Any,
) -> str:
    last = "" if last_run is None else f" --last-run {last_run}"
    return (
        f"calreg detector configure {experiment} {source} {'_'.join(panels)} --first-run {first_run}{last}"
        " --segments NUMBERS --supersede --comment TEXT states them"
    )


def _name_detector(*, panels: Sequence[str] = ("DETECTOR_ID",), example: str = "NAME", **_: Any) -> str:
    return f"give --short-name {example}, or record it: calreg detector name {example} {'_'.join(panels)}"


_TAKE_ENTRIES = {
    Remedy.ALLOW_ANY_TIME: "--any-time takes starts of any year",
    Remedy.ALLOW_ODD: "--allow-odd takes odd values that are meant",
    Remedy.ALLOW_PATTERN: "--allow-pattern with a comment takes maps that look like another sensor's",
    Remedy.STATE_SAME_FILES: "--same-as MODULE takes files that are those of that module",
    Remedy.STATE_SAME_MODULE: "--same-module with a comment takes another serial number of a module",
    Remedy.SUPERSEDE: "--supersede with a comment overrides what is recorded",
}


def _skip_entries(*, remedies: Sequence[Remedy] = (), **_: Any) -> str:
    take = [_TAKE_ENTRIES[remedy] for remedy in remedies]
    return ", ".join(["--skip-bad leaves these out", *(take or ["--gap-bad leaves gaps in their place"])])


def _choose_panels(*, panels: Sequence[str] = ("PANEL_ID",), **_: Any) -> str:
    return f"{' '.join(f'--panel {panel}' for panel in panels)} says that this is meant"


def _take_delivery(*, remedies: Sequence[Remedy] = (), **values: Any) -> str:
    texts = dict.fromkeys(format_remedy(remedy, values) for remedy in remedies)
    return "; ".join(texts) or "mend these, and give it again"


WORDS: dict[Remedy, str | Callable[..., str]] = {
    Remedy.ADD_PATTERNS: "calreg database upgrade --patterns computes them",
    Remedy.ALLOW_ANY_TIME: "give --any-time if that is meant",
    Remedy.ALLOW_NONFINITE: "give --allow-nonfinite if that is meant",
    Remedy.ALLOW_ODD: "give --allow-odd if that is meant",
    Remedy.ALLOW_ODD_AND_NONFINITE: "give --allow-odd and --allow-nonfinite if that is meant",
    Remedy.ALLOW_PATTERN: "--allow-pattern with a comment takes the map as it is",
    Remedy.ASK_ONCE: (
        "asked once without CALREG_OFFLINE it is kept; calreg fetch DATASET asks what the usual commands on a run need"
    ),
    Remedy.CARRY_CONSTANTS: "give both --carry-from and --valid-from",
    Remedy.CHECK_DATABASE: "calreg database check names what differs, and --mend-guards replaces the guards",
    Remedy.CHOOSE_PANELS: _choose_panels,
    Remedy.CONFIGURE_DETECTOR: _configure_detector,
    Remedy.CONFIGURE_SEGMENTS: (
        "calreg detector configure --segments states them, for runs of an experiment; export one of these runs"
    ),
    Remedy.CONTINUE_COPY: "run the calreg copy again",
    Remedy.COUNT_CHANGES: "calreg version diff {before} {after} counts them",
    Remedy.CREATE_REGISTRY: "calreg init makes one",
    Remedy.FETCH: "calreg fetch DATASET, without CALREG_OFFLINE, brings what it needs",
    Remedy.FREE_CONNECTIONS: (
        "try again when other programs are done; its administrator can raise max_connections, or put a pooler before it"
    ),
    Remedy.GIVE_ALIAS_START: "give --valid-from",
    Remedy.GIVE_COMMENT: "give --comment",
    Remedy.GIVE_DATABASE: "calreg init makes one, CALREG_DATABASE or --database names another",
    Remedy.GIVE_EXPERIMENT: "give --experiment",
    Remedy.GIVE_INSTANT: "give --at",
    Remedy.GIVE_ROLES: "give --reader ROLE, --writer ROLE or both, once or repeatedly",
    Remedy.GIVE_SOURCE_AND_RUNS: "give --source and --first-run",
    Remedy.GIVE_EXPERIMENT_AND_RUNS: "name a run, or give --experiment, --source and --first-run",
    Remedy.GIVE_SHORT_NAME: _name_detector,
    Remedy.GIVE_STORE: "set CALREG_STORE or --store to a folder",
    Remedy.GIVE_TIMEZONE: "--timezone with the zone of that import reads them as it did; or withdraw its versions",
    Remedy.GRANT_RIGHTS: "its owner can grant rights with calreg database grant",
    Remedy.NAME_DATABASE: "set CALREG_DATABASE or --database to a URL",
    Remedy.NAME_POOLER: "if a pooler such as PgBouncer is before it, write pgbouncer=true after the ? of the URL",
    Remedy.OMIT_EXPERIMENT: "leave --experiment out",
    Remedy.OMIT_KINDS: "leave --kind out",
    Remedy.POOL_TRANSACTIONS: "let the pooler before it pool transactions or sessions (pool_mode of PgBouncer)",
    Remedy.RECORD_START_TIME: "give --at, or calreg run add {dataset} --begin T",
    Remedy.REPAIR_STORE: "calreg repair --from DIR mends the store from a backup or another copy of it",
    Remedy.REPLACE_FILES: "--force replaces what is there",
    Remedy.RESTORE_WITHOUT_HEAD: (
        "if what it stands for is lost, --lost-head {store} restores the backup all the same; otherwise give it a store"
        " of its own"
    ),
    Remedy.SEAL_REVISION: "calreg database seal {revision} --comment TEXT seals it as it is",
    Remedy.SKIP_BAD_ENTRIES: _skip_entries,
    Remedy.STATE_BOARD_TOGETHER: (
        "panel Ids of one board move and come back together: give all of them in one command"
    ),
    Remedy.STATE_SAME_FILES: "if they are meant, say so with --same-as {same_as}",
    Remedy.STATE_SAME_MODULE: "--same-module with a comment says that the module's serial number has changed",
    Remedy.STATE_SEGMENTS: _state_segments,
    Remedy.SUPERSEDE: "--supersede with a comment overrides this",
    Remedy.SUPERSEDE_CONFIGURATION: "--supersede with a comment overrides this",
    Remedy.SUPERSEDE_RUN: "--supersede with a comment overrides this",
    Remedy.TAKE_DELIVERY: _take_delivery,
    Remedy.UPGRADE_SCHEMA: "run calreg database upgrade",
    Remedy.USE_LIVE_DATABASE: (
        "use the database that has it; if that is lost, calreg database recover --lost-head {store} --comment TEXT goes"
        " on without it, and calreg fork makes a registry of its own"
    ),
    Remedy.WITHDRAW_CONFIGURATION: (
        "calreg detector withdraw {experiment} {source} --first-run {first_run} --comment TEXT withdraws it"
    ),
}
"""By remedy, a text with the names of the error's values in braces, or a function of these values."""


def format_error(error: RegistryError) -> str:
    """Return the error's message, followed by the advice on it."""
    if error.remedy is None:
        return error.message
    return f"{error.message}; {format_remedy(error.remedy, error.values)}"


def format_remedy(remedy: Remedy, values: Mapping[str, Any]) -> str:
    """Return the advice in words, with the values of the error."""
    words = WORDS[remedy]
    return words.format_map(values) if isinstance(words, str) else words(**values)


_FIRST_STEPS = (
    "calreg import TREE imports a legacy directory of links; calreg panel add PANEL_ID records one panel;"
    " calreg demo DIR shows everything on sample data"
)
_ADD_VERSION = "calreg version add PANEL DIR --valid-from T registers the constants of a panel"
NEXT_STEPS = {
    "init": f"next: {_FIRST_STEPS}",
    "init again": "this registry existed already; everything in it is kept",
    "log": f"nothing is recorded yet; {_FIRST_STEPS}",
    "panel list": f"no panel is recorded yet; {_FIRST_STEPS}",
    "alias list": "no panel has an M-number yet; calreg alias add M_NUMBER PANEL_ID records one",
    "version list": f"no version is registered yet; {_ADD_VERSION}",
    "validity": _ADD_VERSION,
    "run list": (
        "no run is registered yet; calreg run import FILE reads a table of datasets or a logbook's list of runs,"
        " calreg run add DATASET --begin T records one run"
    ),
    "detector names": "no detector has a short name yet; calreg detector name NAME DETECTOR_ID records one",
    "detector list": (
        "no detector is configured yet; calreg run import FILE reads a table of datasets,"
        " calreg detector configure EXPERIMENT SOURCE DETECTOR_ID --first-run N records one configuration"
    ),
    "exports": "no export is recorded yet; calreg export DATASET --output DIR makes and records one",
    "tag list": "no revision has a name yet; calreg tag add NAME names the newest",
}
"""By verb, what can follow it where its answer is empty, or after the registry was created."""
