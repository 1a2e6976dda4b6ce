"""Print what each habit comes to, as root, as an ordinary user, nested, and without namespaces.

python -m tests.reprise.sandbox.habit_table    (as root, on Linux)

same: `reprise run` left the files of `dvc repro`; differs; -: needs namespaces, which are refused.
Exits with 1 if one differs. Every user must be able to read this repository and its Python.
"""

import os
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.reprise.sandbox.test_habits import HABITS

TESTS = "tests/reprise/sandbox/test_habits.py"
# In some containers only root may write to /dev/null, or read Python. Here all may.
OPENING = """
mknod -m 666 $TMPDIR/null c 1 3
mount --bind $TMPDIR/null /dev/null
shut=$(namei -m $BASE | awk '/^ d/ && !/x [^ ]*$/ { print $2; exit }')
if [ -n "$shut" ]; then
  mkdir $TMPDIR/python
  mount --bind $BASE $TMPDIR/python
  mount -t tmpfs -o mode=755 none /$shut
  mkdir -p $BASE
  mount --bind $TMPDIR/python $BASE
fi
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"
"""
USER = f"unshare --mount sh -ec {shlex.quote(OPENING)} sh"
REFUSING = (  # a user namespace in which nobody may make another, nor mount
    f"{USER} unshare --user --map-root-user sh -c"
    " 'echo 0 > /proc/sys/user/max_user_namespaces;"
    ' exec setpriv --inh-caps=-all --bounding-set=-all "$@"\' sh'
)
# What comes before the command, and which of the two tests of a habit counts.
COLUMNS = {
    "root": ("", "test_a_habit_leaves"),
    "user": (USER, "test_a_habit_leaves"),
    "nested": (f"{USER} unshare --user --map-current-user --mount", "test_a_habit_leaves"),
    "refused": (REFUSING, "test_a_habit_leaves"),
    "folder": ("", "test_without_namespaces"),
}


def results(prefix: str, test: str) -> dict[str, str]:
    """Run the habits after the prefix; return what each came to."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o777)
        report = folder / "report.xml"
        pytest = f"{sys.executable} -m pytest -q -p no:cacheprovider -n 0 -m '' -k '{test}'"
        command = f"{prefix} {pytest} --junitxml={report} --basetemp={folder / 'tests'} {TESTS}"
        env = {**os.environ, "HOME": temporary, "TMPDIR": temporary, "BASE": sys.base_prefix}
        done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True)
        if not report.exists():
            raise SystemExit(done.stdout + done.stderr)
        found = {}
        for case in ElementTree.parse(report).iter("testcase"):
            name = case.attrib["name"].partition("[")[2].rstrip("]")
            kinds = {child.tag for child in case}
            found[name] = "-" if "skipped" in kinds else "differs" if kinds else "same"
        return found


def main() -> int:
    table = {column: results(*how) for column, how in COLUMNS.items()}
    print(f"{'':<32}" + "".join(f"{column:>9}" for column in table))
    for name in HABITS:
        cells = [found.get(name, "-") for found in table.values()]
        print(f"{name:<32}" + "".join(f"{cell:>9}" for cell in cells))
    return int(any("differs" in found.values() for found in table.values()))


if __name__ == "__main__":
    sys.exit(main())
