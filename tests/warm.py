"""Run `python …`, `dvc …` and `reprise …` in forks of processes that imported what these need.

The commands are the real ones, from dvc.yaml, and run the real code of the project they stand in.
Only the seconds that torch and Great Expectations take to import are saved, since a suite runs
hundreds of stages. Those are forks of one process, all others of another: to fork what has torch
takes three times as long.
"""

import ctypes
import fcntl
import gc
import importlib
import os
import runpy
import selectors
import socket
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
GARBAGE_THRESHOLD = 50_000  # objects after which Python looks for garbage, 700 by default
TOOLS = (
    "configobj",
    "dulwich.ignore",
    "dulwich.index",
    "dulwich.worktree",
    "duckdb",
    "dvc.analytics",
    "dvc.cachemgr",
    "dvc.cli",
    "dvc.commands.repro",
    "dvc.compare",
    "dvc.data_cloud",
    "dvc.dirs",
    "dvc.lock",
    "dvc.render",
    "dvc.repo.artifacts",
    "dvc.repo.brancher",
    "dvc.repo.collect",
    "dvc.repo.datasets",
    "dvc.repo.experiments",
    "dvc.repo.experiments.brancher",
    "dvc.repo.index",
    "dvc.repo.init",
    "dvc.repo.metrics.show",
    "dvc.repo.open_repo",
    "dvc.repo.params.show",
    "dvc.repo.plots",
    "dvc.repo.reproduce",
    "dvc.repo.stage",
    "dvc.repo.trie",
    "dvc.repo.worktree",
    "dvc.rwlock",
    "dvc.scm",
    "dvc.stage.cache",
    "dvc.stage.loader",
    "dvc.types",
    "dvc_data.fs",
    "dvc_data.hashfile.db.local",
    "dvc_data.hashfile.status",
    "dvc_data.index.push",
    "fsspec.implementations.memory",
    "jinja2",
    "networkx",
    "psutil",
    "pyarrow.acero",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pydantic.dataclasses",
    "pydantic.main",
    "pygit2",
    "pyparsing",
    "reprise.check.fix",
    "reprise.cli",
    "reprise.replicate.run",
    "reprise.retrain.retrain",
    "reprise.review.builder",
    "reprise.review.formats",
    "reprise.runner.kept_plan",
    "reprise.runner.session",
    "requests",
    "rich._emoji_codes",
    "rich.console",
    "rich.status",
    "ruamel.yaml",
    "ruamel.yaml.mergevalue",
    "scipy.stats",
    "scmrepo.fs",
    "scmrepo.git",
    "scmrepo.git.backend.pygit2.filter",
    "scmrepo.noscm",
    "yaml",
)
STAGES = (
    "duckdb_engine",
    "encodings.utf_8_sig",
    "great_expectations.expectations",
    "platformdirs",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pydantic.fields",
    "pydantic.main",
    "safetensors.torch",
    "sklearn.compose",
    "sklearn.datasets",
    "sklearn.linear_model",
    "sklearn.metrics",
    "torch._dynamo",  # the first optimizer imports it
    "tqdm",
    "yaml",
)
# A fork copies a table of all pages: of large pages there are few. Where the system has none, the
# variables change nothing.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "PYTHONMALLOC": "malloc"}
PREFIXES: dict[str, list[str]] = {  # of the arguments that a command is given
    "python": [],
    "dvc": ["-m", "dvc"],
    "reprise": ["-m", "reprise"],
}

# Of `_socket` alone, since importing `socket` and `json` takes longer than all the rest.
CLIENT = """#!{python} -ISE
import _socket, os, sys, time
args = [*{prefix!r}, *sys.argv[1:]]
if args[0][0] == "-" and args[0] != "-m":  # of Python itself
    os.execv("{python}", ["{python}", *args])
imports_torch = any(arg.startswith(("src.", "torch", "safetensors")) for arg in args)
server = "stages" if imports_torch else "tools"
s = _socket.socket(_socket.AF_UNIX)
for second in range(300):
    try:
        s.connect(f"{folder}/{{server}}.socket")
        break
    except FileNotFoundError:  # it still imports
        time.sleep(1)
variables = [text for pair in os.environ.items() for text in pair]
texts = ["", os.getcwd(), str(len(args)), *args, *variables]
request = b"\\0".join(map(os.fsencode, texts))
namespaces = [os.open(f"/proc/self/ns/{{name}}", os.O_RDONLY) for name in ("user", "mnt")]
fds = b"".join(fd.to_bytes(4, sys.byteorder) for fd in (0, 1, 2, *namespaces))
ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fds)]
s.sendmsg([len(request).to_bytes(8, "big")], ancillary)
s.sendall(request)
s.recv({pid_size})
code = int.from_bytes(s.recv(2), sys.byteorder, signed=True)
os._exit(code if code >= 0 else 128 - code)  # ended by a signal, as a shell says it
"""
# Commands of `reprise` that start the `dvc` beside Python. All others start Python itself, which
# a stand-in would only delay.
UNATTENDED = ("retrain", "publish")
PID_SIZE = 8  # bytes, of the number that a server answers with; two for the exit status follow


def start(folder: Path, run: int, *modules: str) -> None:
    """Write stand-ins for the commands into folder/bin, and start the processes behind them.

    They go on to import, and their clients wait. run: the process with which they end; modules:
    for `dvc` and `reprise` to have imported, besides TOOLS.
    """
    (folder / "bin").mkdir()
    for name, prefix in PREFIXES.items():
        client = folder / "bin" / name
        values = {"python": sys.executable, "folder": folder, "pid_size": PID_SIZE}
        client.write_text(CLIENT.format(prefix=prefix, **values))
        client.chmod(0o755)
    for name, imported in {"tools": (*TOOLS, *modules), "stages": STAGES}.items():
        command = [sys.executable, "-m", "tests.warm", f"{folder}/{name}.socket", str(run)]
        server = subprocess.Popen([*command, *imported], cwd=ROOT, env=os.environ | HUGE_PAGES)
        server.returncode = 0  # it ends by itself: nobody waits for it, and Python need not warn


def run(
    command: Sequence[str | Path], folder: Path, variables: Mapping[str, str], stderr: int
) -> tuple[str, int]:
    """Run a command as subprocess.run does; return its stdout and exit status.

    A warm one is asked for at once, without a client. variables: its environment, with the PATH
    of `start`; stderr: a descriptor, or subprocess.STDOUT.
    """
    name, *arguments = map(str, command)
    bin_folder = Path(variables["PATH"].split(os.pathsep)[0])
    server = server_of(bin_folder, arguments)
    is_warm = name in PREFIXES and (bin_folder / name).exists()
    if not is_warm or not server.exists():  # or it still imports, and the client waits
        done = subprocess.run(
            command, cwd=folder, env=variables, text=True, stdout=subprocess.PIPE, stderr=stderr
        )
        return done.stdout, done.returncode
    output, its_output = os.pipe()
    its_stderr = its_output if stderr == subprocess.STDOUT else stderr
    texts = [*PREFIXES[name], *arguments]
    running = Command(server, texts, folder, variables, (0, its_output, its_stderr))
    os.close(its_output)
    with os.fdopen(output) as stream:
        written = stream.read()
    code = running.wait()
    return written, code if code >= 0 else 128 - code


class Command:
    """Runs a command in a fork of a warm process, which answers when it has ended."""

    def __init__(
        self,
        server: Path,
        arguments: Sequence[str],
        folder: Path,
        variables: Mapping[str, str],
        standard: tuple[int, int, int],
        session: str = "",
    ) -> None:
        """Start it.

        arguments: those of `python`; standard: its stdin, stdout and stderr; session: `new` for
        one of its own.
        """
        request = [session, os.fspath(folder), str(len(arguments)), *arguments]
        for variable in variables.items():
            request.extend(variable)
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(os.fspath(server))
        _send(self._connection, request, standard)
        self.pid = int.from_bytes(self._connection.recv(PID_SIZE), sys.byteorder)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, negative where a signal ended it, as subprocess.Popen does."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                answer = self._connection.recv(2)
            except TimeoutError:
                raise subprocess.TimeoutExpired(["reprise"], timeout or 0) from None
            self.returncode = int.from_bytes(answer, sys.byteorder, signed=True)
            self._connection.close()
        return self.returncode


def server_of(bin_folder: Path, arguments: Sequence[str]) -> Path:
    """Return the socket of the server for a command, as CLIENT chooses it."""
    imports_torch = any(text.startswith(("src.", "torch", "safetensors")) for text in arguments)
    name = "stages" if imports_torch else "tools"
    return bin_folder.parent / f"{name}.socket"


def _send(connection: socket.socket, texts: list[str], standard: tuple[int, int, int]) -> None:
    """Send a request, with the descriptors of its streams and of this process's namespaces."""
    request = b"\0".join(map(os.fsencode, texts))
    namespaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", "mnt")]
    socket.send_fds(connection, [len(request).to_bytes(8, "big")], [*standard, *namespaces])
    for descriptor in namespaces:
        os.close(descriptor)
    connection.sendall(request)


def serve(address: str, run: str, *modules: str) -> None:
    """Answer commands on the socket at `address`, each in a fork, while the process `run` lives."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    for name in modules:
        importlib.import_module(name)
    if "dvc.cli" in modules:
        from dvc.cli.parser import get_main_parser

        get_main_parser()  # 110 parsers, which DVC makes once a process
    gc.collect()
    gc.freeze()  # or each fork's collections would touch, and so copy, all of this memory
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address + ".new")
    listener.listen(64)
    Path(address + ".new").rename(address)
    python = os.fspath(Path(address).parent / "bin" / "python")
    commands = selectors.DefaultSelector()
    commands.register(listener, selectors.EVENT_READ)
    while _is_alive(int(run)):
        for key, _ in commands.select(timeout=0.5):
            if key.fileobj is listener:
                _start(listener, commands, python)
            else:
                commands.unregister(key.fileobj)
                _finish(*key.data)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _start(listener: socket.socket, commands: selectors.BaseSelector, python: str) -> None:
    """Start the next client's command in a fork, and wait for its end from now on.

    python: the stand-in for the command `python`.
    """
    client, _ = listener.accept()
    size, (*standard, user, mnt), _, _ = socket.recv_fds(client, 8, 5)
    with client.makefile("rb") as stream:
        request = stream.read(int.from_bytes(size, "big"))
    pid = os.fork()
    if pid == 0:
        listener.close()
        client.close()
        commands.close()
        _enter("user", user)
        _enter("mnt", mnt)
        for number, fd in enumerate(standard):  # stdin, stdout, stderr
            os.dup2(fd, number)
            os.close(fd)
        _run(python, *map(os.fsdecode, request.split(b"\0")))
    for fd in (*standard, user, mnt):
        os.close(fd)
    with suppress(BrokenPipeError):
        client.sendall(pid.to_bytes(PID_SIZE, sys.byteorder))
    ended = os.pidfd_open(pid)
    commands.register(ended, selectors.EVENT_READ, (pid, ended, client))


def _enter(name: str, namespace: int) -> None:
    """Enter the client's namespace of that kind, if this process is not in it: setns(2)."""
    if os.fstat(namespace).st_ino != Path(f"/proc/self/ns/{name}").stat().st_ino:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.setns(namespace, 0) == 0, os.strerror(ctypes.get_errno())
    os.close(namespace)


def _finish(pid: int, ended: int, client: socket.socket) -> None:
    """Answer with the exit status of a command that has ended."""
    _, status = os.waitpid(pid, 0)
    os.close(ended)
    code = os.waitstatus_to_exitcode(status)
    with client, suppress(BrokenPipeError):  # the client may be gone
        client.sendall(code.to_bytes(2, sys.byteorder, signed=True))


def _run(python: str, session: str, folder: str, count: str, *texts: str) -> None:
    """Run a command in this process, and end it.

    python: the stand-in, for commands that look for others beside Python; session: `new` for one
    of its own; texts: `count` arguments, names and values of variables.
    """
    if session:
        os.setsid()
        if os.isatty(0):
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    args = [*texts[: int(count)]]
    variables = iter(texts[len(args) :])
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(zip(variables, variables, strict=True))
    python_path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = filter(None, python_path)
    if args[:2] == ["-m", "reprise"] and args[2] in UNATTENDED:
        sys.executable = python
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
