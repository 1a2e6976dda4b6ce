"""Shows how training goes on: a bar, and a line now and then."""

from contextlib import AbstractContextManager
from types import TracebackType

from tqdm import tqdm

from src.params import Runtime
from src.training.progress import Progress


class Bar(AbstractContextManager["Bar"]):
    """Shows a bar an epoch, and writes a line every `log_every` steps."""

    def __init__(self, epochs: int, runtime: Runtime) -> None:
        self.epochs, self.every = epochs, runtime.log_every
        self.hidden = not runtime.progress or None  # None: hidden where stderr is no terminal
        self.bar = tqdm(disable=True)  # for a training that has no epoch left

    def begin_epoch(self, progress: Progress, steps: int) -> None:
        """Begin a bar of so many steps."""
        self.steps = steps
        name = f"Epoch {progress.epoch}/{self.epochs}"
        self.bar = tqdm(
            total=steps, desc=name, initial=progress.step, leave=False, disable=self.hidden
        )

    def step(self, progress: Progress) -> None:
        """Move the bar and write a line, if it is time."""
        if progress.step % self.every:
            return
        progress.read()
        self.bar.update(progress.step - self.bar.n)
        position = f"Epoch [{progress.epoch}/{self.epochs}], Step [{progress.step}/{self.steps}]"
        tqdm.write(f"{position}, Loss: {progress.loss:.4f}")

    def end_epoch(self, progress: Progress) -> None:
        """Remove the bar."""
        self.bar.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bar.close()
