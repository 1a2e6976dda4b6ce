"""Cut a Python params file.

DVC reads literals that are assigned in the module, in classes, and to `self` in `__init__`. Only
those are cut.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from reprise.params.keys import Coverage, KeyPath, coverage

Assignment = ast.Assign | ast.AnnAssign


class _Source:
    """Holds the text of a Python file as bytes: the columns of a syntax tree count bytes."""

    def __init__(self, text: str) -> None:
        self.code = text.encode()
        self._line_starts = [0]
        for line_end in re.finditer(rb"\r\n?|\n", self.code):
            self._line_starts.append(line_end.end())

    def span(self, node: ast.stmt | ast.expr) -> slice:
        """Return the bytes from which and up to which the node stands."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._line_starts[node.lineno - 1] + node.col_offset
        stop = self._line_starts[node.end_lineno - 1] + node.end_col_offset
        return slice(start, stop)

    def read(self, node: ast.stmt | ast.expr) -> bytes:
        """Return the node's own code."""
        return self.code[self.span(node)]


def cut_python(text: str, keys: Sequence[str]) -> str:
    """Replace assignments of undeclared params by `pass`, and drop undeclared keys of dictionaries.

    All other code stays.
    """
    source = _Source(text)
    result = source.code
    assignments = list(_assignments(ast.parse(text).body))
    for key, statement in reversed(assignments):  # from the end: the spans before it still hold
        covered = coverage(key, keys)
        if covered is Coverage.NONE:
            result = _replace(result, source.span(statement), b"pass")
        elif covered is Coverage.PART and isinstance(statement.value, ast.Dict):
            cut = _cut_dict(source, statement.value, keys, key)
            result = _replace(result, source.span(statement.value), cut)
    return result.decode()


def _replace(code: bytes, span: slice, new: bytes) -> bytes:
    return code[: span.start] + new + code[span.stop :]


def _cut_dict(source: _Source, node: ast.Dict, keys: Sequence[str], parent: KeyPath) -> bytes:
    """Return the code of a dictionary of the declared entries."""
    entries = []
    for key, value in zip(node.keys, node.values, strict=True):
        assert key is not None  # None stands for `**other`, which is no literal
        path = (*parent, str(ast.literal_eval(key)))
        covered = coverage(path, keys)
        if covered is Coverage.NONE:
            continue
        if covered is Coverage.PART and isinstance(value, ast.Dict):
            code = _cut_dict(source, value, keys, path)
        else:
            code = source.read(value)
        entries.append(source.read(key) + b": " + code)
    return b"{" + b", ".join(entries) + b"}"


def _assignments(
    body: list[ast.stmt], parent: KeyPath = (), *, in_init: bool = False
) -> Iterator[tuple[KeyPath, Assignment]]:
    """Yield the assignments that DVC takes for params, and their keys, in the order of the text."""
    for statement in body:
        match statement:
            case ast.ClassDef():
                yield from _assignments(statement.body, (*parent, statement.name))
            case ast.FunctionDef(name="__init__"):
                yield from _assignments(statement.body, parent, in_init=True)
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                name = _param_name(target, in_init=in_init)
                if name is not None and _is_literal(value):
                    yield (*parent, name), statement


def _param_name(target: ast.expr, *, in_init: bool) -> str | None:
    match target:
        case ast.Name(id=name) if not in_init:  # in `__init__` it is a local variable
            return name
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
    return None


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True
