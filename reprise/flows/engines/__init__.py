"""List the engines, each a file of this folder: `reprise run --runner dask` takes dask.py.

An engine is a module with

- `OPTIONS`: its settings. Each is an option of `reprise run` and a parameter of the flow `repro`.
- `make_task_runner(jobs, **options)`: make the task runner of Prefect that runs the commands, at
  most `jobs` at a time. Raises PipelineError when that is not possible.

The command line reads the engines without Prefect: they import it in `make_task_runner` alone.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from reprise.errors import PipelineError
from reprise.flows.engine_option import EngineOption

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

DEFAULT_ENGINE = "threads"


class Engine(Protocol):
    """Describes a module of this folder."""

    OPTIONS: Sequence[EngineOption]
    make_task_runner: Callable[..., "TaskRunner[Any]"]


def _load_engines() -> dict[str, Engine]:
    """Import the engines. The default comes first, the others follow by name."""
    others = sorted(module.name for module in pkgutil.iter_modules(__path__))
    others.remove(DEFAULT_ENGINE)
    engines: dict[str, Engine] = {}
    for name in [DEFAULT_ENGINE, *others]:
        engines[name] = cast(Engine, importlib.import_module(f"{__name__}.{name}"))
    return engines


ENGINES = _load_engines()


def engine_options() -> list[EngineOption]:
    """List the options of all engines."""
    options: list[EngineOption] = []
    for engine in ENGINES.values():
        options += engine.OPTIONS
    return options


def make_task_runner(name: str, jobs: int, options: Mapping[str, Any]) -> "TaskRunner[Any]":
    """Make the task runner of the engine. `options`: the values of all engines' options, by name.

    Raises PipelineError for an option of another engine, and when the engine can't run.
    """
    for other, engine in ENGINES.items():
        if other != name:
            _check_not_given(engine, other, options, name)
    engine = ENGINES[name]
    own_options = {option.name: options[option.name] for option in engine.OPTIONS}
    return engine.make_task_runner(jobs, **own_options)


def _check_not_given(other: Engine, other_name: str, options: Mapping[str, Any], name: str) -> None:
    for option in other.OPTIONS:
        value = options[option.name]
        if value is not None:
            raise PipelineError(
                f"{option.flag}: found {value} with --runner {name}; expected --runner {other_name}"
            )
