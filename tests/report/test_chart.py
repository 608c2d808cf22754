"""Quality against cost as a Plotly figure: places, whiskers, the front, other costs and what is said of a mark."""

from __future__ import annotations

import json
from math import log10
from typing import Any

import pytest
from tests.report.conftest import figures

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.report.axes import cost_axis, linear_ticks
from clinpeft.report.chart import ChartPoint, chart
from clinpeft.report.marks import BASELINE_SHAPE
from clinpeft.report.plots import embedded
from clinpeft.report.render import write_report
from clinpeft.report.results import CostSummary
from clinpeft.report.wording import percent


def point(model: str, method: str, mean: float, seconds: float, arm: float | None = 0.05, **more: Any) -> ChartPoint:
    """A configuration of the first model and method, on no front."""
    given: dict[str, Any] = {
        "model": model,
        "method": method,
        "name": f"{model} · {method}",
        "details": ("auroc", "2 seeds"),
        "mean": mean,
        "low": None if arm is None else mean - arm,
        "high": None if arm is None else mean + arm,
        "costs": {"train_seconds": CostSummary(mean=seconds, how="measured")},
        "on_front": frozenset(),
        "front_chances": {},
        "colour": 0,
        "shape": 0,
        "is_choice": False,
        **more,
    }
    return ChartPoint(**given)


FRONT = frozenset({"train_seconds"})


@pytest.fixture
def four() -> list[ChartPoint]:
    """A baseline, a small and a large model on the front, and one that is dearer and worse than the large."""
    between = CostSummary(mean=100.0, low=90.0, high=120.0, how="measured")
    return [
        point("small", "lora", 0.8, 100, costs={"train_seconds": between}, on_front=FRONT, is_choice=True, shape=1),
        point("large", "lora", 0.9, 400, on_front=FRONT, colour=1, shape=1, front_chances={"train_seconds": 0.25}),
        point("large", "full", 0.85, 800, colour=1),
        point("none", "tfidf-logistic", 0.7, 2, None, on_front=FRONT, colour=None, shape=BASELINE_SHAPE),
    ]


def traces(figure: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Those of models and methods."""
    return {(one["meta"]["model"], one["meta"]["method"]): one for one in figure["data"] if "text" in one}


def test_the_colour_is_the_model_the_shape_the_method_and_what_others_beat_is_paler(four: list[ChartPoint]) -> None:
    found = traces(chart(four, ["train_seconds"], "auroc"))

    marks = {
        key: (one["marker"]["color"], one["marker"]["symbol"], one["marker"]["opacity"]) for key, one in found.items()
    }
    assert marks == {
        ("large", "full"): ("var(--c1)", "circle", [0.5]),
        ("large", "lora"): ("var(--c1)", "square", [1]),
        ("none", "tfidf-logistic"): ("var(--grey)", "star", [1]),
        ("small", "lora"): ("var(--c0)", "square", [1]),
    }


def test_whiskers_are_the_interval_of_the_score_and_the_range_of_the_cost(four: list[ChartPoint]) -> None:
    found = traces(chart(four, ["train_seconds"], "auroc"))
    small = found["small", "lora"]

    assert (small["x"], small["y"]) == ([100.0], [0.8])
    assert (small["error_y"]["array"], small["error_y"]["arrayminus"]) == ([0.05], [0.05])
    assert (small["error_x"]["array"], small["error_x"]["arrayminus"]) == ([20.0], [10.0])
    assert "error_x" not in found["large", "lora"]
    assert "error_y" not in found["none", "tfidf-logistic"]


def test_the_front_is_a_step_line_to_the_edge_where_cost_is_no_object(four: list[ChartPoint]) -> None:
    figure = chart(four, ["train_seconds"], "auroc")
    steps, axis = figure["data"][0], figure["layout"]["xaxis"]

    # From 2 to 800 s is a factor of 400, so the scale is logarithmic, with 6 % of its length left free at each end.
    room = 0.06 * log10(400)
    assert axis["type"] == "log"
    assert axis["range"] == pytest.approx([log10(2) - room, log10(800) + room], rel=1e-5)
    assert axis["ticktext"] == ["2 s", "10 s", "30 s", "2 min", "10 min"]
    assert axis["tickvals"] == [2, 10, 30, 120, 600]
    assert steps["line"]["shape"] == "hv"
    assert steps["x"] == pytest.approx([2, 100, 400, 10 ** (log10(800) + room)], rel=1e-4)
    assert steps["y"] == [0.7, 0.8, 0.9, 0.9]


def test_of_a_cost_of_which_more_is_better_the_front_runs_to_the_left() -> None:
    speed = {"on_front": frozenset({"examples_per_second"})}
    costs = [{"examples_per_second": CostSummary(mean=mean, how="measured")} for mean in (10.0, 30.0)]
    points = [point("a", "lora", 0.9, 1, costs=costs[0], **speed), point("b", "lora", 0.8, 1, costs=costs[1], **speed)]

    steps = chart(points, ["examples_per_second"], "auroc")["data"][0]

    assert (steps["x"], steps["y"]) == ([30, 10, 0], [0.8, 0.9, 0.9])


def test_what_is_said_of_a_mark_is_its_name_score_seeds_cost_and_chance_of_the_front(four: list[ChartPoint]) -> None:
    found = traces(chart(four, ["train_seconds"], "auroc"))

    assert found["large", "lora"]["text"] == ["large · lora<br>auroc<br>2 seeds"]
    assert found["large", "lora"]["customdata"] == ["training time 6 min 40 s<br>on the front in 25 % of draws"]
    assert found["small", "lora"]["customdata"] == ["training time 1 min 40 s (1 min 30 s to 2 min)"]


def test_the_front_and_the_choice_are_named_and_the_choice_has_a_ring(four: list[ChartPoint]) -> None:
    figure = chart(four, ["train_seconds"], "auroc")
    ring, names = figure["data"][-1], figure["layout"]["annotations"]

    assert (ring["x"], ring["y"], ring["meta"]) == ([100], [0.8], {"model": "small", "method": "lora"})
    assert [name["text"] for name in names] == ["large · lora", "none · tfidf-logistic", "small · lora"]
    assert [name["is_choice"] for name in names] == [False, False, True]
    assert [name["x"] for name in names] == pytest.approx([log10(400), log10(2), 2], rel=1e-5)


def test_another_cost_moves_what_has_it_and_leaves_out_what_has_not(four: list[ChartPoint]) -> None:
    disk = CostSummary(mean=5e6, how="measured")
    by_disk = {"costs": {"adapter_bytes": disk}, "on_front": frozenset({"adapter_bytes"})}
    large = point("large", "lora", 0.9, 400, **by_disk, front_chances={"adapter_bytes": 0.7})

    figure = chart([*four[2:], four[0], large], ["train_seconds", "adapter_bytes"], "auroc")
    (other,) = figure["others"]

    assert figure["costs"] == ["training time", "size on disk"]
    assert len(other["data"]) == len(figure["data"])
    assert [moved["x"] for moved in other["data"][1:]] == [[None], [5e6], [None], [None], [None]]
    assert [one["x"] for one in figure["data"][1:]] == [[800], [None], [2], [100], [100]]
    assert other["data"][2]["customdata"] == ["size on disk 5 MB<br>on the front in 70 % of draws"]
    assert other["layout"]["xaxis"]["ticktext"][:2] == ["0 B", "1 MB"]
    assert [name["text"] for name in other["layout"]["annotations"]] == ["large · lora"]


def test_names_are_text_and_nothing_can_end_the_script_they_stand_in() -> None:
    hostile = point("a", "lora", 0.8, 1, name="</script><b>x</b>", on_front=FRONT)
    figure = chart([hostile], ["train_seconds"], "auroc")

    assert traces(figure)["a", "lora"]["text"][0].startswith("&lt;/script&gt;&lt;b&gt;x&lt;/b&gt;<br>")
    assert figure["layout"]["annotations"][0]["text"] == "&lt;/script&gt;&lt;b&gt;x&lt;/b&gt;"
    text = str(embedded({"what": "</script><!-- &"}, "a 'label'", "tall"))
    (content,) = text.split('<script type="application/json">')[1:]
    assert content.removesuffix("</script></div>") == '{"what":"\\u003c/script\\u003e\\u003c!-- \\u0026"}'
    assert json.loads(content.removesuffix("</script></div>")) == {"what": "</script><!-- &"}


@pytest.mark.parametrize(
    ("costs", "field", "expected"),
    [
        ([10.0, 50.0], "train_seconds", ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s"]),
        ([600.0, 3000.0], "train_seconds", ["0 s", "10 min", "20 min", "30 min", "40 min", "50 min"]),
        ([0.0, 0.0], "train_seconds", ["0 s", "200 ms", "400 ms", "600 ms", "800 ms", "1 s"]),
        ([1e8, 2e9], "peak_host_bytes", ["100 MB", "200 MB", "500 MB", "1 GB", "2 GB"]),
    ],
)
def test_a_cost_axis_has_round_numbers(costs: list[float], field: Any, expected: list[str]) -> None:
    assert cost_axis(costs, field)["ticktext"] == expected


def test_ticks_of_one_value_lie_around_it() -> None:
    assert linear_ticks(0.8, 0.8, 5) == [0.74, 0.76, 0.78, 0.8, 0.82, 0.84, 0.86]


def test_the_page_offers_each_cost_that_tells_configurations_apart_and_no_other(folder: Any) -> None:
    def costs(memory: float) -> dict[str, Any]:
        values = {"peak_host_bytes": memory, "flops": 7e12, "energy_joules": None}
        return {
            field: {"value": value, "how": "measured" if value else "unavailable"} for field, value in values.items()
        }

    folder.run("small", "lora", value=0.8, seconds=60, cost=costs(1e9))
    folder.run("large", "lora", value=0.9, seconds=300, cost=costs(4e9))
    folder.run("large", "full", value=0.7, seconds=9, hardware="cpu-b", cost=costs(4e9))
    (figure,) = figures(write_report([folder.root], folder.root / "report").read_text())
    found = traces(figure)

    assert figure["costs"] == ["training time", "peak memory"]
    assert set(found) == {("small", "lora"), ("large", "lora")}, "times of other hardware are not set beside these"


def test_the_chance_of_the_front_is_told_against_each_cost(folder: Any) -> None:
    for model, value, seconds, size in (("small", 0.8, 60, 9e6), ("large", 0.85, 300, 2e6)):
        folder.run(model, value=value, seconds=seconds, cost={"adapter_bytes": {"value": size, "how": "measured"}})
    (figure,) = figures(write_report([folder.root], folder.root / "report").read_text())
    rows = {field: api.results(folder.root, cost=field).rows for field in ("train_seconds", "adapter_bytes")}
    chances = {field: {row.model: row.front_probability for row in found} for field, found in rows.items()}

    # Each is 0.05 / 1.96 apart from the truth, so the one that seems worse is better in 8 % of draws.
    assert chances["train_seconds"]["small"] == chances["adapter_bytes"]["large"] == 1
    assert chances["train_seconds"]["large"] == pytest.approx(0.917, abs=0.03)
    assert chances["adapter_bytes"]["small"] == pytest.approx(0.083, abs=0.03)
    said = [
        trace["customdata"][0].rpartition("in ")[2] for trace in figure["others"][0]["data"] if "customdata" in trace
    ]
    assert said == ["100 % of draws", f"{percent(chances['adapter_bytes']['small'])} of draws"]


def test_without_an_interval_there_is_no_chance_of_the_front(folder: Any) -> None:
    folder.run("small", scores={"auroc": {"value": 0.8, "num_subjects": 1, "reason": "no interval from one subject"}})
    folder.run("large", value=0.7)

    assert {row.model: row.front_probability for row in api.results(folder.root).rows}["small"] is None


def test_a_cost_that_is_none_is_refused(folder: Any) -> None:
    with pytest.raises(BadInput, match="cost 'flop': is no cost field; did you mean 'flops'"):
        api.results(folder.root, cost="flop")


def test_the_baseline_that_guesses_is_not_drawn_but_counts_for_the_front(folder: Any) -> None:
    folder.run("none", "majority", 0, value=0.5, seconds=0.1)
    folder.run("small", "lora", value=0.45, seconds=60)
    folder.run("large", "lora", value=0.9, seconds=300)
    (figure,) = figures(write_report([folder.root], folder.root / "report").read_text())

    assert set(traces(figure)) == {("small", "lora"), ("large", "lora")}
    assert figure["data"][0]["y"] == [0.9, 0.9]
