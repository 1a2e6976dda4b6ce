"""params.yaml is read to the values and types that DVC reads, or refused as DVC refuses it."""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dvc.exceptions import DvcException
from dvc.utils.serialize import load_yaml
from yaml import YAMLError

from src.yaml12 import read

SCALARS = """
1 -1 +1 0 -0 +0 00 007 010 -010 0o10 0O10 0o8 -0o7 08 09 0x1F -0x1f 0X1F 0xfg 0x 0b101 0b2 0B1 0b
1_000 _1 1_ 1__0 -_ +_ 0_ 0x_ 0b_ 0o_ 0x_f 1,000 99999999999999999999999 +12e03 685_230 0b1010_0111
1.0 1. .5 -.5 +.5 . -. .. ._ 1.5e3 1e3 1E3 1e-3 1e+3 -1e-3 +1e3 1.e3 .5e3 .5e+3 .5E-3 5e 1e e3 1e5.0
1_0.5 1.0_0 1._ 0.1 -0.0 0e0 00.5 1e400 -1e400 1e-400 0.30000000000000004 1.7976931348623157e308
123456789012345678901234567890.5 3.14159 1.2.3 1.2.3.4 3.11 1-2 1/2 5% 1+1 12e 0.e
.inf -.inf +.inf .Inf .INF .iNF .infinity inf -inf Infinity .nan .NaN .NAN -.nan .Nan nan NaN
~ null Null NULL nULL None none nil ~~ true True TRUE tRUE false False FALSE
yes Yes YES no No NO on On ON off Off OFF y Y n N t f yes! no,
2024-01-01 2024-1-1 2024-13-01 2024-02-30 2024-01-01T10:00:00 2024-01-01t10:00:00Z 20240101
2024-01-01T10:00:00+02:00 2024-01-01T10:00:00.5-01:30 2024-01-01T25:00:00 2024-01 10:00 12:30:45
190:20:30 1:30.5 -1:30 685_230.15 0:0
= << < - -- --- ... -a ? ?a a? a?b : :a a: a:b a:1 :: , + * *a & &a a ! !a @ @a ` `a % %a | > | a
http://x.y/z your.module:Class /a/b C:\\x a\\nb pixel_* ${a.b} $5 #x a#b {} [] [1,2] [1,] [,]
{a} {a:1} {"a":1} {'a':1} {a:,b} {a?b} [a:b] [?a] [[]] [{}] {{}} {[]} {a,b,} [a,,b] ] } [ {
'a' "a" '' "" "1" '1' '1e3' "yes" "null" "\\x41" "\\u00e9" "\\n" "\\t" "\\/" "\\q" "\\_"
'it''s' 'a" "a'
é 日本 🎉 ½
!!str !!int !!float !!bool !!null ! !a !!python/x !!map !!seq !!set
""".split()  # noqa: SIM905
TAGGED = """
\u00a0|a\u00a0b|\u2028|a\u2028b|\ufeff|a\ufeffb|\x07|\x7f|\x85|a\x85b|a\tb
!!str 1|!!str ~|!!str|!!int "1"|!!int 1.5|!!int ''|!!int abc|!!int 0x1F|!!int -|!!float 1
!!float "1e3"|!!float x|!!float ''|!!float .inf|!!bool yes|!!bool y|!!bool N|!!bool maybe|!!bool ''
!!null ''|!!null x|!!binary aGk=|!!binary "é"|!!binary a|!!timestamp 2024-01-01|!!timestamp x
!!timestamp ''|!!seq [1]|!!seq x|!!seq {a: 1}|!!map {a: 1}|!!map x|!!map [1]|!!set {a, b}
!!set {a, a}|!!set x|!!set [a]|!!pairs [a: 1, a: 2]|!!pairs [a]|!!pairs x|!foo 1|!foo [1]
!foo {a: 1}|!python/x 1|!!python/tuple [1]|!!python/object/apply:os.getcwd []|!<tag:x> 3
!<tag:yaml.org,2002:int> 3|! 1|! ''|! [1]|!!int [1]|!!float {a: 1}|!!bool [1]|!!str [1]|!!null [1]
a b|a  b|a, b|a - b|a #b|a: b|'a' b|"a" b|{a: 1}|{a: b: c}|{a : 1}|{? a : 1}|[a, b]|[ a , b ]|[a: 1]
[a ?]|[a :b]|{a: b?}|{a: 'b:c'}|{a: "b?c"}|{'a:b': c}|{a: {b: c:d}}|[[a:b]]|[- a]|{- a}|[a b, c]
""".replace("\n", "|").split("|")
CASES = list(dict.fromkeys(scalar for scalar in SCALARS + TAGGED if scalar))
PLACES = ["a: {}\n", "- {}\n", "[{}]\n", "{}\n", "{}: 1\n", "{{{}: 1}}\n", "a: {} # comment\n"]

DOCUMENTS = {
    "empty": "",
    "comments only": "# a\n\n  # b\n",
    "blank lines and spaces": "\n   \n\na: 1   \n\n",
    "no newline at the end": "a: 1",
    "null": "~\n",
    "nested": "a:\n  b:\n    c: [1, {d: 2}]\n    e: {f: [g, h]}\n",
    "list in a key without indent": "a:\n- 1\n- b: 2\n  c: 3\n- - 4\n  - 5\n",
    "uneven indent": "a:\n   b: 1\n  c: 2\n",
    "tab as indent": "a:\n\tb: 1\n",
    "tabs elsewhere": "a:\t1\t# b\nc: d\te\nf: [1,\t2]\n",
    "carriage returns": "a: 1\r\nb:\r\n  - c\r\n  - |\r\n    d\r\n    e\r\n",
    "old Mac's": "a: 1\rb: 2\r",
    "byte order mark": "\ufeffa: 1\n",
    "byte order mark inside": "a: 1\n\ufeffb: 2\n",
    "unicode": "é: 日本\n🎉: [½, 'ß']\nñ: \"\\U0001F389\"\n",
    "a control character": "a: \x01\n",
    "literal block": "a: |\n  b\n    c\n\n  d\ne: 1\n",
    "literal block, stripped": "a: |-\n  b\n  c\n\n",
    "literal block, kept": "a: |+\n  b\n\n\n",
    "literal block, indented by two": "a: |2\n    b\n   c\n",
    "folded block": "a: >\n  b\n  c\n\n  d\n   e\n",
    "folded block, stripped": "a: >-\n  b\n  c\n",
    "text over lines": "a: b\n  c\n\n  d\ne: 'f\n  g'\nh: \"i\\\n  j\"\n",
    "anchor and alias": "a: &x [1, 2]\nb: *x\nc: [*x, *x]\n",
    "anchor of a scalar": "a: &x 1e-3\nb: *x\n",
    "anchor of a key": "&x a: 1\nb: *x\n",
    "alias as a key": "a: &x b\n*x : 1\n",
    "unknown alias": "a: *x\n",
    "anchor twice": "a: &x 1\nb: &x 2\nc: *x\n",
    "merge": "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\ne: {c: 4, <<: *x}\n",
    "merge of several": "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y]}\n",
    "merge of a merge": "a: &x {b: 1}\nc: &y {<<: *x, d: 2}\ne: {<<: *y, b: 3}\nf: *y\n",
    "merge in place": "a:\n  <<: {b: 1}\n  c: 2\n",
    "merge of nothing": "a: {<<: {}, b: 1, b: 2}\n",
    "merge of text": "a: {<<: b}\n",
    "merge of a list of text": "a: {<<: [b]}\n",
    "merge twice": "a: &x {b: 1}\nc: {<<: *x, <<: *x}\n",
    "quoted merge key": "a: {'<<': {b: 1}}\n",
    "key twice beside a merge": "a: &x {b: 1}\nc: {<<: *x, d: 1, d: 2}\n",
    "key twice": "a: 1\nb: 2\na: 3\n",
    "key twice, deep": "a: {b: {c: 1, c: 1}}\n",
    "key twice in other words": "1: a\n0x1: b\n",
    "key twice in other types": "1: a\n1.0: b\n",
    "keys of other types": "1: a\n1.5: b\ntrue: c\n~: d\n2024-01-01: e\n'1': f\n",
    "list as a key": "[a, b]: 1\n? - c\n  - d\n: 2\n",
    "mapping as a key": "{a: 1}: 2\n",
    "mapping in a list as a key": "? [{a: 1}]\n: 2\n",
    "keys without values": "a:\nb:\n  c:\n{d, e}: 1\n",
    "questions": "? a\n: 1\n? b\n",
    "flow over lines": "a: [1,\n  2, # c\n  3]\nb: {c: 1,\n  d: 2}\n",
    "open flow": "a: [1\n",
    "open quote": "a: 'b\nc: 1\n",
    "two values": "a: b: c\n",
    "list and mapping": "- a\nb: 1\n",
    "start and end": "---\na: 1\n...\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "text after the end": "a: 1\n...\nb: 2\n",
    "YAML 1.1": "%YAML 1.1\n---\na: yes\nb: 010\n",
    "YAML 1.2": "%YAML 1.2\n---\na: yes\nb: 010\n",
    "YAML 2": "%YAML 2.0\n---\na: 1\n",
    "a tag's handle": "%TAG !e! tag:example.org,2000:\n---\na: !e!b 1\n",
    "a handle of YAML's tags": "%TAG !y! tag:yaml.org,2002:\n---\na: !y!int '1'\n",
    "a list": "- 1\n- a: 2\n",
    "text": "just text\n",
    "a URL in a flow": "a: {b: http://x.y}\n",
    "a class in a flow": "train: {model: {name: your.module:Class}}\n",
    "a quoted class in a flow": "train: {model: {name: 'your.module:Class'}}\n",
}


def dvc_reads(text: str, folder: Path) -> Any:
    path = folder / "params.yaml"
    path.write_bytes(text.encode())
    return load_yaml(str(path))


def outcome(text: str, folder: Path) -> tuple[Any, Any]:
    """Return what DVC and what we read; None where refused, else the value in a list."""
    try:
        theirs = [dvc_reads(text, folder)]
    except (DvcException, ValueError, LookupError, TypeError):  # of `!!int x` DVC raises ValueError
        theirs = None
    try:
        ours = [read((folder / "params.yaml").read_text(encoding="utf-8")) or {}]
    except YAMLError:
        ours = None
    return theirs, ours


def same(one: Any, other: Any) -> bool:
    """Compare values and types, at any depth; the order of keys too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return repr(one) == repr(other) and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, datetime):
        return (one, one.utcoffset()) == (other, other.utcoffset())
    return bool(one == other)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 200
    assert len(DOCUMENTS) >= 20


@pytest.mark.parametrize("place", PLACES)
def test_scalars_are_read_as_dvc_reads_them(place: str, tmp_path: Path) -> None:
    differ = []
    for scalar in CASES:
        text = place.format(scalar)
        theirs, ours = outcome(text, tmp_path)
        if not same(theirs, ours):
            differ.append((text, theirs, ours))
    assert differ == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_read_as_dvc_reads_them(name: str, tmp_path: Path) -> None:
    theirs, ours = outcome(DOCUMENTS[name], tmp_path)
    assert same(theirs, ours), (theirs, ours)


def test_the_forms_that_yaml_1_1_reads_otherwise() -> None:
    text = "{a: 1e-3, b: no, c: 010, d: 0o10, e: '1:30', f: 1_000}"
    assert read(text) == {"a": 0.001, "b": "no", "c": 10, "d": 8, "e": "1:30", "f": 1000}


def test_an_ordered_mapping_is_refused_for_its_type_is_of_dvcs_library() -> None:
    with pytest.raises(YAMLError, match="omap"):
        read("a: !!omap [b: 1]")
