"""Invented labels of mechanical ventilation, in the shape of BEEP's pmv_labels.pkl."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Sequence

from clinpeft.sources._mimic3_stays import Stay

FILE = "pmv_labels.pkl"
_SPLITS = ("train", "val", "test")


def ventilation_labels(stays: Sequence[Stay], seed: int) -> tuple[bytes, list[float]]:
    """A pickled dict from HADM_ID to [label, split], and the true probability of each label 1.

    p = logistic(-1.6 + 1.5 grave + course). Splits are by patient, 80/10/10, but for the last patient who came again:
    the first of that patient's stays lies in another split, as nothing is published that rules this out.
    """
    rng = random.Random(f"ventilation|{seed}")
    labels: dict[int, list[int | str]] = {}
    probabilities = []
    rank = {subject: number for number, subject in enumerate(dict.fromkeys(stay.patient.subject for stay in stays))}
    for stay in stays:
        probability = 1 / (1 + math.exp(1.6 - 1.5 * stay.traits.is_grave - stay.traits.course))
        probabilities.append(probability)
        place = rank[stay.patient.subject] % 10
        split = _SPLITS[1] if place == 3 else _SPLITS[2] if place == 7 else _SPLITS[0]
        labels[stay.hadm] = [int(rng.random() < probability), split]
    _part_one_patient(stays, labels)
    return pickle.dumps(labels, protocol=4), probabilities


def _part_one_patient(stays: Sequence[Stay], labels: dict[int, list[int | str]]) -> None:
    own: dict[int, list[int]] = {}
    for stay in stays:
        own.setdefault(stay.patient.subject, []).append(stay.hadm)
    several = [hadms for hadms in own.values() if len(hadms) > 1]
    if several:
        first, second, *_ = several[-1]
        labels[first][1] = _SPLITS[0]
        labels[second][1] = _SPLITS[2]
