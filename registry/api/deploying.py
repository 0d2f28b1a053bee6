"""Deploy the constants of a whole experiment, and check what is deployed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.api.administration import Administration
from registry.lookup.revisions import AsOf
from registry.parallel import Progress, no_progress
from registry.records import Deployment, DeploymentCheck


class Deploying(Administration):
    """An open registry, with the requests about the calibration directory of an experiment."""

    def deploy(
        self,
        experiment: str,
        output: str | Path,
        *,
        source: str | None = None,
        types: Sequence[str] | None = None,
        as_of: AsOf = None,
        dry_run: bool = False,
        force: bool = False,
        progress: Progress = no_progress,
    ) -> Deployment:
        """Write all files of an experiment into the calibration directory `output`: one per type and range of runs.

        The runs of a file are recorded runs, one after the other, with the same constants; the last file has no end if
        nothing is known to end them. Runs without constants of all the types get no file: ``left_out`` has them with
        the reason. A file that holds the right constants is left as it is. Every file is recorded as an export, with
        its provenance document.

        Parameters
        ----------
        source
            The source, or a part of it; by default all sources with panel Ids.
        types
            Calibration types, by default those of the required kinds.
        dry_run
            Compare with what is there, and return what would be written.
        force
            Replace files of these names that do not hold the constants of their runs.

        Raises
        ------
        ConflictError
            Files are there that do not hold the constants of the runs for which they are read, and that `force` does
            not replace or that is not set; nothing is written.
        NotFoundError
            The experiment or the source is not known.
        UnavailableError
            The folder cannot be written.
        CorruptionError
            Stored files are missing or damaged: ``values["missing"]`` has them, and all that does not need them is
            written.
        """
        from registry.api.deployment_checks import DeploymentRequest
        from registry.api.deployments import deploy

        request = DeploymentRequest(experiment, source, tuple(types or ()), as_of)
        return deploy(self._backend, request, Path(output), progress, dry_run=dry_run, force=force)

    def check_deployment(
        self,
        experiment: str,
        folder: str | Path,
        *,
        source: str | None = None,
        types: Sequence[str] | None = None,
        as_of: AsOf = None,
        progress: Progress = no_progress,
    ) -> DeploymentCheck:
        """Return for every recorded run of an experiment the file that is read for it, and whether it is the right one.

        Files without a provenance document, by whoever, are judged by the values in them; each is read once.

        Parameters
        ----------
        folder
            The calibration directory.
        source, types, as_of
            As for `deploy`.

        Raises
        ------
        NotFoundError
            The folder, the experiment or the source is not known.
        CorruptionError
            Stored files are missing or damaged without which it cannot be told what a file holds: ``values["missing"]``
            has them, ``values["runs"]`` the verdicts.
        """
        from registry.api.deployment_checks import DeploymentRequest, check_deployment

        request = DeploymentRequest(experiment, source, tuple(types or ()), as_of)
        return check_deployment(self._backend, request, Path(folder), progress)
