"""Checks that the course of the learning rate fits the training's length.

A scheduler that is done before training is, or that never leaves its warm-up, is refused before the
first step. Its lengths are numbers of their own, so that training can go on for more epochs.
"""

from typing import Any, Literal, NamedTuple

from src.errors import InputError, shown

# Arguments that count steps, and the least that they mean. Torch takes any number, and heeds none.
COUNTS = {
    "step_size": 1,
    "milestones": 1,
    "total_iters": 1,
    "T_max": 1,
    "T_0": 1,
    "T_mult": 1,
    "step_size_up": 1,
    "step_size_down": 1,
    "patience": 0,
    "cooldown": 0,
}


class Span(NamedTuple):
    """Holds how often a schedule steps while training lasts: after each epoch, or each batch."""

    epochs: int
    batches: int  # an epoch
    every: Literal["epoch", "batch"]

    @property
    def steps(self) -> int:
        """Count the steps."""
        return self.epochs * (self.batches if self.every == "batch" else 1)

    def __str__(self) -> str:
        """Say what the steps are."""
        if self.every == "batch":
            return f"the {self.epochs} epochs of {self.batches} batches"
        return f"the {self.epochs} epochs (a step is an epoch, unless every: batch)"


class Course(NamedTuple):
    """Holds how a scheduler goes on.

    argument: what its length is said by; length: steps after which it is done, None where it never
    is; rise: steps in which the learning rate does nothing but rise; is_whole: whether a training
    of more steps is none that it was meant for.
    """

    argument: str
    length: int | None
    rise: float = 0.0
    is_whole: bool = False


def course_of(name: str, kwargs: dict[str, Any], scheduler: Any) -> Course | None:
    """Read the course off a scheduler of torch that has one."""
    match name:
        case "LinearLR":
            length = scheduler.total_iters
            rises = scheduler.start_factor < scheduler.end_factor
            return Course("total_iters", length, length if rises else 0)
        case "ConstantLR":
            length = scheduler.total_iters
            return Course("total_iters", length, length if scheduler.factor < 1 else 0)
        case "PolynomialLR":
            return Course("total_iters", scheduler.total_iters, is_whole=True)
        case "CosineAnnealingLR":
            return Course("T_max", scheduler.T_max, is_whole=True)
        case "OneCycleLR":
            rise = kwargs.get("pct_start", 0.3) * scheduler.total_steps
            return Course("total_steps", scheduler.total_steps, rise, is_whole=True)
        case "CyclicLR":
            return Course("step_size_up", None, scheduler.total_size * scheduler.step_ratio)
    return None


def check_course(where: str, course: Course, steps: int, span: Span, is_last: bool) -> None:
    """Raise InputError for a scheduler that is done too early, or that never leaves its warm-up."""
    if course.is_whole and course.length is not None and course.length < steps:
        found = f"{course.argument} {course.length}"
        raise InputError(where, found, f"{course.argument} {steps} or more, to last for {span}")
    longest = steps - 1 if is_last else steps  # the one that follows begins with the full rate
    if course.rise > longest:
        found = f"a warm-up of {course.rise:g} steps by {course.argument}"
        raise InputError(where, found, f"one of {longest} or fewer, to leave it in {span}")


def check_counts(where: str, kwargs: dict[str, Any]) -> None:
    """Raise InputError for a number of steps that torch takes and that means nothing.

    So too for a mode of ReduceLROnPlateau by which a falling loss is a worse one.
    """
    for key in COUNTS:
        if key not in kwargs:
            continue
        counts = [kwargs[key]]
        if key == "milestones" and isinstance(kwargs[key], list):
            counts = kwargs[key]
        for count in counts:
            is_whole = isinstance(count, int) and not isinstance(count, bool)
            if not is_whole or count < COUNTS[key]:
                expected = f"a whole number of steps from {COUNTS[key]} on for {key}"
                raise InputError(where, shown(kwargs), expected)
    if kwargs.get("mode") == "max":
        raise InputError(where, shown(kwargs), "mode min: what it is given is the loss")
