"""Shows what changed between two revisions, and whether the metrics really moved."""

from reprise.review.builder import review
from reprise.review.render.html import html
from reprise.review.render.markdown import markdown, page_markdown
from reprise.review.render.text import text
from reprise.review.report import Report, to_json

FORMATS = {"text": text, "md": markdown, "json": to_json, "html": html}

__all__ = [
    "FORMATS",
    "Report",
    "html",
    "markdown",
    "page_markdown",
    "review",
    "text",
    "to_json",
]
