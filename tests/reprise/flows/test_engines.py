"""`--runner`: an engine is one file, which the command line reads without Prefect."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reprise.flows.engines import DEFAULT_ENGINE, ENGINES
from tests.conftest import ROOT

LOCAL = '''
"""Run commands one at a time."""

from reprise.flows.engine_option import EngineOption

OPTIONS = (EngineOption("local_nice", help="of the commands", metavar="N", type=int),)


def make_task_runner(jobs, local_nice):
    from prefect.task_runners import ThreadPoolTaskRunner

    return ThreadPoolTaskRunner(max_workers=local_nice)
'''
SHOW = """
from reprise.flows.repro import repro
from reprise.flows.engines import make_task_runner
print(repro.parameters.properties["runner"]["enum"], [*repro.parameters.properties][-4:])
print(repro.parameters.properties["local_nice"]["anyOf"])
options = {"dask_address": None, "local_nice": 3}
print(make_task_runner("local", 1, options)._max_workers)
make_task_runner("threads", 1, options)
"""


def run_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python where `reprise` is the one of the folder."""
    env = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        text=True,
        capture_output=True,
        check=False,
    )


def test_the_default_engine_comes_first() -> None:
    assert [*ENGINES] == [DEFAULT_ENGINE, "dask"]


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"], ["plan", "--help"]])
def test_the_command_line_needs_no_prefect_to_read_the_engines(command: list[str]) -> None:
    code = (
        "import sys; from reprise.cli import make_parser\n"
        "try: make_parser().parse_args(sys.argv[1:])\n"
        "finally: print(sorted({'prefect', 'distributed', 'httpx'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], text=True, capture_output=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_engine_is_added_by_one_file(tmp_path: Path) -> None:
    package = tmp_path / "reprise"
    shutil.copytree(ROOT / "reprise", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "flows" / "engines" / "local.py").write_text(LOCAL)
    help_ = run_in(tmp_path, "-m", "reprise", "run", "--help").stdout
    assert "--runner {threads,dask,local}" in help_
    assert "--local-nice N" in help_
    shown = run_in(tmp_path, "-c", SHOW)
    assert shown.stdout.splitlines() == [
        "['threads', 'dask', 'local'] ['runner', 'dask_address', 'local_nice', 'report']",
        "[{'type': 'integer'}, {'type': 'null'}]",
        "3",
    ]
    assert shown.stderr.splitlines()[-1] == (
        "reprise.errors.PipelineError: "
        "--local-nice: found 3 with --runner threads; expected --runner local"
    )
    refused = run_in(tmp_path, "-m", "reprise", "run", "--local-nice", "3")
    assert refused.stderr == (
        "reprise: --runner and --dask-address and --local-nice: found no --prefect; "
        "expected it: they are of a flow run\n"
    )
