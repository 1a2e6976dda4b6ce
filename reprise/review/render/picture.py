"""Draw curves as pictures inside Markdown, for pages that show those, but draw no Mermaid."""

from base64 import b64encode

from markupsafe import Markup

from reprise.review.curves import Curve
from reprise.review.render.figures import curve_figure
from reprise.review.render.wording import side_name
from reprise.review.report import Report
from reprise.text.markdown import escaped

# The page may be dark or light, and its style does not reach into a picture.
STYLE = """
.back { fill: #fff }
path { fill: none }
.rule { stroke: #d1d9e0 }
.line { stroke-width: 2; stroke-linejoin: round }
.line.old { stroke: #6e7781; stroke-dasharray: 5 3 }
.line.new { stroke: #0969da }
.dot.old { fill: #6e7781 }
.dot.new { fill: #0969da }
text { fill: #59636e; font: 11px system-ui, sans-serif }
"""
WIDTH = 540  # pixels


def picture(curve: Curve, report: Report) -> str:
    """Draw a curve of both sides, and say below it which line is which."""
    drawn = curve_figure(curve, report)
    opening = Markup('<svg xmlns="http://www.w3.org/2000/svg" width="{}" ').format(WIDTH)
    style = Markup('<style>{}</style><rect class="back" width="100%" height="100%"/>').format(STYLE)
    head, _, rest = drawn.partition(">")
    standalone = opening + head.removeprefix("<svg ") + Markup(">") + style + rest
    data = b64encode(standalone.encode()).decode()
    sides = {"dashed": report.old, "blue": report.new}
    points = {"dashed": curve.old, "blue": curve.new}
    legend = [f"{name}: {escaped(side_name(side))}" for name, side in sides.items() if points[name]]
    title = f"{escaped(curve.title)}: {escaped(curve.field)} by {escaped(curve.x)}"
    return f"{title}\n\n![chart](data:image/svg+xml;base64,{data})\n\n{', '.join(legend)}"
