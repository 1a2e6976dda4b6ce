"""Make random repositories and random edits of them, for the proofs of `plan` and of `run`."""

import random
from io import StringIO
from pathlib import PurePosixPath
from typing import Any

from ruamel.yaml import YAML

from tests.reprise.corpus import Made

YAML_ = YAML(typ="safe", pure=True)
YAML_.default_flow_style = False
Stages = dict[str, dict[str, Any]]


def dag(rng: random.Random) -> dict[str, Any]:
    """Return the spec of a repository of 3 to 8 stages.

    They have files and folders, params, shared folders, and some are always changed.
    """
    sources = [f"src{i}.txt" for i in range(rng.randint(1, 3))]
    stages: Stages = {}
    paths = list(sources)
    if rng.random() < 0.3:
        paths.append("params.yaml")  # a file of values that is a dependency, too
    for number in range(rng.randint(3, 8)):
        deps = rng.sample(paths, rng.randint(1, min(3, len(paths))))
        is_folder = rng.random() < 0.25
        ending = "" if is_folder else ".txt"
        out = f"{rng.choice(['', 'a/', 'b/'])}o{number}{ending}"
        stages[f"s{number}"] = stage(rng, number, deps, out, is_folder)
        paths.append(out)
    order = list(stages)
    rng.shuffle(order)
    files = {name: f"{rng.randint(0, 3)}\n" for name in sources}
    files["params.yaml"] = text({f"p{number}": rng.randint(0, 3) for number in range(8)})
    files["dvc.yaml"] = text({"stages": {name: stages[name] for name in order}})
    return {"files": files}


def stage(
    rng: random.Random, number: int, deps: list[str], out: str, is_folder: bool
) -> dict[str, Any]:
    """Return a stage whose command keeps only some of what it reads, so that outs often stay."""
    has_param = rng.random() < 0.5
    read = " ".join(f"$(find {dep} -type f ! -name .gitignore | sort | xargs cat)" for dep in deps)
    if has_param:
        read += f" $(grep ^p{number}: params.yaml)"
    if rng.random() < 0.3:
        read += " | head -c 1"
    target = PurePosixPath(out, "x") if is_folder else PurePosixPath(out)
    declaration: dict[str, Any] = {
        "cmd": f"mkdir -p {target.parent} && echo {read} > {target}",
        "deps": deps,
    }
    if has_param:
        declaration["params"] = [f"p{number}"]
    declaration["outs"] = [_flagged(out, rng.random())]
    if rng.random() < 0.05:
        declaration["always_changed"] = True
    return declaration


def _flagged(out: str, chance: float) -> str | dict[str, Any]:
    """Declare an out: one of 10 not cached, one of 20 kept while its stage runs."""
    if chance < 0.1:
        return {out: {"cache": False}}
    if chance < 0.15:
        return {out: {"persist": True}}
    return out


def text(document: Any) -> str:
    """Write a document as YAML."""
    stream = StringIO()
    YAML_.dump(document, stream)
    return stream.getvalue()


def edit(rng: random.Random, copies: list[Made]) -> str:
    """Make the same random edit in every copy of a repository, and say what it was.

    It is a param, a file, a key, a command, an out, a stage, or takes earlier edits back.
    """
    first = copies[0]
    document = YAML_.load((first.root / "dvc.yaml").read_text())
    params = YAML_.load((first.root / "params.yaml").read_text())
    stages: Stages = document["stages"]
    name = rng.choice(sorted(stages))
    kind = rng.choice(["param", "dep", "dep", "key", "command", "out", "stage", "revert"])
    files: dict[str, str | None] = {}
    match kind:
        case "param":
            params[f"p{rng.randint(0, 7)}"] = rng.randint(0, 3)
        case "dep":
            files["src0.txt"] = f"{rng.randint(0, 3)}{rng.choice(['', ' x', ' y'])}\n"
        case "key":
            keys = stages[name].get("params", [])
            stages[name]["params"] = sorted({*keys, f"p{rng.randint(0, 7)}"})
        case "command":
            command = stages[name]["cmd"]
            echo = f" && echo {rng.randint(0, 2)}"
            stages[name]["cmd"] = command.replace(" && echo", echo, 1)
        case "out":
            change_out(stages[name]["outs"][0], copies, remove=rng.random() >= 0.5)
        case "stage":
            if len(stages) > 2:
                del stages[name]
        case "revert":
            original = first.spec["files"]
            files |= {file: original[file] for file in original if file.startswith("src")}
            params = YAML_.load(original["params.yaml"])
    files |= {"params.yaml": text(params), "dvc.yaml": text(document)}
    for copy in copies:
        copy.edit(files)
    return f"{kind} {name}"


def change_out(out: str | dict[str, Any], copies: list[Made], *, remove: bool) -> None:
    """Delete the file of an out in every copy, or write another content into it."""
    path = out if isinstance(out, str) else next(iter(out))
    for copy in copies:
        target = copy.root / path
        if target.is_dir():
            target /= "x"
        if target.exists():
            target.unlink()
            if not remove:
                target.write_text("edited\n")
