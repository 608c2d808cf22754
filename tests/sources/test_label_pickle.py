"""A pickle of labels is read without letting it run anything."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources import _label_pickle
from clinpeft.sources._label_pickle import load_plain_pickle

scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner), max_leaves=8
)


@given(values, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_of_every_protocol_come_back(value, protocol):
    assert load_plain_pickle(pickle.dumps(value, protocol), "labels.pkl") == value


class Touches:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path, protocol):
    data = pickle.dumps({172335: [1, Touches(str(tmp_path / "pwned"))]}, protocol)
    with pytest.raises(BadInput, match="can run any program when it is loaded") as caught:
        load_plain_pickle(data, "labels.pkl")
    assert "\n" not in str(caught.value)
    assert "mkdir" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [OrderedDict(a=1), {1, 2}, Path("x"), print, b"bytes"])
def test_anything_but_plain_values_is_refused(value):
    with pytest.raises(BadInput, match="more than plain values"):
        load_plain_pickle(pickle.dumps(value), "labels.pkl")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        b".",
        b"(",
        pickle.dumps([1, 2])[:-1],
        b"\x80\x04r\xff\xff\xff\xff.",
        b"]r\xff\xff\xff\x7f.",
        b"0.",
    ],
)
def test_a_broken_pickle_is_refused(data):
    with pytest.raises(BadInput, match=r"labels.pkl: is (no whole pickle|a pickle of more)"):
        load_plain_pickle(data, "labels.pkl")


def test_a_pickle_beyond_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(_label_pickle, "LARGEST_PICKLE", 4)
    with pytest.raises(BadInput, match="has more than 4 bytes"):
        load_plain_pickle(pickle.dumps([1, 2, 3]), "labels.pkl")
