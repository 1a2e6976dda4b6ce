"""Hold the patterns of error messages, and of words in them, in shell commands and in code."""

import re

# What messages are of

FILE_NOT_FOUND = re.compile(
    r"no such (?:file|dir)|FileNotFound|NoSuchFile|ENOENT|no files? |no rule to make"
    r"|db file doesn.t"
    r"|(?:cannot|can.t|couldn.t|could not|unable to|failed to) (?:\w+ or )?"
    r"(?:find|open|read|access|load|locate|statx?|cd)\b",
    re.IGNORECASE,
)
# These, and messages of something that may be no file.
SOMETHING_ABSENT = re.compile(
    FILE_NOT_FOUND.pattern + r"|not found|not exist|n.t exist|nonexist|missing|unavailable|no such",
    re.IGNORECASE,
)
# The shell looks for commands on PATH only.
COMMAND_NOT_FOUND = re.compile(r"^\S*sh: (?:line )?\d+: [^/\s]+: (?:command )?not found$")
# An attribute may be a key of a namespace; objects of other classes have methods.
KEY_NOT_FOUND = re.compile(
    r"KeyError|NonExistentKey|NoneType|\bnull\b|undefined|not defined|cannot import name"
    r"|missing|required|not in struct|not found|no such (?!file|dir)|not exist"
    r"|(?:module|type|\w*(?:namespace|dict|conf|param|box|munch|setting|args|option|map)\w*'?)"
    r" .*no attribute",
    re.IGNORECASE,
)
MODULE_NOT_FOUND = re.compile(
    r"No module named '?(?P<module>[\w.]+)"
    r"|cannot import name '(?P<name>\w+)'"
    r" from (?:partially \w+ module )?'(?P<package>[\w.]+)'"
)
TRACEBACK_FRAME = re.compile(r'^ *File "([^"\n]+)", line (\d+)', re.MULTILINE)

# Words in messages

WORD = re.compile(r"[^\s'\"`‘’“”,;()<>\[\]{}=|&]+")
QUOTED = re.compile(
    r"""(?<!\w)(?:(["'`])([^"'`\n]+)\1"""
    r"""|`([^`'\n]+)'|[‘“]([^’”\n]+)[’”])"""
)
PATH_CHARACTERS = re.compile("[/.]")
BARE_NAME = re.compile(  # of a file, without quotes, dots or slashes
    r"(?:: |\b(?:open|read|to|file|load) )([\w-]+)(?=:|$| \(| for | is )",
    re.IGNORECASE | re.MULTILINE,
)
NAMED_KEY = re.compile(
    r"\b(?:key|field|param\w*|option|setting|argument)s?:? ([\w.]+)"
    r"|^([\w.]+)\n +Field required",
    re.IGNORECASE | re.MULTILINE,
)

# In commands and code

PYTHON_PATH = re.compile(r"PYTHONPATH=(\S+)")
PYTHON_GET = re.compile(r"""\bget\(["']([^"'\n]+)""")
CHANGED_FOLDER = re.compile(r"""\b(?:cd|chdir)\b[ ("']+([^\s;&|"')]+)""")
SHELL_WRITE = re.compile(r"(?:>|\b(?:tee|touch|mkdir|rm)\b(?: -\w+)*) *[^\s;&|]+")


def quoted_words(text: str) -> list[str]:
    """List what stands in quotes, without the quotes: 'so', "so", `so`, `so', ‘so’ or “so”."""
    words = []
    for _, *alternatives in QUOTED.findall(text):
        words.append("".join(alternatives))  # all but one are empty
    return words
