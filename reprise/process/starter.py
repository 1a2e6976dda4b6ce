"""Start commands, each in a mount namespace of its own. This file is also the script that does it.

A process with threads can't enter a user namespace, and a new Python for each command takes longer
than all the rest: so one process without threads forks for each command. It imports nothing of the
project. What it is asked for comes over a socket: see `reprise.process.namespace`.

Between it and each command is a guard. Whatever comes of the command and loses its parent becomes a
child of the guard, also in a session of its own: prctl(2), PR_SET_CHILD_SUBREAPER.

In the namespace, the folders of a stage's sandbox lie over the workspace: mount_namespaces(7),
user_namespaces(7), the kernel's filesystems/overlayfs.rst.

Messages are marshalled: both ends are of one Python, and each run waits for what this file imports,
to which json would add as much again.
"""

import ctypes
import gc
import marshal
import os
import resource
import select
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import filterfalse
from typing import Any

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000  # linux/sched.h
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 0x1, 0x20, 0x1000, 0x4000, 0x80000  # mount.h
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
CAPABILITIES = range(64)  # linux/capability.h: there are fewer
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LENGTH = 8  # bytes that say how long a request is
LEAVE = 0  # told a guard in place of a signal: leave what is left of the command

libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    """Raise OSError if a call of libc failed. `what`: names it in the error."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    arguments = [os.fsencode(text) for text in (source, target, kind)]
    result = libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(options))
    _check(result, f"mount {kind or 'bind'} on {target}")


def enter_namespace() -> None:
    """Give this process a view of the file systems of its own: unshare(2).

    Who may not mount is given a user namespace, in which he is who he was. What his programs could
    not gain outside, they can't gain in it: capabilities(7), on the bounding set.
    """
    user, group = os.geteuid(), os.getegid()
    if user != 0 or libc.unshare(CLONE_NEWNS) != 0:
        lacking = [*filterfalse(_can_be_gained, CAPABILITIES)]
        _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
            os.write(descriptor, text.encode())
            os.close(descriptor)
        for number in lacking:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    _mount("none", "/", flags=MS_REC | MS_SLAVE)


def _can_be_gained(capability: int) -> bool:
    """Tell whether a program of this process may gain the capability, or there is none."""
    result: int = libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0)
    return result != 0


def mount_all(mounts: list[dict[str, Any]]) -> None:
    """Mount what a sandbox consists of, in order.

    Every folder is opened before the first mount hides it. A path through an open folder also
    needs no escapes in the options of an overlay.
    """
    few, many = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (many, many))
    opened = [_open_sources(mount) for mount in mounts]
    for mount, sources in zip(mounts, opened, strict=True):
        target = mount["target"]
        if "upper" in mount:  # an Overlay, else a Bind
            options = "userxattr,lowerdir={source},upperdir={upper},workdir={work}"
            _mount("overlay", target, "overlay", options=options.format(**sources))
            continue
        _mount(sources["source"], target, flags=MS_BIND | MS_REC)
        if mount["read_only"]:
            _mount("none", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, many))


def _open_sources(mount: dict[str, Any]) -> dict[str, str]:
    """Open the folders that a mount shows; return a path to each."""
    sources: dict[str, str] = {}
    for name in ("source", "upper", "work"):
        if name in mount:
            descriptor = os.open(mount[name], os.O_PATH)
            sources[name] = f"/proc/self/fd/{descriptor}"
    return sources


def _handle_ending(handler: Any) -> None:
    """Handle the signals that end a process, but for those that we were told to ignore."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, or for a background job
            signal.signal(number, handler)


def _reset_signals() -> None:
    """Handle signals as a command expects it: by default, or not at all if we were told so."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):  # Python ignores the first two
        signal.signal(number, signal.SIG_DFL)
    _handle_ending(signal.SIG_DFL)


def _become(request: dict[str, Any], standard: list[int]) -> None:
    """Become the command of a request, in its namespace. Raises OSError.

    standard: what to take for stdin, stdout and stderr.
    """
    if request["mounts"]:
        enter_namespace()
        mount_all(request["mounts"])
    os.chdir(request["folder"])
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
    os.execvpe(request["argv"][0], request["argv"], request["environment"])  # noqa: S606


class Starter:
    """Answers requests until the other end of its socket is closed."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._requests.set_inheritable(False)  # ours, and not the commands'

    def serve(self) -> None:
        """Start a guard for each request."""
        gc.disable()  # it would copy the memory that forks share
        _handle_ending(lambda *_: None)  # the runner ends the commands, and then us
        while self._receive():
            _reap_guards()
        _reap_guards()

    def _receive(self) -> bool:
        """Start the command of the next request. Returns False when there will be none."""
        length, descriptors, *_ = socket.recv_fds(self._requests, LENGTH, 4)
        if not length:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        request = marshal.loads(self._receive_whole(int.from_bytes(length, "big")))  # noqa: S302
        *standard, reply_descriptor = descriptors
        with socket.socket(fileno=reply_descriptor) as reply:
            try:
                if os.fork() == 0:
                    self._requests.close()
                    _guard(request, standard, reply)
            except OSError as error:
                _tell_error(reply, error)
        for descriptor in standard:
            os.close(descriptor)
        return True

    def _receive_whole(self, length: int) -> bytes:
        """Receive so many bytes: a single call may return before they are there."""
        received = bytearray()
        while len(received) < length:
            part = self._requests.recv(length - len(received))
            if not part:
                raise EOFError  # the runner was killed
            received += part
        return bytes(received)


def _reap_guards() -> None:
    """Wait for the guards that have ended, so that their commands' time counts as ours."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _guard(request: dict[str, Any], standard: list[int], reply: socket.socket) -> None:
    """Be the guard of a request's command, in a fork."""
    try:
        os.setsid()  # who kills the runner's group does not kill us
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        guard = Guard(reply)
        guard.start(request, standard)
        guard.serve()
    except OSError as error:
        _tell_error(reply, error)
    finally:
        os._exit(0)


class Guard:
    """Watches one command, and all that comes of it.

    It tells the runner the number of the process, then its exit status, or the error for which
    there is none. The socket is closed when nothing is left. When the runner is gone, or closes its
    end before that, everything is killed.
    """

    def __init__(self, reply: socket.socket) -> None:
        self._reply = reply
        self._command = 0
        self._signals, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._signals, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def start(self, request: dict[str, Any], standard: list[int]) -> None:
        """Start the command, as the leader of a session and a group. Raises OSError."""
        self._command = os.fork()
        if self._command == 0:
            self._run(request, standard)

    def _run(self, request: dict[str, Any], standard: list[int]) -> None:
        """Become the command, in a fork; or say why not."""
        try:
            _reset_signals()
            os.setsid()
            _tell(self._reply, {"pid": os.getpid()})
            _become(request, standard)
        except OSError as error:
            _tell_error(self._reply, error)
        finally:
            os._exit(127)

    def serve(self) -> None:
        """Do what the runner says until nothing is left of the command, or it is let go."""
        poll = select.poll()
        poll.register(self._reply, select.POLLIN)
        poll.register(self._signals, select.POLLIN)
        while self._reap():
            if self._signals in dict(poll.poll()):
                os.read(self._signals, 4096)
                continue
            words = self._reply.recv(1)
            if not words:
                self._kill_all()
                return
            if words[0] == LEAVE:
                return
            self._signal_all(words[0])

    def _reap(self) -> bool:
        """Take note of processes that have ended; tell whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._command:
                _tell(self._reply, {"status": os.waitstatus_to_exitcode(status)})

    def _signal_all(self, number: int) -> None:
        """Send the signal to the command's group, and to what has left it."""
        with suppress(ProcessLookupError):
            os.killpg(self._command, number)
        for pid, group in _descendants(os.getpid()):
            if group != self._command:
                _kill(pid, number)

    def _kill_all(self) -> None:
        """Kill everything. Those whose parent is killed become children of this process."""
        while self._reap():
            for pid, _ in _descendants(os.getpid()):
                _kill(pid, signal.SIGKILL)
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)


def _kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it has ended; it is another user's by now
        os.kill(pid, number)


def _descendants(parent: int) -> Iterator[tuple[int, int]]:
    """Yield the numbers of all processes that come of the parent, and of their groups."""
    children = defaultdict(list)
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            parents_number, group = int(fields[1]), int(fields[2])
            children[parents_number].append((int(name), group))
    found = [*children[parent]]
    for pid, group in found:
        yield pid, group
        found += children[pid]


def _tell(reply: socket.socket, message: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # nobody waits any more
        reply.sendall(marshal.dumps(message))


def _tell_error(reply: socket.socket, error: OSError) -> None:
    name = os.fsdecode(error.filename or "")  # of a program not found it is bytes
    _tell(reply, {"error": [error.errno, error.strerror, name]})


if __name__ == "__main__":
    Starter(socket.socket(fileno=int(sys.argv[1]))).serve()
    os._exit(0)  # there is nothing to tidy up
