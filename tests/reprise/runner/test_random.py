"""Random graphs and edits: `reprise run` and `dvc repro` leave the same bytes."""

import os
import random
from pathlib import Path

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import dag, edit

DAGS = int(os.environ.get("DAGS", "300"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(DAGS))
def test_random_graphs_leave_the_same_bytes(seed: int, tmp_path: Path, commands: str) -> None:
    rng = random.Random(seed)
    spec = dag(rng)
    theirs, ours = (Made(tmp_path / n, spec, commands).create() for n in ("theirs", "ours"))
    for _ in range(3):
        output = theirs.run("dvc", "repro", code=None)
        ours.run("reprise", "run", f"-j{rng.choice([1, 2, 4, 8])}", code=None)
        if "ERROR" in output:
            assert "failed" in ours.output
            return  # after a failure `dvc repro` leaves .gitignore without the lines of what it finished
        assert ours.state() == theirs.state()
        done = edit(rng, [theirs, ours])
        print(done)
