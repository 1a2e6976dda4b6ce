"""Random YAML params files keep the values and types of the declared keys when they are cut."""

import random
from pathlib import Path

import pytest

from tests.reprise.params.readers import READERS, all_names, check
from tests.reprise.params.test_yaml import YAML_VALUES


@pytest.mark.parametrize("seed", range(20))
def test_random_yaml(seed: int, tmp_path: Path) -> None:
    r = random.Random(seed)
    for _ in range(15):
        text = Writer(r).document()
        names = [".".join(n) for n in all_names(READERS["yaml"][0](text))]
        check(text, "yaml", r.sample(names, min(len(names), r.randint(1, 3))), tmp_path)


class Writer:
    """Random mappings with comments, anchors, aliases, merge keys, and values in all notations."""

    KEYS = ["a", "b", "lr", "opt", "seed", "key one", "'q k'", '"d"', "é", "x-y"]

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.anchors: list[str] = []
        self.mappings: list[str] = []  # those of the anchors that are of a mapping

    def document(self) -> str:
        text = self.r.choice(["", "", "# head\n\n", "---\n"]) + self.mapping(
            self.r.choice([0, 0, 1]), 3
        )
        return text.replace("\n", "\r\n") if self.r.random() < 0.1 else text

    def mapping(self, indent: int, depth: int) -> str:
        return "".join(
            self.entry(" " * indent, key, depth)
            for key in self.r.sample(self.KEYS, self.r.randint(1, 5))
        )

    def entry(self, pad: str, key: str, depth: int) -> str:
        r = self.r
        anchor = f" &A{len(self.anchors)}x{r.randrange(10**6)}" if r.random() < 0.2 else ""
        kinds = ["value"] * 4 + ["flow", "block"] + ["mapping", "mapping", "list"] * bool(depth)
        kinds += ["alias"] * bool(self.anchors) + ["merge"] * bool(self.mappings and depth)
        kind = r.choice(kinds)
        match kind:
            case "mapping":
                value = f"{anchor}\n" + self.mapping(len(pad) + r.choice([2, 4]), depth - 1)
            case "merge":
                value = f"{anchor}\n{pad}  <<: [*{r.choice(self.mappings)}]\n{pad}  own: 1e-3\n"
            case "list":
                value = f"{anchor}\n{pad}- {self.flow(1)}\n{pad}- p: 1e-3\n{pad}  q: yes\n"
            case "block":
                style = f"{r.choice('|>')}{r.choice(['', '+', '-'])}"
                value = f"{anchor} {style}\n{pad}  text # no comment\n\n{pad}   more: é\n\n"
            case "alias":
                value, anchor = f" *{r.choice(self.anchors)}\n", ""
            case "flow":
                value = f"{anchor} {self.flow(2)}\n"
            case _:
                value = f"{anchor} {r.choice(YAML_VALUES)} # note\n".replace("\n  ", f"\n{pad}  ")
        if anchor:
            self.anchors.append(anchor[2:])
            self.mappings += [anchor[2:]] * (kind in ("mapping", "merge"))
        return r.choice(["", "", f"{pad}# comment {key}: x\n"]) + f"{pad}{key}:{value}"

    def flow(self, depth: int) -> str:
        kind = self.r.choice(["value", "value", "list", "mapping"]) if depth else "value"
        if kind == "list":
            return f"[{', '.join(self.flow(depth - 1) for _ in range(self.r.randint(0, 3)))}]"
        if kind == "mapping":
            keys = self.r.sample(self.KEYS, self.r.randint(0, 3))
            return f"{{{', '.join(f'{k}: {self.flow(depth - 1)}' for k in keys)}}}"
        return self.r.choice(
            ["1e-3", "yes", "'yes'", "010", "plain text", "1.2345678901234567e-10", "null", "é"]
        )
