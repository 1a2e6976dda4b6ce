"""Builds an object of the class that params.yaml names.

What a class of torch or of this project raises is bad params, one line. Of a user's own class only
arguments that do not fit its signature are; an error inside it shows his traceback.
"""

import importlib
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType, TracebackType
from typing import Any

from torch.nn.modules.module import register_module_parameter_registration_hook

from src.errors import InputError, OwnCodeError, first_line, is_out_of_memory, one_of, shown


class Refusing(AbstractContextManager[None]):
    """Turns whatever a class of torch raises of its arguments into InputError.

    Some it refuses only at their first use. A full memory is none of the arguments' errors.
    """

    def __init__(self, where: str, cls: type, kwargs: dict[str, Any]) -> None:
        self.where, self.cls, self.kwargs = where, cls, kwargs

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        passes = isinstance(error, InputError) or is_out_of_memory(error)
        if isinstance(error, Exception) and not passes:
            name = f"{self.cls.__module__}.{self.cls.__name__}"
            expected = f"arguments that {name} takes ({first_line(error)})"
            raise InputError(self.where, shown(self.kwargs), expected) from None


class OwnCode(AbstractContextManager[None]):
    """Turns any error of the user's own code into OwnCodeError, for which the traceback is shown.

    So too its sys.exit, which would end the stage as if it were done; a full memory passes.

    name: of a class, as params.yaml has it; where it is none of the user's (`mlp`), errors pass.
    passing: errors that pass all the same, where code of ours runs beside the user's.
    """

    def __init__(self, where: str, name: str, passing: tuple[type[Exception], ...] = ()) -> None:
        self.where, self.name = where, name
        self.passing = (InputError, OwnCodeError, *passing)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, self.passing) or is_out_of_memory(error) or not is_own(self.name):
            return
        if isinstance(error, Exception | SystemExit):
            raise OwnCodeError(self.where, self.name, error) from error


def is_own(name: str) -> bool:
    """Tell a class of the user's own, `your.module:Class`, from one of ours."""
    return ":" in name


@contextmanager
def at_most(where: str, count: int) -> Iterator[None]:
    """Refuse a network while it is built, as soon as it has made more than so many parameters.

    One that memory can't hold is refused likewise.
    """
    made = 0
    expected = "arguments that fit the tensors beside them"

    def register(*_: object) -> None:
        nonlocal made
        made += 1
        if made > count:
            raise InputError(where, f"arguments for over {count} parameters", expected)

    hook = register_module_parameter_registration_hook(register)
    try:
        yield
    except (RuntimeError, MemoryError) as e:
        if not is_out_of_memory(e):
            raise
        raise InputError(where, "arguments too large for the memory", expected) from None
    finally:
        hook.remove()


def import_class(where: str, name: str) -> Any:
    """Import `module:Class`.

    Raises InputError if there is no such module or class, and OwnCodeError for an error inside the
    module, such as a missing import of its own.
    """
    module_name, _, class_name = name.partition(":")
    module = import_module(where, name, module_name)
    try:
        return getattr(module, class_name)
    except AttributeError as e:
        raise no_class(where, name, e) from None


def own_class(where: str, name: str, base: type, kind: str) -> type:
    """Import `module:Class`; raise InputError unless it is one of the base, which kind names."""
    cls = import_class(where, name)
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise InputError(f"{where}.name", shown(name), f"a class of {kind}")
    return cls


def import_module(where: str, name: str, module_name: str) -> ModuleType:
    """Import the module of a class, as `import_class` says."""
    if "" in module_name.split("."):
        raise no_class(where, name, "no module's name")
    with OwnCode(where, name):
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as e:
            # The module itself is missing, or a package that it is in; else it lacks an import.
            if f"{module_name}.".startswith(f"{e.name}."):
                raise no_class(where, name, e) from None
            raise


def no_class(where: str, name: str, reason: object) -> InputError:
    """Say that there is no such module or class, and why."""
    found = f"{shown(name)} ({reason})"
    return InputError(f"{where}.name", found, "an importable module:Class")


def construct(where: str, cls: Any, given: dict[str, Any], kwargs: dict[str, Any]) -> Any:
    """Call a class of torch or of this project.

    given: arguments from the code; kwargs: those from params.yaml. Raises InputError, which names
    the unknown, missing or refused argument.
    """
    signature = inspect.signature(cls)
    check_known(where, signature, given, kwargs)
    check_flags(where, signature, kwargs)
    with Refusing(where, cls, kwargs):
        return cls(**given, **kwargs)


def construct_own(
    where: str, name: str, cls: Any, given: dict[str, Any], kwargs: dict[str, Any]
) -> Any:
    """Call a class of the user's own, as `construct` does one of torch.

    Raises InputError for arguments that its signature refuses, OwnCodeError for an error inside it.
    """
    with OwnCode(where, name):
        signature = inspect.signature(cls)
    check_known(where, signature, given, kwargs)
    with Refusing(where, cls, kwargs):
        signature.bind(**given, **kwargs)
    with OwnCode(where, name):
        return cls(**given, **kwargs)


def check_known(
    where: str, signature: inspect.Signature, given: dict[str, Any], kwargs: dict[str, Any]
) -> None:
    """Raise InputError for an argument that the signature has not."""
    parameters = signature.parameters
    kinds = [parameter.kind for parameter in parameters.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    known = [name for name in parameters if name not in given]
    for key in kwargs:
        if key not in known:
            expected = one_of(known, key) if known else "none"
            raise InputError(f"{where}.{key}", "an unknown argument", expected)


def check_flags(where: str, signature: inspect.Signature, kwargs: dict[str, Any]) -> None:
    """Raise InputError for a flag that is neither true nor false: `no` is text, which Python heeds.

    So `maximize: no` would have an optimizer maximise the loss.
    """
    for key, value in kwargs.items():
        parameter = signature.parameters.get(key)
        if parameter is None or isinstance(value, bool):
            continue
        may_be_none = str(parameter.annotation) == "bool | None"  # of `fused` and `foreach`
        is_flag = isinstance(parameter.default, bool) or (may_be_none and value is not None)
        if is_flag:
            raise InputError(f"{where}.{key}", shown(value), "true or false")
