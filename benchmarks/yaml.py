"""Measures how fast plain YAML is read: line by line, and by ruamel.yaml as DVC does.

python -m benchmarks.yaml [STAGES]    (default: 4000)

Seconds of the processor, medians: of a dvc.lock of so many stages, and of as many entries of the
run-cache.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from dvc.utils.serialize import parse_yaml

from reprise.dvc.lock_file import format_run, replace_entries
from reprise.dvc.yaml.plain import read_plain

REPEATS = 3


def make_entry(number: int) -> dict[str, Any]:
    """Make the entry of a stage that reads a file and a param, and writes a file."""
    return {
        "cmd": f"cat o/{number} | head -c 100 > o/{number + 1}",
        "deps": [{"path": f"o/{number}", "hash": "md5", "md5": "0" * 31 + "a", "size": 100}],
        "params": {"params.yaml": {"lr": 0.001}},
        "outs": [{"path": f"o/{number + 1}", "hash": "md5", "md5": "0" * 31 + "b", "size": 100}],
    }


def measure(read: Callable[[str], Any], texts: list[str]) -> float:
    """Return the median of the seconds that reading all texts takes."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        for text in texts:
            assert read(text)
        seconds.append(time.process_time() - start)
    return median(seconds)


def main(stages: int) -> None:
    """Print both ways for a lock, and for entries of the run-cache."""
    entries = {f"s{number}": make_entry(number) for number in range(stages)}
    for name, texts in {
        f"a lock of {stages} stages": [replace_entries("", {}, entries)],
        f"{stages} entries": [format_run(entry) for entry in entries.values()],
    }.items():
        ours = measure(read_plain, texts)
        theirs = measure(lambda text: parse_yaml(text, "file"), texts)
        print(f"{name}: {ours:.2f} s, ruamel.yaml {theirs:.2f} s, ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
