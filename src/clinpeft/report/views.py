"""All views of one store, in the order of the report; a new one is a file `view_*.py` and a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clinpeft.prices.rates import Price
from clinpeft.report.configurations import configurations, selected
from clinpeft.report.load import LoadedStudy
from clinpeft.report.results import Results
from clinpeft.report.view_base import View, entries
from clinpeft.report.view_cost import cost_table
from clinpeft.report.view_curves import few_shot, rank
from clinpeft.report.view_efficiency import holistic, parameter_efficiency
from clinpeft.report.view_money import disk, money, refuse_two_currencies
from clinpeft.report.view_published import beside_the_paper
from clinpeft.report.view_size import domain_by_size, size_by_method
from clinpeft.report.view_split import drop_by_time
from clinpeft.report.view_time import time_to_quality


def views(
    loaded: Sequence[LoadedStudy],
    results: Results,
    only: Mapping[str, str] | None = None,
    *,
    train_price: Price | None = None,
    serve_price: Price | None = None,
) -> tuple[View, ...]:
    """Those whose axis the studies have.

    results: what `aggregate` made of the same studies with the same `only`; prices: of an hour of training and of
    scoring, for money. Raises BadInput when they are in two currencies.
    """
    refuse_two_currencies(train_price, serve_price)
    found = configurations(selected(loaded, only or {}))
    trained = entries(found, results)
    every = (
        beside_the_paper(trained),
        size_by_method(trained),
        domain_by_size(trained),
        drop_by_time(found, results),
        rank(trained),
        few_shot(trained),
        time_to_quality(trained),
        cost_table(trained, train_price, serve_price),
        money(trained, loaded, train_price, serve_price),
        disk(trained),
        parameter_efficiency(trained),
        holistic(trained),
    )
    return tuple(view for view in every if view is not None)
