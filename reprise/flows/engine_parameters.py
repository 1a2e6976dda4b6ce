"""Give a flow the parameters that the engines declare."""

import inspect
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

from reprise.flows.engines import ENGINES, engine_options

P = ParamSpec("P")
T = TypeVar("T")


def with_engine_parameters(function: Callable[P, T]) -> Callable[P, T]:
    """Replace `runner` and `**engine_options` in the signature, from which Prefect makes a form.

    `runner` is then one of the engines' names. All engines' options, by keyword, follow it; they
    are described at the end of the docstring, which has to be its `Args:`.
    """
    signature = inspect.signature(function, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name == "runner":
            parameters.append(parameter.replace(annotation=Literal[tuple(ENGINES)]))
            parameters += _option_parameters()
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            parameters.append(parameter)
    function.__doc__ = _with_options(inspect.getdoc(function) or "")
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return function


def _with_options(docstring: str) -> str:
    lines = [docstring]
    for option in engine_options():
        lines.append(f"    {option.name}: {option.metavar.capitalize()} {option.help}.")
    return "\n".join(lines)


def _option_parameters() -> list[inspect.Parameter]:
    parameters = []
    for option in engine_options():
        parameter = inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=option.type | None,
        )
        parameters.append(parameter)
    return parameters
