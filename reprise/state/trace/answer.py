"""Keep the answer to a question with how all stood that decided it, and give it again later."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import reprise
from reprise.checked_json import read_checked, write_checked
from reprise.state.trace.signature import Look, Signature, all_stand, find_mode
from reprise.state.trace.tracing import Trace, tracing

NAME = "answer.json"  # in .dvc/tmp/reprise
STANDING = "standing.json"  # beside it: see reprise.state.standing
# What runs that go on, or that were killed, leave there: a plan may have to take it over.
LEFT_BY_RUNS = ("journal", "groups", "sandbox")
# Of variables that DVC, git or Python read, or that say which files are the user's own.
VARIABLES = ("DVC", "GIT", "HOME", "LANG", "LC_", "PYTHON", "REPRISE", "XDG")
CLOCK_STEP = 1.0  # seconds by which the clock may go wrong while an answer is found

Question = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """Holds what is printed where no stage is to be run.

    lines, document: of the plan, as text and as JSON. stages: how many there are.
    has_notes: a run says more than that.
    """

    lines: list[str]
    document: str
    stages: int
    has_notes: bool


def ask(options: Mapping[str, Any]) -> Question:
    """Make a question of what DVC's answer depends on, files apart. options: those of a plan."""
    variables = {}
    for name in sorted(os.environ):
        if name.startswith(VARIABLES):
            variables[name] = os.environ[name]
    return {
        "options": dict(options),
        "folder": os.getcwd(),
        "variables": variables,
        "user": [os.getuid(), os.geteuid(), os.getegid()],
        "python": [sys.version, sys.prefix],
        "reprise": os.path.dirname(reprise.__file__),
    }


@dataclass
class Looks:
    """Holds how all stood that was looked at while an answer was found, from the start on.

    folder: where the answer is to be kept. start: a time in ns. looked, listed: the signatures of
    paths, and of folders of which the names were read. young: those that may have been written to
    since the start, or that became something else: their signatures say nothing.
    """

    folder: Path
    start: int
    looked: dict[str, Signature]
    listed: dict[str, Signature]
    young: set[str]


class PendingAnswer:
    """Notes all that is looked at while an answer is found, from the beginning on."""

    def __init__(self, question: Question, folder: Path | None) -> None:
        """Begin. folder: where the answer is to be kept; None to keep none."""
        self.question = question
        self._folder = folder
        self._start = None if folder is None else _file_time(folder)
        self._clocks = (time.time(), time.monotonic())
        self._tracing = ExitStack()
        self._trace = Trace()
        if self._start is not None:
            self._trace = self._tracing.enter_context(tracing())

    def stop(self) -> None:
        """Note nothing any more."""
        self._tracing.close()

    def sign(self, trees: Iterable[str], passing: Iterable[str]) -> Looks | None:
        """Stop, and tell how all stands that was looked at; None where nothing can be kept.

        trees: files and folders that decided the answer with all that is in them. passing: folders
        of files that change without a meaning.
        """
        self.stop()
        if self._folder is None or self._start is None or has_left_work(self._folder):
            return None
        trace = self._trace
        trace.leave_out(passing)
        trace.add(_own_code())
        trace.listed.update(_package_folders())
        for tree in trees:
            trace.add_tree(tree)
        young: set[str] = set()
        looked = self._sign(trace.looked, young, listed=False)
        listed = self._sign(trace.listed, young, listed=True)
        young.update(path for path, mode in trace.looked.items() if find_mode(path) != mode)
        if self._clock_was_set():
            return None
        return Looks(self._folder, self._start, looked, listed, young)

    def _sign(self, paths: Iterable[str], young: set[str], *, listed: bool) -> dict[str, Signature]:
        """Return the signature of each path; add those that are too young to be trusted."""
        assert self._start is not None
        signatures = {}
        for path in sorted(paths):
            look = Look(path, listed=listed)
            signatures[path] = look.signature
            if look.may_be_written_since(self._start):
                young.add(path)
        return signatures

    def _clock_was_set(self) -> bool:
        """Tell whether the clock was set since the beginning: times say nothing then."""
        wall, steady = self._clocks
        return abs((time.time() - wall) - (time.monotonic() - steady)) > CLOCK_STEP


def keep_answer(question: Question, looks: Looks, answer: Answer) -> None:
    """Keep the answer, if nothing that decided it may have been written meanwhile.

    Where nothing can be written, nothing is kept.
    """
    if looks.young:
        return
    record = {
        "question": question,
        "time": looks.start,
        "looked": looks.looked,
        "listed": looks.listed,
        "answer": asdict(answer),
    }
    write_checked(looks.folder / NAME, record)


@contextmanager
def answering(question: Question) -> Iterator[PendingAnswer]:
    """Note all that is looked at, until the context ends or the answer is kept."""
    pending = PendingAnswer(question, find_folder())
    try:
        yield pending
    finally:
        pending.stop()


def recall(question: Question) -> Answer | None:
    """Return the answer that was kept to this very question, if all still stands as it did."""
    folder = find_folder()
    if folder is None or has_left_work(folder):
        return None
    match read_checked(folder / NAME):
        case {
            "question": asked,
            "time": int(kept),
            "looked": dict(looked),
            "listed": dict(listed),
            "answer": {
                "lines": list(lines),
                "document": str(document),
                "stages": int(stages),
                "has_notes": bool(has_notes),
            },
        } if asked == question and kept <= time.time_ns():
            if all_stand(looked) and all_stand(listed, listed=True):
                return Answer(lines, document, stages, has_notes)
    return None


def find_folder() -> Path | None:
    """Find `.dvc/tmp/reprise` of the repository around the current folder, as DVC would."""
    current = Path.cwd()
    for folder in (current, *current.parents):
        if os.path.isdir(folder / ".dvc"):
            return folder / ".dvc" / "tmp" / "reprise"
        if os.path.ismount(folder):
            break
    return None


def _own_code() -> Iterator[str]:
    """Iterate over the files of reprise's own code, which may be a checkout that is edited."""
    for folder, _, names in os.walk(os.path.dirname(reprise.__file__)):
        for name in names:
            if name.endswith(".py"):
                yield os.path.join(folder, name)


def _package_folders() -> list[str]:
    """List the folders of installed packages. The names in them tell the versions."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


def _file_time(folder: Path) -> int | None:
    """Return the time, in ns, that a file gets which is written now; None if none can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        return min(folder.stat().st_mtime_ns, time.time_ns())
    except OSError:
        return None


def has_left_work(folder: Path) -> bool:
    """Tell whether a run goes on, or one that was killed left something to take over."""
    for name in LEFT_BY_RUNS:
        try:
            if os.listdir(folder / name):
                return True
        except FileNotFoundError:
            continue
        except OSError:
            return True
    return False
