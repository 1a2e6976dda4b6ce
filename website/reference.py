"""Write docs/cli.md from the parser and docs/params.md from the stages' models.

python -m website.reference
"""

import argparse
import importlib
import json
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from reprise.cli import make_parser

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs"
CLI_HEAD = """\
# Command line
Made by `make reference` from the parser. `reprise COMMAND --help` says the same.

Exit status: 0 when all went well, 1 after an error or where a command says so, 2 for a wrong
command line, and 128 + the signal's number after Ctrl-C and other signals.
"""
PARAMS_HEAD = """\
# `params.yaml`, key by key
Made by `make reference` from the models that check the file, and from its comments. A key that is
not here is refused in one line, and so is a value of another type. [The five stages](stages.md)
explains more.
"""
Schema = dict[str, Any]


def cell(text: str) -> str:
    """Make the text fit for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


# The command line


def describe_command_line(parser: argparse.ArgumentParser) -> str:
    """Describe the options of all commands, and each command under a heading of its own."""
    lines = [CLI_HEAD, *_table(parser)]
    for name, command in _subparsers(parser).choices.items():
        lines += ["", f"## {parser.prog} {name}"]
        summary = command.description or _summary(parser, name)
        lines += [f"{summary[0].upper()}{summary[1:].rstrip('.')}.", "", *_table(command)]
        if command.epilog:
            lines += ["", "```", command.epilog.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _subparsers(parser: argparse.ArgumentParser) -> Any:
    kind = argparse._SubParsersAction
    return next(action for action in parser._actions if isinstance(action, kind))


def _summary(parser: argparse.ArgumentParser, name: str) -> str:
    helps = {choice.dest: choice.help or "" for choice in _subparsers(parser)._choices_actions}
    return helps[name]


def _table(parser: argparse.ArgumentParser) -> list[str]:
    """Return a row for each argument but the commands."""
    rows = ["| argument | |", "|---|---|"]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        help_ = (action.help or "").replace("%%", "%")
        rows.append(f"| {_names(action)} | {cell(help_)} |")
    return rows


def _names(action: argparse.Action) -> str:
    metavar = ""
    if action.nargs != 0:
        choices = "{" + ",".join(map(str, action.choices or [])) + "}"
        metavar = str(action.metavar or (choices if action.choices else action.dest.upper()))
    if not action.option_strings:
        return f"`{metavar}`"
    names = [
        f"`{option} {metavar}`" if metavar else f"`{option}`" for option in action.option_strings
    ]
    return ", ".join(names)


# params.yaml


def describe_params() -> str:
    """Describe each key of params.yaml, a section under each heading, in the file's order."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    comments = read_comments(text)
    document = YAML(typ="safe", pure=True).load(text)
    lines = [PARAMS_HEAD.rstrip()]
    for section in document:
        stage = "fetch" if section == "runtime" else section
        schema = importlib.import_module(f"src.{stage}").Params.model_json_schema()
        lines += ["", f"## {section}"]
        if section in comments:
            lines += [f"{comments[section][0].upper()}{comments[section][1:]}.", ""]
        lines += ["| key | takes | default | |", "|---|---|---|---|"]
        for key, takes, default in _keys(schema, schema["properties"][section], section):
            meaning = cell(comments.get(key, ""))
            lines.append(f"| `{key}` | {cell(takes)} | {cell(default)} | {meaning} |")
    return "\n".join(lines) + "\n"


def read_comments(text: str) -> dict[str, str]:
    """Return the comment at the end of each key's line, by the key with dots."""
    comments: dict[str, str] = {}
    path: list[tuple[int, str]] = []  # indentation and key of the sections around a line
    for line in text.splitlines():
        found = re.match(r"( *)(\w+):(.*)$", line)
        if found is None:
            continue
        indent = len(found[1])
        while path and path[-1][0] >= indent:
            path.pop()
        path.append((indent, found[2]))
        comment = re.search(r"(?:^|\s)# *(.*)$", found[3])
        if comment is not None:
            comments[".".join(key for _, key in path)] = comment[1]
    return comments


def _keys(schema: Schema, inner: Schema, key: str) -> list[tuple[str, str, str]]:
    """List key, type and default below the key: those of a nested mapping after itself."""
    model = _model(schema, inner)
    rows = []
    for name, value in model["properties"].items():
        full = f"{key}.{name}"
        default = "required"
        if name not in model.get("required", []):
            default = f"`{json.dumps(value.get('default'), ensure_ascii=False)}`"
        nested = _nested(schema, value)
        if nested is None:
            rows.append((full, _type(schema, value), default))
        else:
            is_optional = any(choice.get("type") == "null" for choice in _choices(value))
            rows.append((full, "a mapping, or `null`" if is_optional else "a mapping", ""))
            rows += _keys(schema, nested, full)
    return rows


def _choices(value: Schema) -> list[Schema]:
    choices: list[Schema] = value.get("anyOf") or value.get("oneOf") or [value]
    return choices


def _model(schema: Schema, value: Schema) -> Schema:
    if "$ref" in value:
        model: Schema = schema["$defs"][value["$ref"].rpartition("/")[2]]
        return model
    return value


def _nested(schema: Schema, value: Schema) -> Schema | None:
    """Return what the mapping takes, where the value is one of named keys alone."""
    for choice in _choices(value):
        model = _model(schema, choice)
        if "properties" in model and model.get("additionalProperties") is False:
            return choice
    return None


def _type(schema: Schema, value: Schema) -> str:
    choices = _choices(value)
    if len(choices) > 1:
        return ", or ".join(_type(schema, choice) for choice in choices)
    model = _model(schema, value)
    if "enum" in model:
        return " | ".join(f"`{json.dumps(one).strip(chr(34))}`" for one in model["enum"])
    if "const" in model:
        return f"`{model['const']}`"
    if "pattern" in model:
        return f"text like `{model['pattern']}`"
    kind = model.get("type")
    if kind == "array":
        return f"a list: {_type(schema, model['items'])}"
    if kind == "object" and "properties" in model:
        return "a class's `name`, and its arguments"
    if kind == "object":
        return "a mapping"
    names = {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "`true` | `false`",
        "string": "text",
        "null": "`null`",
    }
    return names[str(kind)] + _bounds(model)


def _bounds(model: Schema) -> str:
    signs = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "exclusiveMaximum": "below",
    }
    found = [
        f" {word} {model[key]:,}".removesuffix(".0") for key, word in signs.items() if key in model
    ]
    return "".join(found)


def write() -> None:
    """Write both pages."""
    for name, text in pages().items():
        (PAGES / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Make the text of each page by its file's name."""
    return {"cli.md": describe_command_line(make_parser()), "params.md": describe_params()}


if __name__ == "__main__":
    write()
