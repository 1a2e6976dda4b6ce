"""Bring stages up to date without running their commands, where that is possible."""

from reprise.dvc import Stage
from reprise.runner.options import RunOptions
from reprise.runner.recorder import Recorder
from reprise.runner.states import StageState


class Updater:
    """Finds what makes a stage's commands unnecessary: dvc.lock, a journal, the run-cache."""

    def __init__(self, options: RunOptions, recorder: Recorder) -> None:
        self._force = options.force
        self._pull = options.pull
        self._recorder = recorder

    def is_unchanged(self, stage: Stage) -> bool:
        """Tell whether the stage is as dvc.lock, or the journal of a killed run, has it.

        Outs that are all that is missing are pulled, if the options say so.
        """
        if self._force and stage.has_command:
            return False
        changes = stage.changes()
        if self._recorder.adopt(stage, changes):
            return True
        if not changes:
            return True
        return self._pull and stage.pull_outputs(changes)

    def update(self, stage: Stage) -> StageState | None:
        """Bring a changed stage up to date; None: its commands must run.

        Raises PipelineError or one of DVC_ERRORS when its inputs are missing.
        """
        if not stage.has_command:
            stage.settle()
            return StageState.RAN
        if self._pull:
            stage.pull_inputs()
        stage.check_inputs()
        inputs = stage.take_inputs()
        known_run = None
        if not self._force:
            with inputs.in_force():
                known_run = stage.find_run(pull=self._pull)
        if known_run is None:
            stage.check_wdir()
            return None
        stage.restore(known_run, inputs)
        return StageState.RESTORED
