"""Run `python -m …`, `dvc …` and `reprise …` in forks of a process that imported all.

The commands are the real ones, from dvc.yaml, and run the real code of the project they stand in.
Only the seconds that torch and Great Expectations take to import are saved, since a suite runs
hundreds of stages.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HEAVY = (
    "dulwich.ignore",
    "dvc.cachemgr",
    "dvc.cli",
    "dvc.commands.repro",
    "dvc.data_cloud",
    "dvc.dirs",
    "dvc.repo.index",
    "dvc.repo.plots",
    "dvc.repo.reproduce",
    "dvc.stage.cache",
    "dvc.stage.loader",
    "great_expectations.expectations",
    "networkx",
    "psutil",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pydantic",
    "rich.console",
    "rich.status",
    "tomlkit",
    "ruamel.yaml",
    "safetensors.torch",
    "scmrepo.git",
    "sklearn.datasets",
    "sklearn.metrics",
    "torch._dynamo",  # the first optimizer imports it
    "tqdm",
)

CLIENT = """#!{python} -ISE
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect({address!r})
args = [*{prefix!r}, *sys.argv[1:]]
request = json.dumps({{"args": args, "cwd": os.getcwd(), "env": dict(os.environ)}}).encode()
socket.send_fds(s, [len(request).to_bytes(8, "big")], [0, 1, 2])
s.sendall(request)
sys.exit(s.makefile("rb").read(1)[0])
"""


PREFIXES: dict[str, list[str]] = {  # of the arguments that a command is given
    "python": [],
    "dvc": ["-m", "dvc"],
    "reprise": ["-m", "reprise.cli"],
}


def start_for(run: int, folder: Path) -> None:
    """Start what ends with the process `run`, whichever worker asked for it first."""
    server = start(folder, run=run)
    server.returncode = 0  # it ends by itself: nobody waits for it, and Python need not warn


def start(folder: Path, *modules: str, run: int | None = None) -> subprocess.Popen[bytes]:
    """Write stand-ins for the commands into folder/bin, and start the process behind them.

    modules: to import besides HEAVY; run: the process with which it ends, by default this one.
    """
    run = run or os.getpid()
    address = folder / "warm.socket"
    (folder / "bin").mkdir()
    for name, prefix in PREFIXES.items():
        client = folder / "bin" / name
        client.write_text(CLIENT.format(python=sys.executable, address=str(address), prefix=prefix))
        client.chmod(0o755)
    server = subprocess.Popen([sys.executable, __file__, str(address), str(run), *modules])
    while not address.exists():
        assert server.poll() is None
        time.sleep(0.05)
    return server


def serve(address: str, run: str, *modules: str) -> None:
    """Answer commands on the socket at `address`, each in a fork, while the process `run` lives."""
    for name in (*HEAVY, *modules):
        importlib.import_module(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address + ".new")
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies of the forks that answer
    Path(address + ".new").rename(address)
    listener.settimeout(0.5)
    while _is_alive(int(run)):
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            _handle(connection)
        connection.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _handle(connection: socket.socket) -> None:
    """Fork once more, run the command there, and answer with its exit status."""
    size, fds, _, _ = socket.recv_fds(connection, 8, 3)
    content = connection.makefile("rb").read(int.from_bytes(size, "big"))
    request = json.loads(content)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        connection.close()
        for standard, fd in enumerate(fds):  # stdin, stdout, stderr
            os.dup2(fd, standard)
            os.close(fd)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        _run(request["args"])
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        code = 128 - code  # ended by a signal, as a shell says it
    connection.sendall(bytes([code]))
    os._exit(0)


def _run(args: list[str]) -> None:
    code = 0
    try:
        if args[0] == "-m":
            sys.argv = args[1:]
            sys.path[0] = str(Path.cwd())
            runpy.run_module(args[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = args
            sys.path[0] = str(Path(args[0]).resolve().parent)
            runpy.run_path(args[0], run_name="__main__")
    except SystemExit as e:
        code = _exit_status(e)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _exit_status(end: SystemExit) -> int:
    """Return the status of a process that ends so, and print the message, as Python does."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    print(end.code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    serve(*sys.argv[1:])
