"""A table as LaTeX that compiles as it is: the packages booktabs and longtable, and no line wider than the page.

Long texts are wrapped. What is still too wide is cut into panels, one below the other, each with the columns that name
its rows; what is too long goes over several pages.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GREEK = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"
GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
SIGNS = {
    **{letter: f"$\\{name}$" for letter, name in zip(GREEK, GREEK_NAMES.split(), strict=True)},
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"$<$",
    ">": r"$>$",
    "−": r"$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "√": r"$\surd$",
    "²": r"$^2$",
    "→": r"$\rightarrow$",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}
WIDEST = 76
"""Characters of a line at footnote size, in the narrowest page that LaTeX's own classes make."""
GAP = 1.5
"""Between columns."""
LONGEST = 28
"""Characters of a text that stands on one line; a longer one is wrapped."""
UNBROKEN = 14
"""Characters of a word after which it may be broken; a hash has no other place."""
LINES_A_PAGE = 44
MOST_NAMES = 3
"""Columns that may together name a row."""


@dataclass(frozen=True)
class _Column:
    place: int
    width: float
    """In characters."""
    is_text: bool
    is_wrapped: bool


def latex(text: str) -> str:
    """Text with every sign that LaTeX would take for a command escaped; letters of other scripts than Latin and Greek
    need lualatex or xelatex.

    >>> latex("50 % of A_1 & {B}")
    '50 \\\\% of A\\\\_1 \\\\& \\\\{B\\\\}'
    """
    plain = "".join(SIGNS.get(sign, sign) for sign in " ".join(text.split()))
    return re.sub(r"-(?=-)", "-{}", plain)


def latex_table(
    label: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[bool]
) -> str:
    """A `table` (or `longtable`s), its numbers flush right.

    label: what it is referred to by, after `tab:`; rows: cells as they read; texts: which columns hold text.
    """
    panels = [_widened(panel) for panel in _panels(_columns(columns, rows, texts), _num_names(rows))]
    title = f"\\caption{{{latex(caption)}}}\\label{{tab:{label}}}"
    parts = [_Panel(panel, columns, rows) for panel in panels]
    if sum(part.num_lines for part in parts) <= LINES_A_PAGE:
        lines = [r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}", title]
        for number, part in enumerate(parts):
            lines += [r"\par\medskip"] if number else []
            lines += part.short()
        return "\n".join([*lines, r"\end{table}", ""])
    lines = [r"\begingroup\footnotesize\setlength{\tabcolsep}{3pt}"]
    for number, part in enumerate(parts):
        lines += part.long(title if number == 0 else None)
    return "\n".join([*lines, r"\endgroup", ""])


class _Panel:
    """Some columns of a table."""

    def __init__(self, panel: Sequence[_Column], columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.panel = panel
        heads = [textwrap.wrap(columns[one.place], max(1, round(one.width)), break_long_words=False) for one in panel]
        depth = max(map(len, heads))
        above = [[*[""] * (depth - len(head)), *head] for head in heads]
        self.head = [_line(map(latex, line)) for line in zip(*above, strict=True)]
        self.body = [_line(self._cell(one, row[one.place]) for one in panel) for row in rows]
        self.num_lines = depth + 2 + sum(max(_height(one, row[one.place]) for one in panel) for row in rows)

    def short(self) -> list[str]:
        """On one page."""
        inside = [r"\toprule", *self.head, r"\midrule", *self.body, r"\bottomrule"]
        return [f"\\begin{{tabular}}{{{self._format()}}}", *inside, r"\end{tabular}"]

    def long(self, title: str | None) -> list[str]:
        """Over several pages; without a title it goes on with the table before it."""
        head = [r"\toprule", *self.head, r"\midrule"]
        start = [f"\\begin{{longtable}}{{{self._format()}}}"]
        start = [*start, f"{title}\\\\", *head, r"\endfirsthead"] if title else [r"\addtocounter{table}{-1}", *start]
        return [*start, *head, r"\endhead", r"\bottomrule", r"\endfoot", *self.body, r"\end{longtable}"]

    def _format(self) -> str:
        return "".join(
            f"p{{{one.width / WIDEST:.2f}\\linewidth}}" if one.is_wrapped else "l" if one.is_text else "r"
            for one in self.panel
        )

    def _cell(self, column: _Column, words: str) -> str:
        if not column.is_wrapped:
            return latex(words)
        broken = re.sub(rf"\S{{{UNBROKEN}}}(?=\S)", lambda found: f"{found[0]}\0", words)
        return r"\raggedright " + latex(broken).replace("\0", r"\allowbreak{}")


def _columns(columns: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[bool]) -> list[_Column]:
    found = []
    for place, is_text in enumerate(texts):
        longest = max((_length(row[place]) for row in rows), default=0.0)
        head = max((_length(word) for word in columns[place].split()), default=0.0)
        is_wrapped = is_text and longest > LONGEST
        found.append(_Column(place, max(head, LONGEST if is_wrapped else longest), is_text, is_wrapped))
    return found


def _num_names(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first columns tell every row from the others; one where none do."""
    for number in range(1, MOST_NAMES + 1):
        if len({tuple(row[:number]) for row in rows}) == len(rows):
            return number
    return 1


def _panels(columns: Sequence[_Column], num_names: int) -> list[list[_Column]]:
    """As few panels as hold all columns side by side, as wide as each other, with the names of the rows in each."""
    fewest = len(_filled(columns, num_names, WIDEST))
    found = (_filled(columns, num_names, widest) for widest in range(WIDEST + 1))
    return next(panels for panels in found if len(panels) == fewest)


def _filled(columns: Sequence[_Column], num_names: int, widest: int) -> list[list[_Column]]:
    names = list(columns[:num_names])
    panels = [names]
    for column in columns[num_names:]:
        if len(panels[-1]) > len(names) and _width([*panels[-1], column]) > widest:
            panels.append(names)
        panels[-1] = [*panels[-1], column]
    return panels


def _widened(panel: Sequence[_Column]) -> list[_Column]:
    """Wrapped texts share what room is left; where there is too little, they give."""
    wrapped = [one for one in panel if one.is_wrapped]
    spare = (WIDEST - _width(panel)) / max(1, len(wrapped))
    return [
        _Column(one.place, max(8.0, one.width + spare), one.is_text, is_wrapped=True) if one.is_wrapped else one
        for one in panel
    ]


def _width(panel: Sequence[_Column]) -> float:
    return sum(one.width for one in panel) + GAP * len(panel)


def _length(text: str) -> float:
    """In small letters: capitals are wider."""
    return len(text) + 0.35 * sum(letter.isupper() for letter in text)


def _height(column: _Column, words: str) -> int:
    return len(textwrap.wrap(words, max(1, round(column.width)))) or 1 if column.is_wrapped else 1


def _line(cells: Iterable[str]) -> str:
    line = " & ".join(cells) + r" \tabularnewline"
    # A bracket or star after the end of a line would belong to that.
    return "{}" + line if line.startswith(("[", "*")) else line
