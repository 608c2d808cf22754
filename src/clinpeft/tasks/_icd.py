"""ICD codes as the releases write them: no dot, leading zeros kept."""

from __future__ import annotations


def undotted(cell: str) -> str:
    """A code as it should stand, from a cell that an export may have padded, dotted or put into small letters.

    >>> undotted("038.9 "), undotted("v4581")
    ('0389', 'V4581')
    """
    return cell.strip().upper().replace(".", "")


def category(code: str) -> str:
    """The first three characters of an ICD-9 code, of E and V codes four (so that V45.1 and V45.8 stay apart).

    >>> category("0389"), category("V4581"), category("E9320"), category("486")
    ('038', 'V458', 'E932', '486')
    """
    return code[:4] if code[0] in "EV" else code[:3]
