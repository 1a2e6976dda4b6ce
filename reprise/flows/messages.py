"""Define what a runner and the task run of a stage tell each other."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from reprise.flows.mailbox import Mailbox
from reprise.flows.states import StateName
from reprise.process.job import JobEnd, JobResult
from reprise.process.namespace import Mount, make_mount

LOST = JobResult(JobEnd.LOST, JobEnd.LOST.description, 0.0)
END = "end"
SIGNAL = "signal"


@dataclass(frozen=True)
class Start:
    """Asks for the job's commands.

    note: a file for the number of their process group. mounts: those of the attempt's own sandbox.
    """

    folder: Path
    note: Path
    mounts: Sequence[Mount] = ()


@dataclass(frozen=True)
class Retry:
    """Says that the stage will be attempted again after this error."""

    error: str


@dataclass(frozen=True)
class End:
    """Says in which state the task run is to end. message: for a reader of its page."""

    state: StateName
    message: str


class StageMailbox(Mailbox):
    """Carries the messages about one stage. Its attempts count from 1."""

    # From the runner

    def send_start(self, attempt: int, start: Start) -> None:
        """Ask the task run to run the job."""
        mounts = []
        for mount in start.mounts:
            mounts.append(asdict(mount))
        message = {"folder": str(start.folder), "note": str(start.note), "mounts": mounts}
        self.send(f"start-{attempt}", message)

    def send_signal(self, number: int) -> None:
        """Ask the task run to pass the signal to the commands, or not to start them."""
        self.send(SIGNAL, number)

    def send_retry(self, attempt: int, error: str) -> None:
        """Ask the task run to wait for another attempt."""
        self.send(f"retry-{attempt}", error)

    def send_end(self, state: StateName, message: str) -> None:
        """Ask the task run to end."""
        self.send(END, {"state": state, "message": message})

    def end(self) -> End | None:
        """Return how the task run is to end; None while it is to go on."""
        message = self.receive(END)
        if message is None:
            return None
        return End(StateName(message["state"]), message["message"])

    # From the task run

    def wait_for_start(self, attempt: int) -> bool:
        """Wait until the attempt is to start. Returns False when the stage ended before."""
        return self.wait(END, f"start-{attempt}") != END

    def start(self, attempt: int) -> Start:
        """Return what `wait_for_start` waited for."""
        message = self.receive(f"start-{attempt}")
        mounts = [*map(make_mount, message["mounts"])]
        return Start(Path(message["folder"]), Path(message["note"]), mounts)

    def signal(self) -> int | None:
        """Return the signal that the runner sent last; None if it sent none."""
        number: int | None = self.receive(SIGNAL)
        return number

    def was_claimed(self, attempt: int) -> bool:
        """Tell whether a task run began with the attempt."""
        return (self.folder / f"claim-{attempt}").exists()

    def claim_attempt(self, attempt: int) -> bool:
        """Return True to the first who asks: an attempt runs once."""
        return self.claim(f"claim-{attempt}")

    def send_result(self, attempt: int, result: JobResult) -> None:
        """Tell the runner how the job ended."""
        self.send(f"result-{attempt}", asdict(result))

    def result(self, attempt: int) -> JobResult | None:
        """Return how the job ended; None while it has not."""
        message = self.receive(f"result-{attempt}")
        if message is None:
            return None
        return JobResult(JobEnd(message["end"]), message["error"], message["seconds"])

    def wait_for_decision(self, attempt: int) -> End | Retry:
        """Wait until the runner decides what becomes of the attempt."""
        retry = f"retry-{attempt}"
        if self.wait(END, retry) == retry:
            return Retry(self.receive(retry))
        end = self.end()
        assert end is not None
        return end
