"""Hooks of MkDocs: the README, the changelog and CONTRIBUTING are pages, and links fit the site.

On GitHub, links of docs/ lead into the repository. The site has pages alone, so that a link to a
file of the repository becomes its text, or with `repo_url` in mkdocs.yml a link to it there.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
# Files of the repository that are pages of the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
IMAGE_LINK = re.compile(r"\[(!\[[^\]]*\]\([^)]*\))\]\(([^)]*)\)")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]*)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the files of the repository's root that are pages."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_moved(text, "", config)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Rewrite the links of a page of docs/."""
    if page.file.src_uri in PAGES.values():
        return markdown
    return _moved(markdown, "docs", config)


def _moved(markdown: str, folder: str, config: Any) -> str:
    """Rewrite the links of a file in that folder of the repository."""
    markdown = markdown.replace("](docs/report.png)", "](report.png)")
    markdown = IMAGE_LINK.sub(r"\1", markdown)  # a picture that leads to a page
    return LINK.sub(lambda found: _link(found[1], found[2], folder, config), markdown)


def _link(text: str, target: str, folder: str, config: Any) -> str:
    if re.match(r"https?:|#", target):
        return f"[{text}]({target})"
    path, _, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(folder, path))
    anchor = f"#{anchor}" if anchor else ""
    if path in PAGES:
        return f"[{text}]({PAGES[path]}{anchor})"
    if path.startswith("docs/") and path.endswith(".md"):
        return f"[{text}]({path.removeprefix('docs/')}{anchor})"
    if config.repo_url:
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{path}{anchor})"
    return text
