"""Hands a better model over, in a folder, from who runs stages to who may publish.

What runs stages may have been turned against us by the data. So whoever publishes takes no code, no
configuration and no link from the folder: a commit, its data by their hashes, and texts.
"""

import os
import re
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.untrusted import check_files, check_record, is_record
from reprise.errors import PipelineError
from reprise.retrain.branch import Branch, commit_tree
from reprise.retrain.clone import Clone
from reprise.retrain.decision import Decision, Outcome
from reprise.retrain.environment import unattended_environment
from reprise.retrain.options import Echo, RetrainOptions
from reprise.retrain.publish import Publisher, commit_message
from reprise.retrain.push import BranchMoved
from reprise.retrain.shell import run_command
from reprise.retrain.stages import load_stages

DECISION, REPORT, BUNDLE, DATA = "decision.json", "report.md", "commit.bundle", "data"
REF = "refs/reprise/handover"
REMOTE = "reprise-handover"  # DVC's name for the folder's data
LONGEST = 65_536  # characters of a text that a forge takes
FORMS = {  # of fields of the decision
    "outcome": Outcome.PROMOTED.value,
    "base": r"[0-9a-f]{40,64}",
    "commit": r"[0-9a-f]{40,64}",
    "branch": r"retrain/[0-9a-f]{12}",
    "anchor": r"None|[0-9a-f]{40,64}",
}
FILE_MODES = ("100644", "100755", "000000")  # the last: removed


def write_handover(clone: Clone, folder: Path, decision: Decision, text: str, echo: Echo) -> None:
    """Write the folder: the decision's commit, the data that it names, and the report.

    The run-cache stays out: nobody could tell whether its entries are true.
    """
    folder.mkdir(parents=True, exist_ok=True)
    assert decision.commit is not None
    clone.git("update-ref", REF, decision.commit)
    bundle = str(folder.absolute() / BUNDLE)
    clone.git("bundle", "create", "--quiet", bundle, REF, f"^{decision.base}")
    _use_data(clone, folder, echo)
    run_command(clone, echo, "dvc", "push", "--remote", REMOTE)
    (folder / REPORT).write_text(text, encoding="utf-8")
    (folder / DECISION).write_text(decision.model_dump_json(indent=2) + "\n", encoding="utf-8")
    echo(f"handed over {decision.commit[:12]}: `reprise publish {folder}` publishes it")


def publish_handover(options: RetrainOptions, folder: Path, echo: Echo) -> Decision:
    """Publish what the folder hands over, and return the decision, with what was published.

    Raises PipelineError when the base has moved since, or the folder holds anything but the files
    and data of one commit of a retraining.
    """
    decision = _read_decision(folder)
    text = _read_text(folder / REPORT)
    clone = Clone(options.repository, options.base, options.folder, options.token)
    with unattended_environment(), clone.locked(wait=True):
        tip = clone.renew()
        if decision.base != tip:
            raise PipelineError(
                f"{clone.base}: found it at {tip[:12]}; expected {decision.base[:12]}, on which "
                "the model was trained: retrain once more"
            )
        commit = _fetch_commit(clone, folder, decision)
        _check_changes(clone, decision.base, commit)
        branch = Branch(clone, str(decision.branch))
        if not branch.has(commit):
            _check_message(clone, decision)
        check_files(folder / DATA)
        clone.git("checkout", "--quiet", "--force", "--detach", commit)
        _use_data(clone, folder, echo)
        run_command(clone, echo, "dvc", "fetch", "--remote", REMOTE)
        _check_data(clone, commit)
        try:
            return Publisher(clone, options, echo).publish(decision, text, branch, commit)
        except BranchMoved:
            raise PipelineError(
                f"{options.base}: moved meanwhile; expected it to rest: retrain once more"
            ) from None


def _use_data(clone: Clone, folder: Path, echo: Echo) -> None:
    """Make the folder's data a remote of DVC."""
    data = str((folder / DATA).absolute())
    run_command(clone, echo, "dvc", "remote", "add", "--local", "--force", REMOTE, "--", data)


def _read_decision(folder: Path) -> Decision:
    """Read the decision. Raises PipelineError unless it promotes a commit of our making."""
    path = folder / DECISION
    try:
        decision = Decision.model_validate_json(_read_text(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{name}: " for name in first["loc"])
        raise PipelineError(f"{path}: {where}{first['msg']}; expected a decision") from None
    for name, pattern in FORMS.items():
        found = str(getattr(decision, name))
        if re.fullmatch(pattern, found) is None:
            raise PipelineError(f"{path}: {name}: found {found[:80]!r}; expected {pattern}")
    return decision


def _read_text(path: Path) -> str:
    """Read a small file, which is no link: it might lead to where the token stands."""
    try:
        with open(path, encoding="utf-8", opener=_open_file) as file:
            text = file.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise PipelineError(f"{path}: {reason}; expected a file of `--hand-over`") from None
    if not 0 < len(text) <= LONGEST:
        raise PipelineError(f"{path}: found no text of at most {LONGEST} characters; expected one")
    return text


def _open_file(path: str, flags: int) -> int:
    """Open a regular file that is no link, without waiting for another process to write to it."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _fetch_commit(clone: Clone, folder: Path, decision: Decision) -> str:
    """Fetch the commit. Raises PipelineError unless it is the decision's, on top of the base."""
    bundle = folder.absolute() / BUNDLE
    if not bundle.is_file() or bundle.is_symlink():
        raise PipelineError(f"{bundle}: found no such file; expected one of `--hand-over`")
    clone.git("bundle", "verify", "--quiet", str(bundle))  # git would read a path to a repository
    checked_fetch = ("-c", "fetch.fsckObjects=true", "fetch", "--quiet", "--no-tags")
    clone.git(*checked_fetch, "--", str(bundle), f"+{REF}:{REF}")
    line = clone.git("rev-list", "--parents", "--max-count=1", REF)
    expected = f"{decision.commit} {decision.base}"
    if line != expected:
        raise PipelineError(f"{bundle}: commit and parents: found {line}; expected {expected}")
    return str(decision.commit)


def _check_changes(clone: Clone, base: str, commit: str) -> None:
    """Raise PipelineError unless the commit changes only what stages of the base leave to git.

    Other files tell others' machines what to run, such as .dvc/config and the forge's workflows.
    """
    results = set[Path]()
    for stage in load_stages(clone.root):
        results.update(path.relative_to(clone.root) for path in stage.kept_by_git)
    changes = clone.git("diff-tree", "-r", "-z", "--no-renames", base, commit).split("\0")
    for change, name in zip(changes[::2], changes[1::2], strict=False):
        mode = change.split()[1]
        path = Path(name)
        if mode not in FILE_MODES or results.isdisjoint({path, *path.parents}):
            raise PipelineError(
                f"{BUNDLE}: found a change of {name!r} (mode {mode}); "
                "expected only files that stages leave to git"
            )
        if is_record(path):
            text, base_text = (clone.git("show", f"{c}:{name}") for c in (commit, base))
            check_record(path, text, base_text)


def _check_message(clone: Clone, decision: Decision) -> None:
    """Raise PipelineError unless the commit has the author, times and message that we give it.

    A message may close issues, or skip the forge's tests.
    """
    tree = clone.git("rev-parse", f"{decision.commit}^{{tree}}")
    expected = commit_tree(clone, decision.base, tree, commit_message(decision))
    if decision.commit != expected:
        raise PipelineError(
            f"{BUNDLE}: found another author, time or message; expected those of a retraining"
        )


def _check_data(clone: Clone, commit: str) -> None:
    """Raise PipelineError unless DVC's cache has all data of the commit."""
    with (
        chdir(clone.root),
        TemporaryDirectory(prefix="reprise-") as temporary,
        RevisionReader(Path(temporary)) as reader,
    ):
        for path, out in reader.read(BUNDLE, commit).outs.items():
            if out.is_pushed and not reader.is_cached(out, path):
                raise PipelineError(
                    f"{DATA}: {path}: found not all of its files, with these hashes; expected them"
                )
