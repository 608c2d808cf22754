"""A small PDF: pages of headings, sentences, tables and plots, each page shrunk until it fits; the same content, the
same bytes. Drawn by reportlab (`pip install 'clinpeft[board]'`), with an embedded font that holds Latin letters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from clinpeft.errors import BadInput
from clinpeft.report.axes import ticks
from clinpeft.report.plots import Plot

INK, SOFT, LINE, ACCENT, BAD = "#1c2126", "#5b656e", "#d5d0c8", "#0b6e6e", "#b3261e"
MARGIN = 46
NUM_WIDE = 500
"""Points of text between the margins of an A4 page."""
NUM_TALL = 735


def require_reportlab() -> None:
    """Raises BadInput with the remedy where reportlab is not installed."""
    try:
        import reportlab  # noqa: F401
    except ImportError:
        raise BadInput(
            "--for board", "needs reportlab, which is not installed", "pip install 'clinpeft[board]'"
        ) from None


def document(title: str, subject: str, pages: Sequence[Sequence[Any]], footer: str) -> bytes:
    """The PDF: one page for each list of things to show."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import BaseDocTemplate, Frame, KeepInFrame, PageBreak, PageTemplate

    def decorate(canvas: Any, _: Any) -> None:
        canvas.setFont("Vera", 6.5)
        canvas.setFillColor(SOFT)
        canvas.drawString(MARGIN, 26, _shown(footer)[:120])
        canvas.drawRightString(A4[0] - MARGIN, 26, f"{canvas.getPageNumber()} of {len(pages)}")

    _register_fonts()
    target = io.BytesIO()
    frame = Frame(MARGIN, 44, NUM_WIDE, NUM_TALL + 12, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)
    built = BaseDocTemplate(
        target, pagesize=A4, title=_shown(title), subject=_shown(subject), author="clinpeft", lang="en", invariant=1
    )
    built.addPageTemplates([PageTemplate("page", [frame], onPage=decorate)])
    story: list[Any] = []
    for content in pages:
        story += [KeepInFrame(NUM_WIDE, NUM_TALL, list(content), mode="shrink"), PageBreak()]
    built.build(story[:-1])
    return target.getvalue()


def heading(text: str, level: int = 2) -> Any:
    """A line that begins a page (1), a section (2) or a paragraph (3)."""
    size = {1: 18, 2: 12, 3: 9.5}[level]
    return _paragraph(
        _safe(text), size, INK if level != 2 else ACCENT, bold=True, before=0 if level == 1 else 8, after=3
    )


def sentence(text: str, *, is_soft: bool = False, is_grave: bool = False, is_large: bool = False) -> Any:
    """A paragraph."""
    colour = BAD if is_grave else SOFT if is_soft else INK
    return _paragraph(_safe(text), 11.5 if is_large else 9.2, colour, bold=is_grave, after=4)


def bullets(texts: Sequence[str]) -> list[Any]:
    """A line each, with a dot."""
    return [_paragraph(f"•  {_safe(text)}", 9.2, INK, indent=10, after=2.5) for text in texts]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float] | None = None) -> Any:
    """Words in cells, the first column wide; `widths` are shares of the page."""
    from reportlab.platypus import Table, TableStyle

    shares = widths or [2.0, *[1.0] * (len(columns) - 1)]
    wide = [NUM_WIDE * share / sum(shares) for share in shares]
    head = [_paragraph(_safe(column), 7.6, SOFT, bold=True) for column in columns]
    body = [[_paragraph(_safe(cell), 8.2, INK, bold=place == 0) for place, cell in enumerate(row)] for row in rows]
    style = TableStyle(
        [
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, SOFT),
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 2),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ]
    )
    return Table([head, *body], colWidths=wide, style=style, hAlign="LEFT", spaceBefore=2, spaceAfter=6)


def side_by_side(items: Sequence[Any]) -> Any:
    """Drawings in one line."""
    from reportlab.platypus import Table, TableStyle

    nothing = TableStyle([("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)])
    return Table([list(items)], colWidths=[NUM_WIDE / len(items)] * len(items), style=nothing, hAlign="LEFT")


def figure(plot: Plot, width: float = 240, height: float = 180) -> Any:
    """A plot; the band is pale, reference lines are dashed, a hidden bar is an empty box."""
    from reportlab.graphics.shapes import Drawing, Polygon, PolyLine, String

    left, right, low, high = 30.0, width - 8, 28.0, height - 18
    drawing = Drawing(width, height)

    def place(x: float, y: float) -> tuple[float, float]:
        within = min(max(y, plot.y_range[0]), plot.y_range[1])
        across = (x - plot.x_range[0]) / (plot.x_range[1] - plot.x_range[0])
        return left + across * (right - left), low + (within - plot.y_range[0]) / (
            plot.y_range[1] - plot.y_range[0]
        ) * (high - low)

    for item in _axes(plot, place):
        drawing.add(item)
    for item in _bars(plot, place):
        drawing.add(item)
    if plot.band:
        edge = [*plot.band[0], *reversed(plot.band[1])]
        corners = [number for x, y in edge for number in place(x, y)]
        drawing.add(Polygon(corners, fillColor=_colour("#cfe5e2"), strokeColor=None))
    for line in plot.lines:
        if len(line.points) > 1:
            corners = [number for x, y in line.points for number in place(x, y)]
            colour, dash = (SOFT, (3, 3)) if line.is_reference else (ACCENT, None)
            drawing.add(
                PolyLine(
                    corners,
                    strokeColor=_colour(colour),
                    strokeWidth=0.8 if line.is_reference else 1.6,
                    strokeDashArray=dash,
                )
            )
    drawing.add(String(2, height - 9, _shown(plot.y_title), fontName="VeraBd", fontSize=6.8, fillColor=_colour(INK)))
    drawing.add(
        String(
            right, 4, _shown(plot.x_title), fontName="VeraBd", fontSize=6.8, fillColor=_colour(INK), textAnchor="end"
        )
    )
    return drawing


def _axes(plot: Plot, place: Any) -> list[Any]:
    from reportlab.graphics.shapes import Line

    items: list[Any] = []
    found, digits = ticks(plot.y_range)
    for tick in found:
        x, y = place(plot.x_range[0], tick)
        end, _ = place(plot.x_range[1], tick)
        items.append(Line(x, y, end, y, strokeColor=_colour(LINE), strokeWidth=0.5))
        items.append(_tick(x - 3, y - 2, f"{tick + 0.0:.{digits}f}", "end"))
    found, digits = ticks(plot.x_range)
    for tick in found:
        x, y = place(tick, plot.y_range[0])
        items.append(_tick(x, y - 9, f"{tick + 0.0:.{digits}f}", "middle"))
    start, floor = place(plot.x_range[0], plot.y_range[0])
    end, _ = place(plot.x_range[1], plot.y_range[0])
    return [*items, Line(start, floor, end, floor, strokeColor=_colour(SOFT), strokeWidth=0.8)]


def _tick(x: float, y: float, text: str, anchor: str) -> Any:
    from reportlab.graphics.shapes import String

    return String(x, y, text, fontName="Vera", fontSize=6, fillColor=_colour(SOFT), textAnchor=anchor)


def _bars(plot: Plot, place: Any) -> list[Any]:
    from reportlab.graphics.shapes import Rect

    items = []
    step = (plot.x_range[1] - plot.x_range[0]) / max(1, len(plot.bars))
    _, floor = place(0, plot.y_range[0])
    _, top = place(0, plot.y_range[1])
    for number, height in enumerate(plot.bars):
        start, _ = place(plot.x_range[0] + number * step, 0)
        end, _ = place(plot.x_range[0] + (number + 1) * step, 0)
        if height is None:
            items.append(Rect(start + 0.5, floor, end - start - 1, 2, fillColor=None, strokeColor=_colour(SOFT)))
            items[-1].strokeWidth = 0.4
        elif height > 0:
            tall = max(0.8, (top - floor) / 5 * height)
            items.append(Rect(start + 0.5, floor, end - start - 1, tall, fillColor=_colour(LINE), strokeColor=None))
    return items


def _paragraph(
    markup: str, size: float, colour: str, *, bold: bool = False, before: float = 0, after: float = 0, indent: float = 0
) -> Any:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    _register_fonts()
    style = ParagraphStyle(
        "text",
        fontName="VeraBd" if bold else "Vera",
        fontSize=size,
        leading=size * 1.36,
        textColor=colour,
        spaceBefore=before,
        spaceAfter=after,
        leftIndent=indent,
        firstLineIndent=-indent,
        splitLongWords=1,
    )
    return Paragraph(markup, style)


def _colour(code: str) -> Any:
    from reportlab.lib.colors import HexColor

    return HexColor(code)


def _register_fonts() -> None:
    import reportlab
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(reportlab.__file__).parent / "fonts"
    for name in ("Vera", "VeraBd"):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


def _safe(text: str) -> str:
    return escape(_shown(text))


def _shown(text: str) -> str:
    """Signs that the font lacks become `?`: better than an empty box that reads like a figure."""
    from reportlab.pdfbase import pdfmetrics

    _register_fonts()
    known = pdfmetrics.getFont("Vera").face.charToGlyph
    return "".join(sign if ord(sign) in known else "?" for sign in " ".join(text.split()))
