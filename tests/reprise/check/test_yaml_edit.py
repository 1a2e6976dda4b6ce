"""Test that a list grows by the added lines alone, whatever the text around it looks like."""

import difflib
from typing import Any

import pytest
from ruamel.yaml import YAML

from reprise.check.yaml_edit import Item, YamlText

NEW: list[Item] = ["new", {"other.json": ["k.l"]}]

# Before and after: `-` begins a line that goes, `+` one that comes.
TEXTS = {
    "a list in block style": """\
 stages:
   a:
     cmd: x  # a comment
     deps:
     - "a b"   # of a

     - 'c'
+    - new
+    - other.json: [k.l]
     # the end
     outs: [o]

   b: {cmd: y}
""",
    "an indented list with wide dashes": """\
 stages:
     a:
         deps:
           -   x
+          -   new
+          -   other.json: [k.l]
         cmd: |
           deps:
             - no
""",
    "items of several lines": """\
 stages:
   a:
     deps:
     - x:
         y: 1
         z:
           - 1  # last
+    - new
+    - other.json: [k.l]
     # after
     cmd: x
""",
    "a list in brackets": """\
 stages:
   a:
-    deps: [x, "y"]  # both
+    deps: [x, "y", new, {other.json: [k.l]}]  # both
     cmd: x
""",
    "brackets over several lines": """\
 stages:
   a:
     deps: [
       x,
-      y,  # last
+      y, new, {other.json: [k.l]},  # last
     ]
     cmd: x
""",
    "empty brackets": """\
 stages:
   a:
-    deps: []
+    deps: [new, {other.json: [k.l]}]
     cmd: x
""",
    "a stage in braces": """\
 stages:
-  a: {cmd: x}
+  a: {cmd: x, deps: [new, {other.json: [k.l]}]}
   b: {cmd: y}
""",
    "no list yet, and another to follow": """\
 stages:
   a:
     cmd: x
     outs:
     - o
+    deps:
+    - new
+    - other.json: [k.l]

   # of b
   b:
     cmd: y
""",
    "no list in the file": """\
 stages:
   a:
     cmd: >
       x
       y
+    deps:
+      - new
+      - other.json: [k.l]

   b:
     cmd: y
""",
    "a list that another stage has too": """\
 common: &common
   - x
 stages:
   a:
     cmd: x
-    deps: *common  # shared
+    deps: [x, new, {other.json: [k.l]}]  # shared
   b:
     cmd: y
     deps: *common
""",
    "a list that is merged": """\
 base: &base
   deps: [x]
   outs: [o]
 stages:
   a:
     <<: *base
     cmd: x
+    deps:
+      - x
+      - new
+      - other.json: [k.l]
   b:
     <<: *base
     cmd: y
""",
}


def sides(diff: str) -> tuple[str, str]:
    """Return the text before and after."""
    before: list[str] = []
    after: list[str] = []
    for line in diff.splitlines(keepends=True):
        if line[0] in " \n-":
            before.append(line[1:] or "\n")
        if line[0] in " \n+":
            after.append(line[1:] or "\n")
    return "".join(before), "".join(after)


def load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_list_grows_by_the_added_lines_alone(name: str, line_end: str) -> None:
    before, after = (side.replace("\n", line_end) for side in sides(TEXTS[name]))
    text = YamlText(before)
    old = load(before)["stages"]["a"].get("deps", [])
    text.append(["stages", "a"], "deps", old, NEW)
    assert text.result() == after, "".join(
        difflib.unified_diff(after.splitlines(True), text.result().splitlines(True))
    )
    assert load(after)["stages"]["a"]["deps"] == [*old, *NEW]
    assert load(after)["stages"].get("b") == load(before)["stages"].get("b")


def test_a_last_line_without_an_end_gets_one() -> None:
    text = YamlText("stages:\n  a:\n    deps:\n    - x")
    text.append(["stages", "a"], "deps", ["x"], ["new"])
    assert text.result() == "stages:\n  a:\n    deps:\n    - x\n    - new"


@pytest.mark.parametrize(
    "name",
    ["a: b", "a #b", "- x", "*x", "1", "yes", "1e-3", "a,b", "[x]", "${item}.csv", "é ü", 'q"', ""],
)
@pytest.mark.parametrize("deps", ["    deps:\n    - x\n", "    deps: [x]\n", ""])
def test_any_name_is_read_as_it_was_meant(deps: str, name: str) -> None:
    before = f"stages:\n  a:\n    cmd: x\n{deps}"
    text = YamlText(before)
    old = load(before)["stages"]["a"].get("deps", [])
    text.append(["stages", "a"], "deps", old, [name, {name: [name]}])
    assert load(text.result())["stages"]["a"]["deps"] == [*old, name, {name: [name]}]
