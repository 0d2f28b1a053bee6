"""The command line: each verb reads its parameters, calls the registry once, and prints the answer.

The module of a verb is imported when the verb is called, and the registry inside the verb, so that
``calreg --help`` is quick.
"""

from __future__ import annotations

import os
import sys

from registry.cli.application import RegistryGroup, create_group, read_global_options

__all__ = ["app", "main"]

_NEW_HERE = """\b
New here?
  calreg demo DIR    shows the real commands on sample data
  calreg VERB -h     explains a verb, with an example
"""

app = create_group(cls=RegistryGroup, callback=read_global_options, epilog=_NEW_HERE)


def main() -> None:
    """Run the program ``calreg``, or complete its command line for a shell."""
    shell = os.environ.get("_CALREG_COMPLETE")
    if shell:
        from registry.cli.shells import complete_and_exit

        complete_and_exit(shell, sys.argv[1:])
    app(prog_name="calreg")
