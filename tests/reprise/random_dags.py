"""Random repositories and random edits of them, from a seed: for the proofs of `plan` and of `run`."""

import random
from typing import Any

from ruamel.yaml import YAML

from tests.reprise.corpus import Made

YAML_ = YAML(typ="safe", pure=True)
YAML_.default_flow_style = False
Stages = dict[str, dict[str, Any]]


def dag(rng: random.Random) -> dict[str, Any]:
    """A repository of 3 to 8 stages: files and folders, params, shared folders, frozen and always changed ones."""
    sources = [f"src{i}.txt" for i in range(rng.randint(1, 3))]
    stages: Stages = {}
    made: list[str] = []
    for i in range(rng.randint(3, 8)):
        known = [*sources, *made]
        deps = rng.sample(known, rng.randint(1, min(3, len(known))))
        folder = rng.random() < 0.25
        out = f"{rng.choice(['', 'a/', 'b/'])}o{i}" + ("" if folder else ".txt")
        stages[f"s{i}"] = stage(rng, i, deps, out, folder)
        made.append(out)
    order = list(stages)
    rng.shuffle(order)
    files = {name: f"{rng.randint(0, 3)}\n" for name in sources}
    params = {f"p{i}": rng.randint(0, 3) for i in range(8)}
    return {
        "files": {
            **files,
            "params.yaml": text(params),
            "dvc.yaml": text({"stages": {n: stages[n] for n in order}}),
        }
    }


def stage(rng: random.Random, i: int, deps: list[str], out: str, folder: bool) -> dict[str, Any]:
    """Its command keeps only some of what it reads, so that outs often stay the same."""
    keys = [f"p{i}"] if rng.random() < 0.5 else []
    read = " ".join(f"$(find {d} -type f ! -name .gitignore | sort | xargs cat)" for d in deps)
    read += f" $(grep ^p{i}: params.yaml)" if keys else ""
    short = " | head -c 1" if rng.random() < 0.3 else ""
    target = f"{out}/x" if folder else out
    parent = target.rsplit("/", 1)[0] if "/" in target else "."
    made: dict[str, Any] = {
        "cmd": f"mkdir -p {parent} && echo {read}{short} > {target}",
        "deps": deps,
    }
    if keys:
        made["params"] = keys
    kind = rng.random()
    flags = {"cache": False} if kind < 0.1 else {"persist": True} if kind < 0.15 else {}
    made["outs"] = [{out: flags} if flags else out]
    if rng.random() < 0.05:
        made["always_changed"] = True
    return made


def text(document: Any) -> str:
    from io import StringIO

    out = StringIO()
    YAML_.dump(document, out)
    return out.getvalue()


def edit(rng: random.Random, made: list[Made]) -> str:
    """The same random edit of every copy: a param, a file, a key, a command, an out, a stage, or an edit reverted."""
    one = made[0]
    document = YAML_.load((one.root / "dvc.yaml").read_text())
    params = YAML_.load((one.root / "params.yaml").read_text())
    stages: Stages = document["stages"]
    name = rng.choice(sorted(stages))
    kind = rng.choice(["param", "dep", "dep", "key", "command", "out", "stage", "revert"])
    files: dict[str, str | None] = {}
    if kind == "param":
        params[f"p{rng.randint(0, 7)}"] = rng.randint(0, 3)
    elif kind == "dep":
        files["src0.txt"] = f"{rng.randint(0, 3)}{rng.choice(['', ' x', ' y'])}\n"
    elif kind == "key":
        stages[name]["params"] = sorted({*stages[name].get("params", []), f"p{rng.randint(0, 7)}"})
    elif kind == "command":
        stages[name]["cmd"] = stages[name]["cmd"].replace(
            " && echo", f" && echo {rng.randint(0, 2)}", 1
        )
    elif kind == "out":
        remove_out(name, stages, made, rng.random() < 0.5)
    elif kind == "stage" and len(stages) > 2:
        del stages[name]
    elif kind == "revert":
        old = one.spec["files"]
        files |= {f: old[f] for f in old if f.startswith("src")}
        params = YAML_.load(old["params.yaml"])
    for m in made:
        m.edit({**files, "params.yaml": text(params), "dvc.yaml": text(document)})
    return f"{kind} {name}"


def remove_out(name: str, stages: Stages, made: list[Made], edited: bool) -> None:
    """Deletes an out's file, or writes another content into it."""
    out = stages[name]["outs"][0]
    path = out if isinstance(out, str) else next(iter(out))
    for m in made:
        target = m.root / path
        target = target / "x" if target.is_dir() else target
        if target.exists():
            target.unlink()
            if edited:
                target.write_text("edited\n")
