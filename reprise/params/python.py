"""A Python params file cut, as far as DVC reads it: literals assigned in the module, in classes, and to `self` in
`__init__`.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from reprise.params.keys import Names, wanted


def cut_python(text: str, keys: Sequence[str]) -> str:
    """Drops what is undeclared; all other code stays."""
    source = text.encode()  # columns are in bytes
    lines = [0, *(m.end() for m in re.finditer(rb"\r\n?|\n", source))]

    def place(node: ast.stmt | ast.expr) -> slice:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return slice(
            lines[node.lineno - 1] + node.col_offset,
            lines[node.end_lineno - 1] + node.end_col_offset,
        )

    def part(node: ast.Dict, above: Names) -> bytes:
        """The declared entries of a dictionary."""
        entries = []
        for key, value in zip(node.keys, node.values, strict=True):
            assert key is not None
            name = (*above, str(ast.literal_eval(key)))
            declared = wanted(name, keys)
            if declared is not False:
                inner = (
                    part(value, name)
                    if declared is None and isinstance(value, ast.Dict)
                    else source[place(value)]
                )
                entries.append(source[place(key)] + b": " + inner)
        return b"{" + b", ".join(entries) + b"}"

    cut = source
    for name, statement in reversed([*_assignments(ast.parse(text).body, ())]):
        declared = wanted(name, keys)
        if declared is False:
            cut = cut[: place(statement).start] + b"pass" + cut[place(statement).stop :]
        elif declared is None and isinstance(statement.value, ast.Dict):
            at = place(statement.value)
            cut = cut[: at.start] + part(statement.value, name) + cut[at.stop :]
    return cut.decode()


def _assignments(
    body: list[ast.stmt], above: Names, *, to_self: bool = False
) -> Iterator[tuple[Names, ast.Assign | ast.AnnAssign]]:
    """Those that DVC takes for params, in the order of the text."""
    for statement in body:
        match statement:
            case ast.ClassDef():
                yield from _assignments(statement.body, (*above, statement.name))
            case ast.FunctionDef(name="__init__"):
                yield from _assignments(statement.body, above, to_self=True)
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                match target:
                    case ast.Name(id=name) if not to_self and _is_literal(value):
                        yield (*above, name), statement
                    case ast.Attribute(value=ast.Name(id="self"), attr=name) if _is_literal(value):
                        yield (*above, name), statement


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True
