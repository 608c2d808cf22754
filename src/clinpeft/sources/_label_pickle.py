"""A pickle of plain values from a stranger, read without letting it run anything."""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import NoReturn

from clinpeft.errors import BadInput

LARGEST_PICKLE = 16 << 20
"""Bytes; the labels of 7,079 admissions take some 200,000."""
_PLAIN = frozenset(
    {
        *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP"),
        *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
        *("GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    }
)
"""Operations that build dict, list, tuple, str, int, float, bool and None, and do nothing else."""
_REMEDY = "write it as CSV: hadm_id,label,split"


def load_plain_pickle(data: bytes, name: str) -> object:
    """The value of a pickle that holds dict, list, tuple, str, int, float, bool and None only.

    Raises BadInput, before anything is loaded, when it asks for anything else (a class, a function, an object), is
    broken, or is larger than 16 MiB.
    """
    if len(data) > LARGEST_PICKLE:
        raise BadInput(name, f"has more than {LARGEST_PICKLE:,} bytes", _REMEDY)
    _refuse_more_than_plain(data, name)
    try:
        return _Plain(io.BytesIO(data)).load()
    # A broken pickle may raise nearly anything, as the module's documentation says.
    except Exception:
        raise BadInput(name, "is no whole pickle", "fetch it again") from None


def _refuse_more_than_plain(data: bytes, name: str) -> None:
    try:
        is_plain = all(operation.name in _PLAIN for operation, _, _ in pickletools.genops(data))
        # A memo of a stated size would be allocated at once.
        is_sound = all(int(arg or 0) <= len(data) for op, arg, _ in pickletools.genops(data) if "PUT" in op.name)
    except (ValueError, IndexError, OverflowError):
        is_plain, is_sound = True, False
    if not is_plain:
        rule = "is a pickle of more than plain values: such a file can run any program when it is loaded"
        raise BadInput(name, rule, _REMEDY)
    if not is_sound:
        raise BadInput(name, "is no whole pickle", "fetch it again")


class _Plain(pickle.Unpickler):
    """The second lock: no name is ever looked up."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        raise pickle.UnpicklingError("no names")

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError("no names")
