"""Builds the schedule of the learning rate that params.yaml names: a scheduler, or several."""

from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Literal

import torch
from pydantic import Discriminator, Field, Tag
from torch import Tensor, nn
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from src.construct import OwnCode, Refusing, construct, construct_own, is_own, own_class
from src.errors import InputError, one_of, shown
from src.params import Named
from src.training.course import Course, Span, check_counts, check_course, course_of

# Those that are made of others, and how params.yaml writes them.
MADE_OF_OTHERS = {
    "SequentialLR": "a list of schedulers, of which each follows the one before",
    "ChainedScheduler": "it by itself, with a list of `schedulers`",
}
SCHEDULERS = sorted(set(lr_scheduler.__all__) - {"LRScheduler", *MADE_OF_OTHERS})
# These set the learning rate whatever other schedulers made of it.
NOT_AFTER_OTHERS = (
    lr_scheduler.OneCycleLR,
    lr_scheduler.CyclicLR,
    lr_scheduler.ReduceLROnPlateau,
)
NOT_WITH_OTHERS = (*NOT_AFTER_OTHERS, lr_scheduler.CosineAnnealingWarmRestarts)
LARGEST = torch.finfo(torch.float32).max
TRIED = 20_000  # steps of the schedule before training at most, which take a fifth of a second


class Scheduler(Named):
    """Names a scheduler of torch.optim.lr_scheduler or `your.module:Class`, and when it steps.

    every: null is as the others of its list, or else an epoch. until: the step since the beginning
    at which the next of the list takes over. schedulers: what a ChainedScheduler is made of.
    """

    every: Literal["epoch", "batch"] | None = None
    until: int | None = Field(None, ge=1)
    schedulers: "list[Scheduler] | None" = None


def one_or_list(value: object) -> str:
    """Tell one scheduler from a list of them."""
    return "a list" if isinstance(value, list) else "a scheduler"


Schedulers = Annotated[
    Annotated[Scheduler, Tag("a scheduler")] | Annotated[list[Scheduler], Tag("a list")],
    Discriminator(one_or_list),
]


class Schedule:
    """Changes the learning rate after batches or after epochs.

    scheduler: of torch, None for a learning rate that stays; guard: what turns its errors into one
    line, or shows the traceback of the user's own.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        scheduler: LRScheduler | None = None,
        every: Literal["epoch", "batch"] = "epoch",
        guard: AbstractContextManager[None] | None = None,
    ) -> None:
        self.optimizer, self.scheduler, self.every = optimizer, scheduler, every
        self.guard = nullcontext() if guard is None else guard

    def after_batch(self, loss: Tensor) -> None:
        """Step, if that is after batches; loss: the batch's, a scalar."""
        if self.every == "batch":
            self.step(loss)

    def after_epoch(self, loss: float) -> None:
        """Step, if that is after epochs; loss: the validation's."""
        if self.every == "epoch":
            self.step(loss)

    def step(self, loss: Tensor | float) -> None:
        """Step, and check the learning rate; only ReduceLROnPlateau heeds the loss."""
        if self.scheduler is None:
            return
        with self.guard:
            if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
                self.scheduler.step(loss.item() if isinstance(loss, Tensor) else loss)
            else:
                self.scheduler.step()
            check_rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Return the scheduler's state."""
        return {} if self.scheduler is None else self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state. The learning rate is part of the optimizer's."""
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state)


class Trial(Optimizer):
    """Has the settings of an optimizer, and one parameter, which no step changes."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__([nn.Parameter(torch.zeros(1))], dict(optimizer.defaults))

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Do nothing."""


def build_schedule(
    where: str,
    spec: Scheduler | list[Scheduler] | None,
    optimizer: Optimizer,
    epochs: int,
    batches: int,
) -> Schedule:
    """Build the schedule for so many epochs of so many batches.

    Raises InputError if torch refuses it or it does not fit the training's length, OwnCodeError for
    an error in a class of the user's own.
    """
    if spec is None:
        return Schedule(optimizer)
    span = Span(epochs, batches, every_of(where, spec))
    scheduler = build_scheduler(where, spec, optimizer, span)
    return Schedule(optimizer, scheduler, span.every, guard_of(where, spec, scheduler))


def every_of(where: str, spec: Scheduler | list[Scheduler]) -> Literal["epoch", "batch"]:
    """Find when the schedulers step; raise InputError if they say different things."""
    said = [one.every for one in flat(spec) if one.every is not None]
    if len(set(said)) > 1:
        expected = "one of them: the schedulers of a list step together"
        raise InputError(where, "every: epoch beside every: batch", expected)
    return said[0] if said else "epoch"


def flat(spec: Scheduler | list[Scheduler]) -> list[Scheduler]:
    """List the schedulers at any depth."""
    if isinstance(spec, list):
        return [inner for one in spec for inner in flat(one)]
    return [spec, *flat(spec.schedulers or [])]


def guard_of(
    where: str, spec: Scheduler | list[Scheduler], scheduler: LRScheduler
) -> AbstractContextManager[None]:
    """Choose what becomes of an error of a step."""
    own = [one.name for one in flat(spec) if is_own(one.name)]
    if own:
        return OwnCode(where, own[0])
    kwargs = {one.name: one.kwargs for one in flat(spec)}
    if isinstance(spec, Scheduler) and spec.schedulers is None:
        kwargs = spec.kwargs
    return Refusing(where, type(scheduler), kwargs)


def build_scheduler(
    where: str, spec: Scheduler | list[Scheduler], optimizer: Optimizer, span: Span
) -> LRScheduler:
    """Build one scheduler, a list of which each follows the one before, or a chain."""
    if isinstance(spec, list):
        return build_sequence(where, spec, optimizer, span)
    if spec.name == "ChainedScheduler":
        return build_chain(where, spec, optimizer, span)
    find_end(where, spec, optimizer, span, begin=0, is_last=True)
    return build_one(where, spec, optimizer)


def build_sequence(
    where: str, specs: list[Scheduler], optimizer: Optimizer, span: Span
) -> LRScheduler:
    """Build a list of schedulers, of which each takes over where the one before ends."""
    check_number(where, specs)
    schedulers: list[LRScheduler] = []
    ends = [0]
    for i, spec in enumerate(specs):
        at = f"{where}[{i}]"
        is_last = i == len(specs) - 1
        ends.append(find_end(at, spec, optimizer, span, ends[-1], is_last))
        schedulers.append(build_one(at, spec, optimizer))
        check_together(at, spec, schedulers[-1], NOT_AFTER_OTHERS)
    milestones = ends[1:-1]
    with Refusing(where, lr_scheduler.SequentialLR, {"milestones": milestones}):
        return lr_scheduler.SequentialLR(optimizer, schedulers, milestones)


def build_chain(where: str, spec: Scheduler, optimizer: Optimizer, span: Span) -> LRScheduler:
    """Build a chain: each scheduler changes the learning rate that the one before left."""
    if spec.kwargs or spec.until is not None:
        found = f"ChainedScheduler with {shown(spec.kwargs or {'until': spec.until})}"
        raise InputError(where, found, "it with `schedulers` alone")
    specs = spec.schedulers or []
    check_number(f"{where}.schedulers", specs)
    schedulers: list[LRScheduler] = []
    for i, one in enumerate(specs):
        at = f"{where}.schedulers[{i}]"
        find_end(at, one, optimizer, span, begin=0, is_last=True)
        schedulers.append(build_one(at, one, optimizer))
        check_together(at, one, schedulers[-1], NOT_WITH_OTHERS)
    return lr_scheduler.ChainedScheduler(schedulers, optimizer)


def check_number(where: str, specs: list[Scheduler]) -> None:
    """Raise InputError for a list of fewer than two."""
    if len(specs) < 2:
        raise InputError(where, f"a list of {len(specs)}", "two schedulers or more")


def check_together(
    where: str, spec: Scheduler, scheduler: LRScheduler, refused: tuple[type[LRScheduler], ...]
) -> None:
    """Raise InputError for a scheduler that does not heed the others."""
    if isinstance(scheduler, refused):
        raise InputError(f"{where}.name", spec.name, "a scheduler that goes on from others' rates")


def build_one(where: str, spec: Scheduler, optimizer: Optimizer) -> LRScheduler:
    """Build the named scheduler; raise InputError if it is refused."""
    given = {"optimizer": optimizer}
    scheduler: LRScheduler
    if spec.schedulers is not None or spec.name in MADE_OF_OTHERS:
        expected = MADE_OF_OTHERS.get(spec.name, "`schedulers` in a ChainedScheduler only")
        raise InputError(f"{where}.name", shown(spec.name), expected)
    if is_own(spec.name):
        cls = own_class(where, spec.name, LRScheduler, "torch.optim.lr_scheduler.LRScheduler")
        scheduler = construct_own(where, spec.name, cls, given, spec.kwargs)
        return scheduler
    if spec.name not in SCHEDULERS:
        known = one_of(SCHEDULERS, spec.name)
        expected = f"a scheduler of torch.optim.lr_scheduler: {known}, or your.module:Class"
        raise InputError(f"{where}.name", shown(spec.name), expected)
    scheduler = construct(where, getattr(lr_scheduler, spec.name), given, spec.kwargs)
    return scheduler


def find_end(
    where: str, spec: Scheduler, optimizer: Optimizer, span: Span, begin: int, is_last: bool
) -> int:
    """Find the step at which the next scheduler takes over; the last goes on to the end.

    All that torch would only refuse at a later step, or not at all, is checked here: the scheduler
    takes its steps, with an optimizer that changes nothing.
    """
    trial = Trial(optimizer)
    if not is_own(spec.name):
        check_counts(where, spec.kwargs)
    scheduler = build_one(where, spec, trial)
    course = course_of(spec.name, spec.kwargs, scheduler)
    if is_last:
        end = end_of_last(where, spec, span)
    else:
        end = end_before_next(where, spec, course, span, begin)
    if course is not None:
        check_course(where, course, end - begin, span, is_last)
    if not is_own(spec.name):
        try_steps(where, spec, trial, scheduler, end - begin)
    return end


def end_of_last(where: str, spec: Scheduler, span: Span) -> int:
    """Return the training's last step; raise InputError for a last scheduler with an end."""
    if spec.until is not None:
        expected = "none in the last scheduler, which goes on to the end"
        raise InputError(f"{where}.until", str(spec.until), expected)
    return span.steps


def end_before_next(
    where: str, spec: Scheduler, course: Course | None, span: Span, begin: int
) -> int:
    """Find where a scheduler ends that another follows: where it says so, or is done.

    Raises InputError if it does neither, or if no step is left for it or the next.
    """
    if spec.until is not None:
        end = spec.until
    elif course is not None and course.length is not None:
        end = begin + course.length
    else:
        expected = "`until`, the step at which the next scheduler takes over"
        raise InputError(where, f"{spec.name}, which has no end", expected)
    if not begin < end < span.steps:
        expected = f"more than {begin} and fewer than {span.steps}, {span}"
        raise InputError(where, f"a scheduler until step {end}", expected)
    return end


def try_steps(
    where: str, spec: Scheduler, trial: Trial, scheduler: LRScheduler, steps: int
) -> None:
    """Take the steps, with a loss that stays; raise InputError for what training can't go on by."""
    guard = guard_of(where, spec, scheduler)
    schedule = Schedule(trial, scheduler, guard=guard)
    trial.step()  # torch warns of schedulers that step before
    for _ in range(min(steps, TRIED)):
        with guard:
            check_signs(trial)
        schedule.step(1.0)


def check_rates(optimizer: Optimizer) -> None:
    """Raise ValueError for a learning rate that is no number, or too large for one."""
    for group in optimizer.param_groups:
        rate = group["lr"]
        is_number = isinstance(rate, int | float)
        if not is_number or not abs(rate) <= LARGEST:
            raise ValueError(f"the learning rate becomes {shown(rate)}")


def check_signs(optimizer: Optimizer) -> None:
    """Raise ValueError for a learning rate below 0, or a momentum that is none.

    After the training's last step some schedulers leave such a rate, which nothing uses.
    """
    for group in optimizer.param_groups:
        if group["lr"] < 0:
            raise ValueError(f"the learning rate becomes {shown(group['lr'])}")
        momentum = group["betas"][0] if "betas" in group else group.get("momentum", 0.0)
        if not 0 <= momentum <= 1:
            raise ValueError(f"the momentum becomes {shown(momentum)}")
