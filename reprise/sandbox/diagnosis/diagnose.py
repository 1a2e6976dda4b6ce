"""Name the inputs that a failed command lacked.

Nobody sees which files a command fails to open, so what it printed is read. A name counts where a
message speaks of something absent. Only if none is found so, the code that failed and the commands
themselves are searched for names.
"""

from collections.abc import Callable, Iterable

from reprise.sandbox.diagnosis.failed_code import files_in_code
from reprise.sandbox.diagnosis.failure import Failure
from reprise.sandbox.diagnosis.messages import files_in_commands, files_in_messages
from reprise.sandbox.diagnosis.missing_keys import params_in_messages
from reprise.sandbox.sandbox import Sandbox
from reprise.sandbox.undeclared import Undeclared

Strategy = Callable[[Failure], Iterable[Undeclared]]
STRATEGIES: tuple[Strategy, ...] = (  # the surest first
    files_in_messages,
    params_in_messages,
    files_in_code,
    files_in_commands,
)


def diagnose(sandbox: Sandbox, output: str) -> list[Undeclared]:
    """Return the inputs that the command asked for, that the workspace has and the sandbox lacks.

    The first strategy that finds any decides. The list is empty when the command failed for
    another reason, or named what is nowhere.

    sandbox: in which the command failed, with the files that it left; output: the end of what it
    printed.
    """
    failure = Failure(sandbox, output)
    for strategy in STRATEGIES:
        undeclared = list(dict.fromkeys(strategy(failure)))
        if undeclared:
            return undeclared
    return []
