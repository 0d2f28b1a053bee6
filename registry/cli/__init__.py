"""The command line: every verb reads its parameters, makes one call of the registry, and prints the answer.

The registry itself is imported inside the verbs, so that ``calreg --help`` is quick.
"""

from __future__ import annotations

from registry.cli import comparing, demo, exports, identifying, maintenance, panels, runs, versions
from registry.cli.application import RegistryGroup, global_options, new_group

__all__ = ["app", "main"]

app = new_group(cls=RegistryGroup, callback=global_options)

app.command("demo")(demo.demo)
app.command("init")(maintenance.init)
app.command("import")(maintenance.import_tree)
app.add_typer(panels.panel, name="panel")
app.add_typer(panels.alias, name="alias")
app.add_typer(versions.version, name="version")
app.command("validity")(versions.show_validity)
app.add_typer(runs.run, name="run")
app.add_typer(runs.detector, name="detector")
app.command("export")(exports.export)
app.add_typer(exports.provenance, name="provenance")
app.command("identify")(identifying.identify)
versions.version.command("diff")(comparing.diff_versions)
app.command("diff")(comparing.diff)
app.command("affected")(comparing.affected)
app.command("log")(maintenance.log)
app.add_typer(maintenance.tag, name="tag")
app.command("verify")(maintenance.verify)
app.add_typer(maintenance.database, name="database")


def main() -> None:
    """Run the program ``calreg``."""
    app(prog_name="calreg")
