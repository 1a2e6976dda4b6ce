"""What a run remembers of the working tree is not taken for a commit's."""

from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # a fixture
CODE = """
from pathlib import Path
from reprise.dvc import Repository
from reprise.dvc.history.reader import RevisionReader
with Repository() as repository:
    repository.collect_stages([])
    revisions = RevisionReader(Path("aside"))
    print(*(r.params for r in revisions.read("HEAD", revisions.commit("HEAD")).records.values()))
"""


def test_a_commit_is_read_after_a_run_in_the_same_process(make: Make) -> None:
    made = make(
        {"a": stage("cat a.in > a", ["a.in"], "a", params=["x"])}, {"params.yaml": "x: 1\n"}
    )
    made.run("reprise", "run")
    made.run("git", "add", "-A")
    made.run(
        "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "a state"
    )
    (made.root / "params.yaml").write_text("x: 2\n")
    code = made.folder / "code.py"
    code.write_text(CODE)
    assert made.run("python", code) == "{'params.yaml': {'x': 1}}\n"
