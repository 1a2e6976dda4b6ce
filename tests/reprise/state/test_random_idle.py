"""Prove that a kept answer is the one that DVC would give: random edits, asked with it and without.

EDITS: how many edits, of all graphs together (default: 2,000).
"""

import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from ruamel.yaml.error import YAMLError

from reprise.state.folders import StateFolders
from tests.reprise.corpus import Made
from tests.reprise.random_dags import dag, edit

EDITS = int(os.environ.get("EDITS", "2000"))
GRAPHS = 20
PLAN = ("reprise", "plan", "--json")
# Pipelines that a file may hold, in the root's or another folder: what they read lies there or not.
PIPELINES = [
    "stages: {t: {cmd: 'true', deps: [params.yaml, x]}}\n",
    "stages: {t: {cmd: 'echo ${p0}', deps: [../src0.txt]}}\n",
    "stages: {t: {foreach: [], do: {cmd: 'true', deps: [x]}}}\n",
    "stages: {t: {cmd: echo 1 > new, params: [p0], outs: [new]}}\n",
    "vars: [params.yaml]\nstages: {t: {foreach: '${p}', do: {cmd: 'true'}}}\n",
]


class Repository:
    """Holds a repository of a random graph, and two branches of it to switch between."""

    def __init__(self, folder: Path, rng: random.Random, commands: str) -> None:
        """Make it, and run all its stages on both branches."""
        self.rng = rng
        self.made = Made(folder, dag(rng), commands).create()
        self.made.run("reprise", "run", code=None)
        self.commit()
        self.made.run("git", "checkout", "-qb", "other")
        edit(rng, [self.made])
        self.made.run("reprise", "run", code=None)
        self.commit()

    def commit(self) -> None:
        self.made.run("git", "add", "-A")
        self.made.run("git", "commit", "-qm", "a state", "--allow-empty")

    def files(self) -> list[Path]:
        """List the files of the workspace and of the cache that an edit may be of."""
        root = self.made.root
        found = []
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if path.is_file() and not name.startswith((".git/", ".dvc/tmp")):
                found.append(path)
        return found

    def a_file(self, *, in_cache: bool = False) -> Path:
        """Choose a file; in the cache or not there."""
        cache = self.made.root / ".dvc/cache"
        files = [path for path in self.files() if path.is_relative_to(cache) == in_cache]
        return self.rng.choice(files)

    # The edits. Each returns nothing, and may leave a repository that is broken.

    def edit_graph(self) -> None:
        edit(self.rng, [self.made])

    def write_in_place(self) -> None:
        """Write as many bytes as there were, and set the time back."""
        path = self.a_file()
        status = path.stat()
        content = bytearray(path.read_bytes())
        if content:
            index = self.rng.randrange(len(content))
            content[index] = self.rng.choice(b"0123 \n")
        path.chmod(0o644)
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def write_twice(self) -> None:
        """Write, ask, and write again at once, as long as it was."""
        path = self.a_file()
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(content[::-1])
        self.made.run(*PLAN, code=None)
        path.write_bytes(content[::-1] if self.rng.random() < 0.5 else content)

    def replace(self) -> None:
        """Put a copy in the file's place, with its time."""
        path = self.a_file()
        part = path.with_name("part")
        shutil.copy2(path, part)
        part.replace(path)

    def swap(self) -> None:
        """Swap two files, and give both the same time."""
        one, other = self.a_file(), self.a_file()
        part = one.with_name("part")
        one.rename(part)
        if other.exists():
            other.rename(one)
        part.rename(other)
        for path in (one, other):
            if path.exists():
                os.utime(path, ns=(10**18, 10**18))

    def remove_object(self) -> None:
        self.a_file(in_cache=True).unlink()

    def damage_object(self) -> None:
        path = self.a_file(in_cache=True)
        path.chmod(self.rng.choice([0o444, 0o644]))
        path.write_bytes(path.read_bytes()[::-1])

    def remove(self) -> None:
        self.a_file().unlink()

    def add(self) -> None:
        """Add a file beside another: of no meaning, or one that DVC or git reads."""
        names = ["new", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml"]
        path = self.a_file().with_name(self.rng.choice(names))
        texts = ["", "*\n", "x\n", "stages: {}\n", "p0: 1\n", "src0.txt\n", *PIPELINES]
        path.write_text(self.rng.choice(texts))

    def touch(self) -> None:
        """Give the file a time of now, of long ago, or of the future."""
        now = 1_800_000_000
        os.utime(self.a_file(), (now, self.rng.choice([now // 2, now, 2 * now])))

    def touch_nothing(self) -> None:
        """Ask again: what was kept must be said again."""

    def switch(self) -> None:
        """Switch to the other branch, and back to the files of its commit."""
        self.made.run("git", "checkout", "-qf", "-", code=None)
        if self.rng.random() < 0.5:
            self.made.run("dvc", "checkout", code=None)

    def run(self) -> None:
        self.made.run("reprise", "run", "-k", code=None)

    def mend(self) -> None:
        """Take all edits back, so that there is nothing to do again."""
        self.made.run("git", "checkout", "-qf", ".", code=None)
        self.made.run("git", "clean", "-qfd", code=None)
        self.made.run("reprise", "run", code=None)

    def edit_while_asked(self) -> None:
        """Edit at some time while a plan reads: what it keeps is of before or of after."""
        edits = [self.edit_graph, self.write_in_place, self.swap, self.add]
        self._edit_during(partial(self.made.run, *PLAN, code=None), 0.5, edits)

    def edit_while_running(self) -> None:
        """Edit at some time while stages run."""
        edits = [self.edit_graph, self.write_in_place, self.add, self.remove]
        self._edit_during(self.run, 1, edits)

    def _edit_during(
        self, work: Callable[[], object], latest: float, edits: list[Callable[[], None]]
    ) -> None:
        """Make one of the edits beside the work, `latest` seconds after its beginning at most."""
        beside = threading.Thread(target=work)
        beside.start()
        time.sleep(self.rng.uniform(0, latest))
        try:
            self.rng.choice(edits)()
        finally:
            beside.join()

    def hide_from_git(self) -> None:
        """Edit a file that git takes for unchanged, and switch to the other branch."""
        path = self.a_file()
        self.made.run("git", "update-index", "--assume-unchanged", path, code=None)
        path.write_bytes(path.read_bytes() + b"1")
        self.switch()
        self.made.run("git", "update-index", "--no-assume-unchanged", path, code=None)

    def edits(self) -> list[Callable[[], None]]:
        rare = [self.edit_graph, self.write_in_place, self.write_twice, self.replace, self.swap]
        rare += [self.remove_object, self.damage_object, self.remove, self.add, self.touch]
        rare += [self.edit_while_asked, self.edit_while_running, self.hide_from_git]
        return [*rare, self.touch_nothing, self.switch, self.switch, self.run, self.run]

    def ask(self) -> tuple[str, bool]:
        """Ask for the plan. Return it, and whether it was kept from before."""
        folder = StateFolders.in_repository(self.made.root).answer.parent
        os.utime(folder, (0, 0))
        output = self.made.run(*PLAN, code=None)
        lines = output.splitlines(keepends=True)
        # DVC says so once, as it removes the file.
        told = [line for line in lines if "warning: corrupted cache file" not in line]
        return "".join(told), folder.stat().st_mtime == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(GRAPHS))
def test_a_kept_answer_is_the_answer(seed: int, tmp_path: Path, commands: str) -> None:
    """After each edit, the plan with a kept answer is the one without. Mended every 8 edits."""
    rng = random.Random(seed)
    repository = Repository(tmp_path, rng, commands)
    folders = StateFolders.in_repository(repository.made.root)
    files = (folders.answer, folders.standing)
    counts: Counter[tuple[str, str]] = Counter()
    kept: list[tuple[Path, bytes]] = []  # answers of before, and stages that stood
    for number in range(EDITS // GRAPHS):
        if number % 8 == 0:
            repository.mend()
            repository.ask()
        change = rng.choice(repository.edits())
        try:
            change()
        except (IndexError, KeyError, OSError, TypeError, YAMLError):
            continue  # an earlier edit took or broke the file that this one is of
        output, is_recalled = repository.ask()
        for file in filter(Path.exists, files):
            kept.append((file, file.read_bytes()))
            file.unlink()
        truth, _ = repository.ask()
        assert output == truth, (seed, number, change.__name__)
        counts[change.__name__, "kept" if is_recalled else "asked"] += 1
        if kept and rng.random() < 0.3:
            file, content = rng.choice(kept)
            file.write_bytes(content)  # an older one must not be trusted
    print(sum(counts.values()), "edits", *sorted(counts.items()), sep="\n")
