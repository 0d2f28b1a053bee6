"""The command line: every verb reads its parameters, makes one call of the registry, and prints the answer.

A verb's module is imported when the verb is called, and the registry itself inside the verbs, so that
``calreg --help`` is quick.
"""

from __future__ import annotations

from registry.cli.application import RegistryGroup, global_options, new_group

__all__ = ["app", "main"]

app = new_group(cls=RegistryGroup, callback=global_options)


def main() -> None:
    """Run the program ``calreg``."""
    app(prog_name="calreg")
