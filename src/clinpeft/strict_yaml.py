"""YAML as people mean it: `1e-4` is a number, `no` is a word, a key given twice is a mistake.

PyYAML's safe loader with the YAML 1.2 core rules for scalars; anchors and aliases are refused (they can blow a small
file up to gigabytes), tags too, and so are files beyond a million characters or 20 levels.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from clinpeft.errors import BadInput

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 20


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own shape)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*|(?:0|[1-9][0-9]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise _Problem(line, "a key is not a word")
        if key_node.value in result:
            raise _Problem(line, f"key '{key_node.value}' is given twice")
        result[key_node.value] = loader.construct_object(value_node, deep=True)
    return result


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    # Beyond 4,300 digits int() raises, and no key of ours needs more than 64 bits.
    if len(node.value) > 20:
        raise _Problem(node.start_mark.line + 1, "a number has more than 20 digits")
    return int(node.value)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


class _Problem(Exception):
    def __init__(self, line: int, rule: str) -> None:
        self.line, self.rule = line, rule


def read_yaml(path: Path) -> Any:
    """The file's content as plain lists, dicts and scalars. Raises BadInput with file, line and rule."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start}", "is not UTF-8", "save the file as UTF-8") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """The same from text; `where` names it in errors."""
    if len(text) > MAX_CHARACTERS:
        raise BadInput(where, f"is longer than {MAX_CHARACTERS:,} characters", "is it the right file?")
    try:
        _check_events(text)
        return yaml.load(text, Loader=_Loader)
    except _Problem as problem:
        raise BadInput(f"{where}: line {problem.line}", problem.rule) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}: line {mark.line + 1}" if mark else where
        raise BadInput(place, f"is not valid YAML ({getattr(error, 'problem', None) or 'unreadable'})") from None


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Problem(line, "anchors and aliases (&, *) are not allowed; write it out")
        if getattr(event, "tag", None):
            raise _Problem(line, "tags (!…) are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _Problem(line, f"lists and keys are nested deeper than {MAX_DEPTH} levels")
