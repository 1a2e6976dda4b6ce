"""What the command line says of itself."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from reprise.cli import COMMANDS, main, make_parser

NAMES = [command.__name__.rpartition(".")[2] for command in COMMANDS]


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", NAMES)
def test_each_help_has_a_sentence_two_examples_and_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = help_of(capsys, command, "--help")
    _, sentence, *_ = text.split("\n\n")
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    examples = text.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) == 2
    assert f"reprise {command}" in text.partition("Examples:")[2]
    for example in examples:
        call = example.strip().partition("  ")[0].partition(" > ")[0]
        make_parser().parse_args(shlex.split(call)[1:])
    statuses = text.partition("Exit status:\n")[2].partition("\n\n")[0].splitlines()
    assert {"0", "2"} <= {line.split()[0] for line in statuses}


@pytest.mark.parametrize("command", NAMES)
def test_help_of_a_command_is_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert help_of(capsys, "help", command) == help_of(capsys, command, "--help")


def test_help_alone_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, "help")
    for name in NAMES:
        assert re.search(rf"^    {name}\b", text, re.MULTILINE)


def test_help_of_no_command_is_one_line() -> None:
    with pytest.raises(SystemExit) as exited:
        main(["help", "rum"])
    assert exited.value.code == "reprise: help: found no command 'rum'; expected run?"


@pytest.mark.parametrize("command", NAMES)
def test_the_folder_stands_before_or_after_the_command(command: str) -> None:
    rest = {"comment": ["f", "--pull-request", "1"], "publish": ["f"]}.get(command, [])
    for arguments in (["-C", "x", command, *rest], [command, *rest, "-C", "x"]):
        assert make_parser().parse_args(arguments).directory == "x"
    assert make_parser().parse_args([command, *rest]).directory is None


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "reprise", "completion", "-s", "bash"],
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    (tmp_path / "completion").write_text(script)
    ask = """
. ./completion
COMP_WORDS=(reprise ver); COMP_CWORD=1; _shtab_reprise; echo "${COMPREPLY[@]}"
COMP_WORDS=(reprise plan --exit); COMP_CWORD=2; _shtab_reprise; echo "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, text=True, capture_output=True)
    assert done.stdout.split("\n")[:2] == ["verify", "--exit-code"], done.stderr


def test_zsh_gets_a_script_of_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, "completion", "-s", "zsh")
    assert text.startswith("#compdef reprise")
    for name in NAMES:
        assert f"_shtab_reprise_{name}_options=(" in text
