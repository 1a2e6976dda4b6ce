"""Damage every kind of file that a run reads: no traceback, no hang, nothing silently different.

Each case is held against `dvc repro` in a copy with the same damage. Seeded; `pytest -s` shows the
counts.
"""

import json
import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import made_once
from tests.reprise.corpus import Made
from tests.reprise.dvc.yaml.test_limits import BOMBS

CASES = 36  # of each batch
BATCHES = 10
PATIENCE = 20  # seconds for a command
DEAD = 4_190_000  # a process that is not there
DVC_YAML = """\
vars: [vars.yaml]
stages:
  first:
    cmd: cp a.in first.out
    deps: [a.in]
    params: [lr, train.epochs]
    outs: [first.out]
  second:
    cmd: mkdir -p second && cp first.out second/x && cp data/x second/y
    deps: [first.out, data, more]
    params: [{p.json: [n]}, {p.toml: [n]}, {p.py: [n]}]
    outs: [second]
  third:
    cmd: 'cat second/x > third.out; echo "{\\"score\\": 1}" > metrics.json'
    deps: [second]
    outs: [third.out]
    metrics: [{metrics.json: {cache: false}}]
  each:
    foreach: {a: 1, b: 2}
    do: {cmd: "echo ${item} ${word} > ${key}.out", outs: ["${key}.out"], deps: [a.in]}
  alone:
    cmd: cp a.in alone.out
    deps: [a.in]
    outs: [alone.out]
"""
FILES = {
    "a.in": "1\n",
    "data/x": "x\n",
    "data/y/z": "z\n",
    "more/x": "x\n",
    "params.yaml": "lr: 0.1\ntrain:\n  epochs: 3\n  name: a\nother: [1, 2]\n",
    "vars.yaml": "word: w\n",
    "p.json": '{"n": 1, "m": {"k": [1, 2]}}\n',
    "p.toml": "n = 1\n[t]\nk = 'v'\n",
    "p.py": "n = 1\nclass T:\n    k = 'v'\n",
    "dvc.yaml": DVC_YAML,
}

OWN_REFUSAL = ", which stage '"  # of a write onto another stage's dep or out
PARAMS = ("params.yaml", "vars.yaml", "p.json", "p.toml", "p.py")


def kinds(root: Path) -> dict[str, list[Path]]:
    """Return the files of each kind that can be damaged."""
    cache = root / ".dvc/cache/files/md5"
    state = root / ".dvc/tmp/reprise"
    return {
        "dvc.yaml": [root / "dvc.yaml"],
        "dvc.lock": [root / "dvc.lock"],
        "params": [
            root / name for name in ("params.yaml", "p.json", "p.toml", "p.py", "vars.yaml")
        ],
        ".dvc": [root / "more.dvc"],
        "journal": [state / "journal" / f"{DEAD}.jsonl"],
        "history": [state / "history.jsonl"],
        "groups": [state / "groups" / f"{DEAD}-0-1"],
        "rwlock": [root / ".dvc/tmp/rwlock"],
        "run-cache": sorted(root.glob(".dvc/cache/runs/*/*/*")),
        ".dir": sorted(cache.glob("*/*.dir")),
        "metrics": [root / "metrics.json"],
    }


def make_base(folder: Path, path: str) -> None:
    """Make a repository that ran, with what a killed run leaves."""
    made = Made(folder, {"files": FILES}, path).create()
    made.run("dvc", "add", "-q", "more")
    made.run("reprise", "run")
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "a state")
    state = made.root / ".dvc/tmp/reprise"
    killed = []
    for name in "ab":
        killed.append(["dvc.yaml", name, f"cmd: {name}\nouts:\n- path: {name}\n  md5: '1'\n"])
    lines = "".join(f"{json.dumps(entry)}\n" for entry in killed)
    (state / "journal" / f"{DEAD}.jsonl").write_text(lines)
    (state / "groups").mkdir(exist_ok=True)
    (state / "groups" / f"{DEAD}-0-1").write_text(f"{DEAD} 1.5")
    info = {"pid": DEAD, "cmd": "dvc repro"}
    claims = {"write": {str(made.root / "x"): info}, "read": {str(made.root / "y"): [info]}}
    (made.root / ".dvc/tmp/rwlock").write_text(json.dumps(claims))


Damage = Callable[[random.Random, bytes], bytes]


def truncate(rng: random.Random, old: bytes) -> bytes:
    return old[: rng.randrange(len(old) + 1)]


def flip_bytes(rng: random.Random, old: bytes) -> bytes:
    new = bytearray(old)
    for _ in range(rng.choice([1, 1, 2, 8])):
        if new:
            new[rng.randrange(len(new))] ^= 1 << rng.randrange(8)
    return bytes(new)


def change_lines(rng: random.Random, old: bytes) -> bytes:
    lines = old.splitlines(keepends=True) or [b""]
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    change = rng.randrange(3)
    if change == 0:
        del lines[i]
    elif change == 1:
        lines.insert(i, lines[j])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


def change_value(rng: random.Random, old: bytes) -> bytes:
    """Put a value of another type in the place of a word or number."""
    words = list(re.finditer(rb"[\w.]+", old))
    if not words:
        return b"null"
    word = rng.choice(words)
    value = rng.choice(VALUES)
    return old[: word.start()] + value + old[word.end() :]


VALUES = [
    *(b"null", b"true", b"[]", b"{}", b"[1]", b"{a: 1}", b'{"a": 1}', b"-1", b"1e400", b".nan"),
    *(b"2020-01-01", b"9" * 400, b"1" * 5000, b"''", b'"\\ud800"', b"'", b'"', b"*x", b"&x"),
    *(b"!!python/object:os.system", b"!!set {a}", b"\xff", b"\x00", b"../../x", b"/etc", b"~"),
    *(b"${", b"${a", b"a" * 300, b"<<: 1", b"? [a]", b"\t", b"# ", b"%", b"@", b"0x1G"),
]
WHOLE = [
    *(b"", b"\n", b"[]", b"{}", b"1", b"null", b'"x"', b"[1, [2, {}]]", b"{a: {b: [1]}}", b"\x00"),
    *(b"\xff\xfe\x00", b"\x80" * 100, b"x" * 3_000_000, b"stages: 1", b"stages: {a: 1}"),
    *(b"schema: '2.0'\nstages: []\n", b"outs: 1", b"outs: [1]", b"<<<<<<< HEAD\na: 1\n=======\n"),
]


def replace_whole(rng: random.Random, _: bytes) -> bytes:
    return rng.choice([*WHOLE, rng.randbytes(300)])


def encode(rng: random.Random, old: bytes) -> bytes:
    text = old.decode("utf-8", "replace")
    encoding = rng.choice(["utf-16", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"])
    if rng.random() < 0.3:
        return old.replace(b"\n", b"\r\n")
    return text.encode(encoding)


def explode(rng: random.Random, _: bytes) -> bytes:
    nested = b"[" * 200_000 + b"]" * 200_000
    return rng.choice([*(bomb.encode() for bomb in BOMBS.values()), nested, b"n = " + nested])


DAMAGES: dict[str, Damage] = {
    damage.__name__: damage
    for damage in (
        *(truncate, flip_bytes, flip_bytes, change_lines, change_value, change_value),
        *(replace_whole, encode, explode),
    )
}
ENTRIES = ("folder", "full folder", "loop", "dangling", "unreadable")


def damage_file(rng: random.Random, path: Path) -> str:
    """Damage the file; return how."""
    old = path.read_bytes()
    kind = rng.choice([*DAMAGES, *DAMAGES, rng.choice(ENTRIES)])
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.unlink()
    if kind in DAMAGES:
        path.write_bytes(DAMAGES[kind](rng, old))
        path.chmod(mode)
    elif kind == "unreadable":
        path.write_bytes(old)
        path.chmod(0)
    elif kind in ("loop", "dangling"):
        path.symlink_to(path.name if kind == "loop" else "nothing")
    else:
        path.mkdir()
        if kind == "full folder":
            (path / "x").write_text("x")
    return kind


def run(made: Made, *command: str) -> tuple[int | None, str]:
    """Run a command; None: it hangs."""
    env = {**os.environ, "PATH": made.path}
    env |= {"DVC_SITE_CACHE_DIR": str(made.folder / "site")}
    start = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=made.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return None, f"{time.monotonic() - start}"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def copy(base: Path, folder: Path, path: str) -> Made:
    shutil.copytree(base / "repo", folder / "repo", symlinks=True)
    return Made(folder, {}, path)


def damage_one(root: Path, seed: str) -> tuple[str, str]:
    """Edit an input, and damage one file. Return its kind, and what was done to which."""
    rng = random.Random(seed)
    (root / "a.in").write_text(seed)
    files = kinds(root)
    kind = rng.choice([*files])
    file = rng.choice(files[kind])
    return kind, f"{file.relative_to(root)}: {damage_file(rng, file)}"


def judge(base: Path, folder: Path, path: str, seed: str) -> tuple[str, str | None]:
    """Run one case. Return the kind of the file, and what is wrong if anything is."""
    theirs = copy(base, folder / "theirs", path)
    ours = copy(base, folder / "ours", path)
    kind, damage = damage_one(ours.root, seed)
    damage_one(theirs.root, seed)
    results = {}
    for command in ("plan", "run", "report"):
        status, output = run(ours, "reprise", command)
        if status not in (0, 1) or "Traceback" in output or "internal error" in output:
            return kind, f"{seed}: {damage}: {command} ended with {status}: {output[-3000:]}"
        results[command] = status, output
    status, output = results["run"]
    if "explode" in damage:
        return kind, None  # DVC would take all of the memory
    their_status, their_output = run(theirs, "dvc", "repro")
    fault = None
    if status == their_status == 0:
        if ours.state() != theirs.state():
            fault = f"other files: {differing(ours, theirs)}; {output}"
    elif status == 0 and "set aside" not in output:
        fault = f"dvc repro failed, reprise run said nothing: {their_output[-1500:]}"
    elif their_status == 0 and OWN_REFUSAL not in output:
        fault = f"dvc repro succeeded: {output}"
    return kind, fault and f"{seed}: {damage}: {fault}"


def differing(ours: Made, theirs: Made) -> list[str]:
    a, b = ours.state(), theirs.state()
    return sorted(name for name in a | b if a.get(name) != b.get(name))


@pytest.fixture(scope="session")
def base(shared_folder: Path, commands: str) -> Path:
    return made_once(shared_folder / "damaged", lambda folder: make_base(folder, commands))


def cases(batch: int) -> Iterator[str]:
    for number in range(CASES):
        yield f"{batch}-{number}"


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_damage_is_said_and_never_silent(
    base: Path, tmp_path: Path, commands: str, batch: int
) -> None:
    counts: Counter[str] = Counter()
    wrong = []
    with ThreadPoolExecutor(2) as threads:
        seeds = [*cases(batch)]
        results = threads.map(lambda seed: judge(base, tmp_path / seed, commands, seed), seeds)
        for name, fault in results:
            counts[name] += 1
            if fault is not None:
                wrong.append(fault)
    print(f"batch {batch}: {counts.total()} damaged files: {dict(counts)}, {len(wrong)} wrong")
    assert not wrong, "\n\n".join(wrong)
