"""Bring stages up to date without running their commands, where that is possible."""

from collections.abc import Mapping

from reprise.dvc import Stage
from reprise.runner.options import RunOptions
from reprise.runner.recorder import Recorder
from reprise.runner.states import StageState


class Updater:
    """Finds what makes a stage's commands unnecessary: dvc.lock, a journal, the run-cache."""

    def __init__(
        self, options: RunOptions, recorder: Recorder, states: Mapping[Stage, StageState]
    ) -> None:
        """states: what has become of the stages so far; it grows meanwhile."""
        self._options = options
        self._recorder = recorder
        self._states = states

    def is_unchanged(self, stage: Stage) -> bool:
        """Tell whether the stage is as dvc.lock, or the journal of a killed run, has it.

        Outs that are all that is missing are pulled, if the options say so.
        """
        if self._is_forced(stage):
            return False
        changes = stage.changes()
        if self._recorder.adopt(stage, changes):
            return True
        if stage.without_missing(changes):
            return False
        if not changes or self._options.allow_missing:
            return True
        return self._options.pull and stage.pull_outputs()

    def _is_forced(self, stage: Stage) -> bool:
        """Tell whether the stage is to run whether it changed or not."""
        if self._options.force:
            return True
        if not self._options.force_downstream:
            return False
        return any(self._states[upstream].has_new_outs for upstream in stage.upstream)

    def update(self, stage: Stage) -> StageState | None:
        """Bring a changed stage up to date; None: its commands must run.

        Raises PipelineError or one of DVC_ERRORS when its inputs are missing.
        """
        options = self._options
        is_forced = self._is_forced(stage)
        if not stage.has_command:
            stage.settle(force=is_forced, commit=options.commit)
            return StageState.RAN
        if options.pull:
            stage.pull_inputs()
        stage.check_inputs()
        stage.check_outs()
        inputs = stage.take_inputs()
        known_run = None
        if not is_forced:
            with inputs.in_force():
                known_run = stage.find_run(run_cache=options.run_cache, pull=options.pull)
        if known_run is None:
            stage.check_wdir()
            return None
        stage.restore(known_run, inputs, commit=options.commit)
        return StageState.RESTORED
