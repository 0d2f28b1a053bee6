"""Import a legacy directory of links, and compare it with the registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.api.administration import Administration
from registry.parallel import Progress, no_progress
from registry.records import ImportOutcome, TreeComparison


class Importing(Administration):
    """An open registry, with the requests about a legacy directory."""

    def import_tree(
        self,
        tree: str | Path,
        *,
        skip_bad: bool = False,
        allow_odd: bool = False,
        gap_bad: bool = False,
        supersede: bool = False,
        same_module: bool = False,
        same_as: Sequence[str] = (),
        allow_pattern: bool = False,
        any_time: bool = False,
        layout: str | None = None,
        experiment: str | None = None,
        comment: str | None = None,
        dry_run: bool = False,
        progress: Progress = no_progress,
    ) -> ImportOutcome:
        """Import a legacy directory of links as one revision; its stamps are read in the registry's time zone.

        Parameters
        ----------
        skip_bad
            Leave out the entries that cannot be imported, with a warning for each, instead of refusing the tree. The
            ``open_starts`` of the outcome are those over which older constants stay valid.
        gap_bad
            Leave them out too, and record a gap at every open start, in the same revision: with this comment, or one
            that names the entry. Where an entry was withdrawn, or its start cannot be read, the start stays open.
        allow_odd
            Accept values that cannot be, as `Versions.add` does.
        supersede
            Replace other constants that are valid from the same instant; needs a comment.
        same_module
            Let panels of other serial numbers bear an M-number at the same time: the module is the same one, and its
            serial number has changed. Recorded; needs a comment.
        same_as, allow_pattern
            Accept files of another module, or maps that look like another sensor's, as `Versions.add` does.
        any_time
            Accept stamps before 1990 or more than a year ahead, which are hazards otherwise.
        layout
            The layout of a tree that is not a directory of links: a name of ``importers.layouts.known``.
        experiment
            That of which the tree is, for a layout whose files name runs only.

        Raises
        ------
        ImportHazardError
            Entries cannot be imported; ``values["hazards"]`` lists them all.
        ConflictError
            All hazards are conflicts with what is recorded.
        """
        from registry.api.tree_import import import_tree
        from registry.registration.stated_constants import Allowances

        return import_tree(
            self._backend,
            Path(tree),
            progress,
            skip_bad=skip_bad,
            allow_odd=allow_odd,
            gap_bad=gap_bad,
            supersede=supersede,
            same_module=same_module,
            allowances=Allowances.parse(same_as, pattern=allow_pattern),
            any_time=any_time,
            layout=layout,
            experiment=experiment,
            comment=comment,
            dry_run=dry_run,
        )

    def compare_tree(self, tree: str | Path, *, progress: Progress = no_progress) -> TreeComparison:
        """Compare a legacy directory with the registry: its links, and the constants that each picks for every run."""
        from registry.api.tree_comparison import compare_tree

        return compare_tree(self._backend, Path(tree), progress)
