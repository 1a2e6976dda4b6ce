"""What is missing is one clear line, whatever DVC or git say around it."""

import re
import shutil
from collections.abc import Callable

import pytest

from tests.reprise.retrain.project import Retrainable
from tests.reprise.retrain.test_retrain import first, made

__all__ = ["first", "made"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("retrain")]


def publish(made: Retrainable) -> None:
    made.run("git", "commit", "-qam", "break", cwd=made.checkout)
    made.run("git", "push", "-q", "origin", "HEAD:main", cwd=made.checkout)


def no_dvc(made: Retrainable) -> None:
    made.run("git", "rm", "-rq", ".dvc", "dvc.yaml", cwd=made.checkout)
    publish(made)


def no_default_remote(made: Retrainable) -> None:
    made.run("dvc", "config", "--unset", "core.remote", cwd=made.checkout)
    publish(made)


def other_default_remote(made: Retrainable) -> None:
    made.run("dvc", "config", "core.remote", "other", cwd=made.checkout)
    publish(made)


def remote_is_a_file(made: Retrainable) -> None:
    shutil.rmtree(made.store)
    made.store.write_text("")


def no_import_source(made: Retrainable) -> None:
    made.run("git", "init", "-q", "lib")
    library = made.folder / "lib"
    (library / "f").write_text("1\n")
    made.run("dvc", "init", "-q", cwd=library)
    made.run("git", "add", "-A", cwd=library)
    made.run(
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "commit",
        "-qm",
        "x",
        cwd=library,
    )
    made.run("dvc", "import", "-q", library, "f", cwd=made.checkout)
    made.publish("import")
    shutil.rmtree(library)


@pytest.mark.parametrize(
    ("breakage", "said"),
    [
        (
            no_dvc,
            r"reprise: .*origin\.git: found no \.dvc/config on main; expected DVC at the root",
        ),
        (
            no_default_remote,
            r"reprise: .*: found no default DVC remote; expected one to pull from and push to",
        ),
        (other_default_remote, r"reprise: dvc pull: failed: ERROR: .*remote 'other' doesn't exist"),
        (remote_is_a_file, r"reprise: dvc pull: failed: ERROR: .*Not a directory: '.*store.*'"),
        (no_import_source, r"reprise: dvc update: failed: ERROR: .*/lib.*"),
    ],
)
def test_one_line(breakage: Callable[[Retrainable], None], said: str, made: Retrainable) -> None:
    breakage(made)
    output = made.retrain(code=1)
    assert re.fullmatch(said, output.splitlines()[-1]), output
    assert "Traceback" not in output
