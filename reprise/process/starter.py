"""Start commands, each in a mount namespace of its own. This file is also the script that does it.

A process with threads can't enter a user namespace, and a new Python for each command takes longer
than all the rest: so one process without threads forks for each command. It imports nothing of the
project. What it is asked for comes over a socket: see `reprise.process.namespace`.

In the namespace, the folders of a stage's sandbox lie over the workspace: mount_namespaces(7),
user_namespaces(7), the kernel's filesystems/overlayfs.rst.
"""

import ctypes
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000  # linux/sched.h
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 0x1, 0x20, 0x1000, 0x4000, 0x80000  # mount.h
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LENGTH = 8  # bytes that say how long a request is

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

    Who may not mount is given a user namespace, in which he is who he was.
    """
    user, group = os.geteuid(), os.getegid()
    if user != 0 or libc.unshare(CLONE_NEWNS) != 0:
        _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
            os.write(descriptor, text.encode())
            os.close(descriptor)
    _mount("none", "/", flags=MS_REC | MS_SLAVE)


def mount_all(mounts: list[dict[str, Any]]) -> None:
    """Mount what a sandbox consists of, in order.

    Every folder is opened before the first mount hides it. A path through an open folder also
    needs no escapes in the options of an overlay.
    """
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


def _open_sources(mount: dict[str, Any]) -> dict[str, str]:
    """Open the folders that a mount shows; return a path to each."""
    sources: dict[str, str] = {}
    for name in ("source", "upper", "work"):
        if name in mount:
            descriptor = os.open(mount[name], os.O_PATH)
            sources[name] = f"/proc/self/fd/{descriptor}"
    return sources


def _reset_signals() -> None:
    """Handle signals as a command expects it: by default, or not at all if we were told so."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):  # Python ignores the first two
        signal.signal(number, signal.SIG_DFL)
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, or for a background job
            signal.signal(number, signal.SIG_DFL)


def _become(request: dict[str, Any], standard: list[int]) -> None:
    """Become the command of a request, in its namespace. Raises OSError.

    standard: what to take for stdin, stdout and stderr.
    """
    enter_namespace()
    mount_all(request["mounts"])
    os.chdir(request["folder"])
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
    os.execvpe(request["argv"][0], request["argv"], request["environment"])  # noqa: S606


class Starter:
    """Answers requests until the other end of its socket is closed.

    A request's own socket is told the number of the process, then its exit status; or the error
    for which there is none.
    """

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._requests.set_inheritable(False)  # ours, and not the commands'
        self._running: dict[int, socket.socket] = {}  # by the number of the process
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Start commands and tell how they end."""
        signals, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(signals, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)  # the runner ends the commands, and then us
        self._selector.register(self._requests, selectors.EVENT_READ)
        self._selector.register(signals, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fd == signals:
                    os.read(signals, 4096)
                    self._reap()
                elif not self._receive():
                    return

    def _receive(self) -> bool:
        """Start the command of the next request. Returns False when there will be none."""
        length, descriptors, *_ = socket.recv_fds(self._requests, LENGTH, 4)
        if not length:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        request = json.loads(self._requests.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
        *standard, reply_descriptor = descriptors
        reply = socket.socket(fileno=reply_descriptor)
        pid = os.fork()
        if pid == 0:
            self._run(request, standard, reply)
        for descriptor in standard:
            os.close(descriptor)
        self._running[pid] = reply
        return True

    def _run(self, request: dict[str, Any], standard: list[int], reply: socket.socket) -> None:
        """Become the command, in a fork; or say why not."""
        try:
            _reset_signals()
            os.setsid()
            _tell(reply, {"pid": os.getpid()})  # from now on the runner can signal the group
            _become(request, standard)
        except OSError as error:
            name = os.fsdecode(error.filename or "")  # of a program not found it is bytes
            _tell(reply, {"error": [error.errno, error.strerror, name]})
        finally:
            os._exit(127)

    def _reap(self) -> None:
        """Tell of the commands that have ended."""
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._running.pop(pid) as reply:
                _tell(reply, {"status": os.waitstatus_to_exitcode(status)})


def _tell(reply: socket.socket, message: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # nobody waits any more
        reply.sendall(json.dumps(message).encode())


if __name__ == "__main__":
    Starter(socket.socket(fileno=int(sys.argv[1]))).serve()
