"""The verbs and nouns of ``calreg``, in the order of its help: what each does, and where it is.

The help of the program is printed from this table alone: a module is imported, and the options of its verbs
are made, when one of them is called. A test holds the sentences to those of the verbs themselves.
"""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """One verb, or a noun with verbs of its own: ``module:name`` in ``registry.cli``, and its first sentence."""

    target: str
    summary: str


VERBS = {
    "demo": Verb("demo:demo", "Run the real commands on a sample directory."),
    "init": Verb("maintenance:init", "Make the database and the store, or upgrade them."),
    "import": Verb("maintenance:import_tree", "Import a legacy directory of links."),
    "validity": Verb("validity:show_validity", "Show what is valid when, or what holds at an instant."),
    "export": Verb("exports:export", "Write the constants of a run or a detector."),
    "identify": Verb("identifying:identify", "Tell by its content what a file is."),
    "diff": Verb("comparing:diff", "Show what of a detector changes between two revisions."),
    "affected": Verb("comparing:affected", "List the runs that get another outcome now."),
    "log": Verb("maintenance:log", "List the revisions, and what each changed."),
    "verify": Verb("maintenance:verify", "Check every checksum, every reference, the schema."),
    "plot": Verb("plots:plot", "Pictures of constants, as PNG or SVG."),
    "backup": Verb("copies:backup", "Copy the database and the stored files into a folder."),
    "restore": Verb("copies:restore", "Make the registry of a backup again, where there is none."),
    "copy": Verb("copies:copy", "Move the registry to another database, and close this one to writes."),
    "snapshot": Verb(
        "copies:snapshot", "Write what was known as of a revision into one file that is only read."
    ),
    "panel": Verb("panels:panel", "Panels, by panel Id."),
    "alias": Verb("panels:alias", "M-numbers, and the panels that bear them."),
    "version": Verb("versions:version", "Versions: which constants a panel has from when on."),
    "run": Verb("runs:run", "Runs, and when they began."),
    "detector": Verb("runs:detector", "Which panels answered for a source, over which runs."),
    "provenance": Verb("exports:provenance", "The document that explains an export."),
    "tag": Verb("maintenance:tag", "Names for revisions."),
    "database": Verb("maintenance:database", "The database's schema."),
}
