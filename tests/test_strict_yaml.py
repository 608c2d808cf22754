"""YAML as people mean it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.strict_yaml import parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("3E+2", 300.0),
        ("-.5", -0.5),
        ("2.", 2.0),
        ("1.5e3", 1500.0),
        ("12", 12),
        ("-7", -7),
        ("0", 0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_a_number_a_truth_value_and_nothing_are_read_as_such(text: str, value: object) -> None:
    read = parse_yaml(f"key: {text}", "f")["key"]

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "word",
    [
        "no",
        "yes",
        "on",
        "off",
        "y",
        "n",
        "010",
        "0x1F",
        "0o17",
        "1_000",
        "1:30",
        "2020-01-31",
        ".inf",
        ".nan",
        "1e",
        "e5",
    ],
)
def test_everything_else_is_a_word(word: str) -> None:
    assert parse_yaml(f"label: {word}", "f") == {"label": word}


@pytest.mark.parametrize("key", ["no", "1", "null", "true", "2020-01-31"])
def test_a_key_is_always_a_word(key: str) -> None:
    assert parse_yaml(f"{key}: 1", "f") == {key: 1}


def test_lists_and_keys_nest() -> None:
    assert parse_yaml("a:\n- {b: [1, x]}\n- c", "f") == {"a": [{"b": [1, "x"]}, "c"]}


def test_an_empty_file_is_nothing() -> None:
    assert parse_yaml("", "f") is None


def refused(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        parse_yaml(text, "study.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [("name: a\nseeds: [1]\nname: b", 3), ("train:\n  epochs: 1\n  epochs: 2", 3), ("{a: 1, a: 1}", 1)],
)
def test_a_key_given_twice_is_refused_with_its_line(text: str, line: int) -> None:
    assert refused(text).startswith(f"study.yaml: line {line}: key '")
    assert refused(text).endswith("is given twice")


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))

    assert refused(f"a0: &a0 [lol]\n{levels}") == (
        "study.yaml: line 1: anchors and aliases (&, *) are not allowed; write it out"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch {file}']",
        "a: !!python/name:os.system",
        "!!python/object/new:os.system ['touch {file}']",
        "a: !!str 5",
        "a: !custom {{b: 1}}",
    ],
)
def test_a_tag_is_refused_and_never_acted_on(text: str, tmp_path: Path) -> None:
    file = tmp_path / "made-by-yaml"

    assert refused(text.format(file=file)) == "study.yaml: line 1: tags (!…) are not allowed"
    assert not file.exists()


def test_merge_keys_are_plain_keys() -> None:
    assert parse_yaml("<<: {a: 1}", "f") == {"<<": {"a": 1}}


@pytest.mark.parametrize("text", ["a: " + "[" * 50_000, "a: " + "{b: " * 25 + "1" + "}" * 25])
def test_a_file_that_nests_too_deep_is_refused(text: str) -> None:
    assert refused(text) == "study.yaml: line 1: lists and keys are nested deeper than 20 levels"


def test_twenty_levels_are_allowed() -> None:
    assert refused("[" * 21 + "]" * 21)
    assert parse_yaml("[" * 20 + "]" * 20, "f") is not None


def test_a_file_that_is_far_too_long_is_refused() -> None:
    assert "longer than 1,000,000 characters" in refused("#" * 1_000_001)


def test_a_number_too_long_to_mean_anything_is_refused() -> None:
    assert refused("seeds:\n- " + "9" * 5_000) == "study.yaml: line 2: a number has more than 20 digits"


@pytest.mark.parametrize(
    ("text", "line"), [("a: b: c", 1), ("a: 1\n\tb: 2", 2), ("a: [1", 1), ("a: 'open", 1), ("a: 1\n---\nb: 2", 2)]
)
def test_broken_yaml_is_refused_with_its_line(text: str, line: int) -> None:
    assert refused(text).startswith(f"study.yaml: line {line}: is not valid YAML (")


def test_a_list_as_a_key_is_refused() -> None:
    assert refused("? [a]\n: 1") == "study.yaml: line 1: a key is not a word"


def test_no_message_holds_a_value() -> None:
    for text in ("a: 'Mr Smith", "a: Mr Smith: b", "a: [Mr Smith", "a: Mr Smith\na: Mr Smith", "a: !x Mr Smith"):
        assert "Smith" not in refused(text)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: \xc3\xa9")

    assert read_yaml(path) == {"name": "é"}


def test_a_file_that_is_not_utf8_is_refused_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"name: \xe9")

    with pytest.raises(BadInput, match=r"study\.yaml: byte 6: is not UTF-8; save the file as UTF-8"):
        read_yaml(path)


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.yaml: cannot be read \(No such file or directory\)"):
        read_yaml(tmp_path / "none.yaml")
