"""Line plots as Plotly figures: bands, references with their names, bars along the floor, logarithmic axes."""

from __future__ import annotations

from typing import Any

import pytest

from clinpeft.report.plots import Line, Plot, drawn, figure

BAND = (((0.0, 0.1), (1.0, 0.7)), ((0.0, 0.3), (1.0, 0.9)))


def plot(**changes: Any) -> Plot:
    """A model's line with a band, and the diagonal."""
    given: dict[str, Any] = {
        "title": "Calibration: yes",
        "x_title": "predicted",
        "y_title": "observed",
        "x_range": (0, 1),
        "y_range": (0, 1),
        "lines": (
            Line("model", ((0.0, 0.2), (1.0, 0.8))),
            Line("ideal", ((0.0, 0.0), (1.0, 1.0)), is_reference=True),
        ),
        "band": BAND,
        **changes,
    }
    return Plot(**given)


def test_the_band_goes_up_along_its_lower_edge_and_back_along_its_upper() -> None:
    band, line, reference = figure(plot())["data"]

    assert (band["x"], band["y"], band["fill"]) == ([0, 1, 1, 0], [0.1, 0.7, 0.9, 0.3], "toself")
    assert (line["x"], line["y"], line["line"]["color"]) == ([0, 1], [0.2, 0.8], "var(--accent)")
    assert line["customdata"] == ["[0.100, 0.300]", "[0.700, 0.900]"]
    assert (reference["line"]["dash"], reference["hoverinfo"]) == ("dash", "skip")


def test_a_reference_line_has_its_name_at_its_end() -> None:
    (ideal,) = figure(plot())["layout"]["annotations"]
    early = Line("treat everybody", ((0.0, 0.5), (0.2, 0.0)), is_reference=True)
    (everybody,) = figure(plot(lines=(early,), band=None))["layout"]["annotations"]

    assert (ideal["text"], ideal["x"], ideal["y"], ideal["xanchor"], ideal["yanchor"]) == (
        "ideal",
        1,
        1,
        "right",
        "top",
    )
    assert (everybody["x"], everybody["y"], everybody["xanchor"], everybody["yanchor"]) == (0.2, 0, "left", "bottom")


def test_bars_are_at_most_a_fifth_as_high_as_the_plot_and_a_hidden_one_is_an_empty_box() -> None:
    full, hidden = figure(plot(bars=(1.0, 0.0, None, 0.0)))["layout"]["shapes"]

    # Four steps of 0.25, of which 6 % stay free on each side.
    assert (full["x0"], full["x1"], full["y0"], full["y1"]) == (0.015, 0.235, 0, 0.2)
    assert (full["fillcolor"], full["line"]["width"]) == ("var(--grey)59", 0)
    assert (hidden["x0"], hidden["y1"]) == (0.515, 0.012)
    assert (hidden["fillcolor"], hidden["line"]["width"]) == ("rgba(0,0,0,0)", 1)


def test_a_logarithmic_axis_has_the_lines_own_numbers() -> None:
    line = Line("model", ((16.0, 0.6), (1024.0, 0.8)))
    axis = figure(plot(lines=(line,), band=None, x_range=(10, 10_000), is_log=True))["layout"]["xaxis"]

    assert (axis["type"], axis["range"]) == ("log", [1, 4])
    assert (axis["tickvals"], axis["ticktext"]) == ([16, 1024], ["16", "1,024"])


def test_several_lines_are_told_apart_by_colour_and_by_name_when_pointed_at() -> None:
    lines = (Line("a <b>", ((0.0, 0.2),), colour=0), Line("c", ((0.0, 0.2),), colour=1), Line("empty", ()))
    one, other = figure(plot(lines=lines, band=None))["data"]

    assert (one["line"]["color"], other["line"]["color"]) == ("var(--c0)", "var(--c1)")
    assert one["hovertemplate"].startswith("a &lt;b&gt;<br>predicted %{x")
    assert figure(plot())["data"][1]["hovertemplate"].startswith("predicted %{x")


def test_a_plot_can_be_reached_and_is_named_and_is_the_same_every_time() -> None:
    text = str(drawn(plot(title="<i>")))

    assert 'tabindex="0" aria-label="&lt;i&gt;; observed against predicted: model, ideal"' in text
    assert text == str(drawn(plot(title="<i>")))
    assert str(drawn(plot(title="<i>"), is_titled=True)) == f'<p class="plot-title">&lt;i&gt;</p>{text}'
    with pytest.raises(ValueError):
        drawn(plot(y_range=(0, float("nan"))))
