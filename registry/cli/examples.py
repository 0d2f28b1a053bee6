"""One example of each verb, for its help; run in this order, they all work on the sample data."""

from __future__ import annotations

import re
from typing import Any

EXAMPLES = {
    "demo": "calreg demo demo",
    "init": "calreg init",
    "database downgrade": "calreg database downgrade 0008",
    "database upgrade": "calreg database upgrade --patterns",
    "import": "calreg import tree --timezone America/Los_Angeles",
    "run import": "calreg run import datasets.txt",
    "run add": "calreg run add exp=xcsls3716:run=631 --begin 2018-02-10T08:15:00Z",
    "run list": "calreg run list --experiment xcsls3716",
    "run show": "calreg run show exp=xcsls3716:run=631",
    "detector show": "calreg detector show exp=xcsls3716:run=631",
    "detector list": "calreg detector list --experiment xcsls3716",
    "detector name": (
        "calreg detector name jungfrau1M 170505-149520170815-3d00b0_170505-149520170815-3d00f7"
    ),
    "detector names": "calreg detector names",
    "panel list": "calreg panel list",
    "panel show": "calreg panel show 170505-149520170815-3d00b0",
    "alias list": "calreg alias list",
    "show": "calreg show exp=xcsls3716:run=631",
    "validity": "calreg validity M068 --at 2018-02-10T08:15:00Z",
    "export": "calreg export exp=xcsls3716:run=631 --output constants",
    "deploy": "calreg deploy xcsls3716 --output calib --dry-run",
    "provenance show": "calreg provenance show constants/provenance.json",
    "provenance verify": "calreg provenance verify constants/provenance.json",
    "provenance replay": "calreg provenance replay constants/provenance.json --output again",
    "identify": "calreg identify constants/pixel_gain.npy",
    "tag add": "calreg tag add spring-2018",
    "tag list": "calreg tag list",
    "version add": "calreg version add M068 remeasured --valid-from 2018-02-01T00:00:00Z --comment 'flat field'",
    "version list": "calreg version list M068",
    "version show": "calreg version show 11",
    "version diff": "calreg version diff 1 11",
    "plot constants": "calreg plot constants exp=xcsls3716:run=631 --type pixel_gain --output gain.png",
    "plot diff": "calreg plot diff 1 11 --relative --output diff.png",
    "plot validity": "calreg plot validity M068 --output validity.svg",
    "plot history": "calreg plot history M068 --output history.png",
    "status": "calreg status",
    "affected": "calreg affected --since spring-2018",
    "exports": "calreg exports --stale",
    "diff": "calreg diff exp=xcsls3716:run=631 --as-of spring-2018",
    "version withdraw": "calreg version withdraw 11 --comment 'measured with a cold module'",
    "version gap": "calreg version gap M088 --valid-from 2018-05-01T00:00:00Z --comment 'at the maker'",
    "panel add": (
        "calreg panel add 190408-181206-3d00b0 --alias M068 --carry-from 171113-154920171025-3d00b0"
        " --valid-from 2019-04-08T00:00:00Z"
    ),
    "alias withdraw": "calreg alias withdraw M068 190408-181206-3d00b0 --comment 'another board'",
    "alias add": "calreg alias add M068 190408-181206-3d00b0",
    "detector configure": (
        "calreg detector configure xcsls3716 XcsEndstation.0:Jungfrau.0"
        " 170505-149520170815-3d00b0_170505-149520170815-3d00f7 --first-run 632"
    ),
    "detector withdraw-name": "calreg detector withdraw-name jungfrau1M --comment 'one module was exchanged'",
    "detector withdraw": (
        "calreg detector withdraw xcsls3716 XcsEndstation.0:Jungfrau.0 --first-run 632"
        " --comment 'not our panels'"
    ),
    "run withdraw": "calreg run withdraw exp=xcsls3716:run=631 --comment 'a test of the shutter'",
    "revert": "calreg revert 15 --comment 'users have taken data in it'",
    "log": "calreg log M068",
    "verify": "calreg verify --patterns",
    "database check": "calreg database check",
    "database grant": "calreg database grant --reader beamline --writer calib --apply",
    "database seal": "calreg database seal 17 --comment 'a tool was killed'",
    "database recover": "calreg database recover --lost-head 18:SEAL --comment 'the disk of the database failed'",
    "backup": "calreg backup backups",
    "repair": "calreg repair --from backups",
    "restore": "calreg --database sqlite:///restored.sqlite restore backups",
    "serve": "calreg serve --port 8420 --workers 2",
    "snapshot": "calreg snapshot spring.sqlite --as-of spring-2018",
    "fork": "calreg fork --to sqlite:///fork.sqlite --to-store fork-store --comment 'for the other beamline'",
    "fetch": "calreg --database https://calib.example.org fetch exp=xcsls3716:run=631",
    "cache show": "calreg cache show",
    "cache verify": "calreg cache verify",
    "cache clear": "calreg cache clear",
    "copy": "calreg copy --to postgresql://calib@db.example.org/calreg",
    "mirror": "calreg --database sqlite:///mirror.sqlite mirror https://calib.example.org",
}

_WIDTH = 74
_COMMAND_PART = re.compile(r"--\S+ (?:'[^']*'|[^-\s]\S*)|'[^']*'|\S+")  # an option stays with its value


def add_examples(command: Any, path: str) -> Any:
    """Add to the help of the verb, or of every verb of the noun, its example; return it."""
    for name, verb in getattr(command, "commands", {}).items():
        add_examples(verb, f"{path} {name}")
    if path in EXAMPLES:
        # \b: do not wrap these lines again.
        command.epilog = "\b\nExample:\n" + "\n".join(f"  {line}" for line in wrap_command(EXAMPLES[path]))
    return command


def wrap_command(example: str) -> list[str]:
    """Return the command in lines that fit a terminal; a shell joins them again."""
    lines = [""]
    for part in _COMMAND_PART.findall(example):
        if len(lines[-1]) + len(part) >= _WIDTH:
            lines[-1] += " \\"
            lines.append(f"    {part}")
        else:
            lines[-1] += f" {part}" if lines[-1] else part
    return lines
