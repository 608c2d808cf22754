"""Closed, immutable, silent about values, and one canonical spelling."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen, canonical, fingerprint, parse, parse_json

SECRET = "Mr Smith, born 1948"


class Inner(Frozen):
    label: str = "x"
    count: int = 0


class Outer(Frozen):
    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str
    rate: Literal["method"] | float = "method"
    inner: Inner = Inner()
    items: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = Field(default_factory=dict)
    options: dict[str, int | str | tuple[int, ...]] = Field(default_factory=dict)
    some: tuple[int, ...] = Field(default=(1,), min_length=1)


def refused(data: object) -> str:
    with pytest.raises(BadInput) as caught:
        parse(Outer, data, "file.json")
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_plain_lists_become_tuples_at_every_depth() -> None:
    parsed = parse(Outer, {"name": "a", "items": [{"count": 2}], "options": {"k": [1, 2]}}, "file.json")

    assert parsed.items == (Inner(count=2),)
    assert parsed.options == {"k": (1, 2)}


def test_a_field_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Inner().count = 3  # type: ignore[misc]


@pytest.mark.parametrize("count", ["5", 5.0, True, None])
def test_a_value_of_another_type_is_refused_not_converted(count: object) -> None:
    assert refused({"name": "a", "inner": {"count": count}}) == (
        "file.json: 'inner.count': Input should be a valid integer"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "a", "itens": []}, "unknown key 'itens' (did you mean 'items'?)"),
        ({"name": "a", "inner": {"lable": "x"}}, "unknown key 'inner.lable' (did you mean 'label'?)"),
        ({"name": "a", "items": [{}, {"cuont": 1}]}, "unknown key 'items.1.cuont' (did you mean 'count'?)"),
        ({"name": "a", "by_name": {"q": {"cont": 1}}}, "unknown key 'by_name.q.cont' (did you mean 'count'?)"),
        ({"name": "a", "zzzzz": 1}, "unknown key 'zzzzz'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(data: object, message: str) -> None:
    assert refused(data) == f"file.json: {message}"


def test_the_suggestion_is_the_key_as_the_file_spells_it() -> None:
    assert refused({"name": "a", "shema": 1}).endswith("unknown key 'shema' (did you mean 'schema'?)")


def test_a_missing_key_is_named() -> None:
    assert refused({}) == "file.json: key 'name' is missing"


def test_an_empty_list_where_one_item_is_needed_is_said_in_words() -> None:
    assert refused({"name": "a", "some": []}) == "file.json: 'some' must not be empty"


def test_the_branches_of_a_union_are_one_problem_at_the_place_its_author_knows() -> None:
    assert refused({"name": "a", "rate": "fast"}) == ("file.json: 'rate': Input should be 'method' or a valid number")


def test_several_problems_are_all_named_in_one_line() -> None:
    assert refused({"nam": "a", "inner": {"count": "x"}}) == (
        "file.json: key 'name' is missing; 'inner.count': Input should be a valid integer; "
        "unknown key 'nam' (did you mean 'name'?)"
    )


@pytest.mark.parametrize(
    "data",
    [
        {"name": [SECRET]},
        {"name": "a", "rate": SECRET},
        {"name": "a", "inner": SECRET},
        {"name": "a", "inner": {"count": SECRET}},
        {"name": "a", "items": [{"label": 1, "count": SECRET}]},
        {"name": "a", "options": {"k": [SECRET]}},
        {"name": "a", "schema": SECRET},
        SECRET,
    ],
    ids=str,
)
def test_no_message_holds_a_value(data: object) -> None:
    assert "Smith" not in refused(data)


def test_building_one_directly_hides_the_value_too() -> None:
    with pytest.raises(ValidationError) as caught:
        Inner(count=SECRET)  # type: ignore[arg-type]

    assert "Smith" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_a_value_that_json_cannot_hold_is_refused(value: object) -> None:
    assert "holds a value that JSON cannot" in refused({"name": "a", "rate": value})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "a", "rate": NaN}', "[" * 5_000, b"\xff"])
def test_text_that_is_no_such_object_is_bad_input(text: str | bytes) -> None:
    with pytest.raises(BadInput, match=r"^file\.json: "):
        parse_json(Outer, text, "file.json")


TEXT = st.text(st.characters(codec="utf-8"), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_canonical_json_does_not_depend_on_the_order_of_keys(data: dict[str, object]) -> None:
    backwards = dict(reversed(data.items()))

    assert canonical(data) == canonical(backwards)
    assert fingerprint(data) == fingerprint(backwards)


@given(JSON)
def test_canonical_json_reads_back_as_the_same_value(data: object) -> None:
    assert json.loads(canonical(data)) == data


def test_canonical_json_has_sorted_keys_no_blanks_and_plain_utf8() -> None:
    assert canonical({"b": [1, 2.0], "a": "é"}) == '{"a":"é","b":[1,2.0]}'.encode()


def test_a_fingerprint_is_the_sha256_of_the_canonical_json() -> None:
    assert fingerprint({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


def test_a_model_is_spelled_as_on_disk() -> None:
    assert canonical(Outer(name="a")).startswith(b'{"by_name":{}')
    assert b'"schema":1' in canonical(Outer(name="a"))


def test_a_value_without_json_has_no_fingerprint() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint({"a": float("nan")})
