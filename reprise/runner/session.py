"""Show the plan, run it and print what became of it: a whole `reprise run` on a console."""

from collections.abc import Callable, Sequence

from reprise.dvc import Repository, Stage
from reprise.runner.console import ConsoleReporter
from reprise.runner.options import RunOptions
from reprise.runner.plan import Step, plan_stages
from reprise.runner.runner import Runner
from reprise.state.durations import Durations


def plan_and_run(
    repository: Repository,
    choose: Callable[[Repository], list[Stage]],
    options: RunOptions,
    reporter: ConsoleReporter,
    planned: Callable[[Sequence[Step], Durations], None] = lambda *_: None,
) -> Runner:
    """Bring the stages up to date. Returns the runner, which knows what became of each.

    choose: the stages, in plan order, with their upstream stages. It is asked under DVC's lock.
    planned: is told the plan, before it is run.
    """
    with repository.lock(lambda who: reporter.note(f"waiting for {who} to release DVC's lock")):
        stages = choose(repository)
        durations = Durations(repository.temporary)
        steps = plan_stages(repository, stages, options)
        planned(steps, durations)
        reporter.plan(steps, durations)
    runner = Runner(repository, stages, options, reporter)
    try:
        with reporter.showing_status():
            runner.run()
    finally:
        last = durations.last_of_all(stage.name for stage in runner.seconds)
        reporter.summary(runner.states.values(), last)
    return runner
