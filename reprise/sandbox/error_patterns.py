"""The words of error messages, and the strings in code that failed."""

import ast
import re

# In a message: a file, or something else, is not there.
NO_FILE = re.compile(
    r"no such (?:file|dir)|FileNotFound|NoSuchFile|ENOENT|no files? |no rule to make|db file doesn.t"
    r"|(?:cannot|can.t|couldn.t|could not|unable to|failed to) (?:\w+ or )?"
    r"(?:find|open|read|access|load|locate|statx?|cd)\b",
    re.IGNORECASE,
)
ABSENT = re.compile(
    r"not found|not exist|n.t exist|nonexist|missing|unavailable|no such", re.IGNORECASE
)
NO_COMMAND = re.compile(
    r"^\S*sh: (?:line )?\d+: [^/\s]+: (?:command )?not found$"
)  # the shell looks on PATH only
# In a message: a key is not there. An attribute may be one of a namespace; other classes have methods.
NO_KEY = re.compile(
    r"KeyError|NonExistentKey|NoneType|\bnull\b|undefined|not defined|cannot import name|missing|required|not in struct"
    r"|not found|no such (?!file|dir)|not exist"
    r"|(?:module|type|\w*(?:namespace|dict|conf|param|box|munch|setting|args|option|map)\w*'?) .*no attribute",
    re.IGNORECASE,
)
GOT = re.compile(r"""\bget\(["']([^"'\n]+)""")  # in Python
NO_MODULE = re.compile(
    r"No module named '?([\w.]+)|cannot import name '(\w+)' from (?:partially \w+ module )?'([\w.]+)'"
)
QUOTED = re.compile(r"""(?<!\w)(?:(["'`])([^"'`\n]+)\1|`([^`'\n]+)'|[‘“]([^’”\n]+)[’”])""")
WORD = re.compile(r"[^\s'\"`‘’“”,;()<>\[\]{}=|&]+")
BARE = re.compile(
    r"(?:: |\b(?:open|read|to|file|load) )([\w-]+)(?=:|$| \(| for | is )",
    re.IGNORECASE | re.MULTILINE,
)
KEY = re.compile(
    r"\b(?:key|field|param\w*|option|setting|argument)s?:? ([\w.]+)|^([\w.]+)\n +Field required",
    re.I | re.M,
)
FRAME = re.compile(r'^ *File "([^"\n]+)", line (\d+)', re.MULTILINE)
CHANGED_TO = re.compile(r"""\b(?:cd|chdir)\b[ ("']+([^\s;&|"')]+)""")
WRITTEN_TO = re.compile(
    r"(?:>|\b(?:tee|touch|mkdir|rm)\b(?: -\w+)*) *[^\s;&|]+"
)  # in a shell command
WRITES = re.compile(
    r"to_|save|dump|write|mkdir|makedirs|unlink|remove"
)  # in the name of a function
READS = [
    "Path",
    "exists",
    "glob",
    "iglob",
    "isdir",
    "isfile",
    "listdir",
    "open",
    "read",
    "scandir",
    "walk",
]


def quoted(text: str) -> list[str]:
    return [token for match in QUOTED.findall(text) for token in match[1:] if token]


def paths_read(code: str, *, all_strings: bool) -> list[str]:
    """Strings in Python code that functions take for paths to read; `all_strings`: and others with a . or / in them."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return []
    found, written = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            values = [
                a.value
                for a in node.args
                if isinstance(a, ast.Constant) and isinstance(a.value, str)
            ]
            mode = values[1] if name == "open" and len(values) > 1 else "r"
            if WRITES.match(name) or mode[0] in "wax":
                written.update(values)
            elif name in READS or name.startswith("read_"):
                found += values
        elif all_strings and isinstance(node, ast.Constant) and re.search(r"[/.]", str(node.value)):
            found.append(str(node.value))
    return [path for path in dict.fromkeys(found) if path not in written]
