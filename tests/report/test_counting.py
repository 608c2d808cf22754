"""How examples were counted, for readers: what drops nothing is not told as dropped, and small counts are hidden."""

from __future__ import annotations

from typing import Any

from tests.report.test_render import Reader, page

from clinpeft.report.counting import beside_published, counted, dropped


def filters(*steps: tuple[str, int, int]) -> list[dict[str, Any]]:
    return [dict(zip(("step", "kept", "dropped"), step, strict=True)) for step in steps]


def expected(**counts: tuple[float, float]) -> list[dict[str, Any]]:
    return [
        {"what": what, "published": published, "got": got, "evidence": "V", "verdict": "differs", "why": None}
        for what, (published, got) in counts.items()
    ]


def test_what_only_counts_reads_as_so_many_of_all_with_small_counts_hidden(folder: Any) -> None:
    card = folder.card(
        filters=filters(
            ("with-text", 464, 1),
            ("counted-only: died, mentions 'hospice'", 2, 136),
            ("counted-only: has SOCIAL HISTORY", 463, 1),
            ("counted-only: survived, mentions 'dnr'", 0, 323),
        )
    )

    assert list(counted(card)) == [
        "with-text: 464 kept, 1 dropped.",
        "died, mentions 'hospice': <11 of 138.",
        "has SOCIAL HISTORY: all but <11 of 464.",
        "survived, mentions 'dnr': 0 of 323.",
    ]
    assert dropped(card) == ["with-text: 464 kept, 1 dropped."]


def test_ours_beside_a_published_count_is_hidden_where_it_is_small_with_another_that_would_tell_it(folder: Any) -> None:
    card = folder.card(expected=expected(rows=(900, 61), yes=(300, 3), no=(600, 46), share=(0.5, 0.25)))

    shown = {item.what: here for item, here in beside_published(card)}

    assert shown == {"rows": "61", "yes": "<11", "no": "hidden", "share": "0.25"}


def test_the_page_hides_them_too(folder: Any) -> None:
    folder.card(
        filters=filters(("counted-only: died, mentions 'hospice'", 2, 136)),
        expected=expected(examples=(48_684, 461), yes=(5_136, 7)),
    )
    folder.run()

    text = Reader(page(folder)).text

    assert "How the examples of ward-notes were counted died, mentions 'hospice': <11 of 138." in text
    assert "yes: published 5,136, here <11 (differs)." in text
