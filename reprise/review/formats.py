"""Names the forms in which a report can be shown."""

from reprise.review.render.html import html
from reprise.review.render.markdown import markdown
from reprise.review.render.text import text
from reprise.review.report import to_json

FORMATS = {"text": text, "md": markdown, "json": to_json, "html": html}
