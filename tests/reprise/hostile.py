"""Texts that would come alive in Markdown, and what of a Markdown text is alive."""

import html
import re

import cmarkgfm
from cmarkgfm.cmark import Options

EVIL = "https://evil.example"
HOSTILE = [
    "<script>alert(1)</script>",
    '<img src="x" onerror="y">',
    f"[link]({EVIL})",
    f"![image]({EVIL}/p.png)",
    f"<{EVIL}>",
    EVIL,
    f"see {EVIL}.",
    "www.evil.example",
    "mail@evil.example",
    "@octocat",
    "thanks @org/team, and",
    "#1",
    "Fixes #1",
    "closes: octo/repo#1",
    "GH-1",
    "0123456789abcdef0123456789abcdef01234567",
    "DEADBEEF",
    "!1 ~label %milestone &1 $1",
    "**bold**",
    "_em_ *em*",
    "~~gone~~",
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "12.",
    "> quote",
    "---",
    "===",
    "| a | b |",
    "a|b",
    "a\\|b",
    "a\\\\|b",
    "\\",
    "a\\",
    "`",
    "``",
    "a`b``c",
    "` @octocat `",
    "```",
    "~~~ js",
    "````\n@octocat\n````",
    "&lt;b&gt; &#64;octocat",
    "$x$ $$y$$",
    ":tada:",
    "</details></summary><h1>",
    "<!-- reprise report -->",
    "-->",
    "[^1] [ref]",
    f"[ref]: {EVIL}",
    "${{ secrets.TOKEN }}",
    "two\nlines\n\n# and a heading",
    "line\u2028separator, \u00a0",
    "\u202eevil",
    "x" * 300,
    "`" * 300,
    "`" * 60 + " @octocat",
    "`" * 100 + " @octocat",
    "    code()",
    "/merge",
]
ALIVE = re.compile(
    r"(?m:^/\w)|@|#\w|\bGH-\d|www\.|://|evil|octocat|[!~%&$]\d|\$|:\w+:|\b[0-9a-fA-F]{7,40}\b"
)


def to_html(markdown: str) -> str:
    """Read Markdown as GitHub does, raw HTML too."""
    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
    return str(cmarkgfm.github_flavored_markdown_to_html(markdown, options=options))


def alive(markdown: str) -> str:
    """Return the HTML without what stands in code."""
    return re.sub(r"<code[^>]*>.*?</code>", "", to_html(markdown), flags=re.S)


def tags(markdown: str) -> list[str]:
    """List the tags outside code, which are the Markdown's structure; emphasis left out."""
    found = re.findall(r"<(/?\w+)", alive(markdown))
    return [tag for tag in found if tag.strip("/") != "em"]


def code(markdown: str) -> list[str]:
    """List the texts that stand in code."""
    found = re.findall(r"<code[^>]*>(.*?)</code>", to_html(markdown), flags=re.S)
    return [html.unescape(text) for text in found]


def words_alive(markdown: str) -> list[str]:
    """List what a forge would make a link, a mention or a reference of, the marker's line aside."""
    text = html.unescape(re.sub(r"<!-- reprise report -->\n|<[^>]*>", "", alive(markdown)))
    return ALIVE.findall(text)
