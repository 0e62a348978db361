"""The curve of a print: bounded, with its peaks, its bursts, its pauses and its layers."""

from __future__ import annotations

import json
from dataclasses import replace

from octoprint_spaghetti.core.history import MOST_LAYERS, MOST_POINTS, History
from octoprint_spaghetti.core.words import Status, Verdict

WATCHING = Status(verdict=Verdict.WATCHING, evidence=0.1, suspect_at=0.3, failing_at=0.55, score=0.0, printer_state="PRINTING")


def kinds(history: History) -> list[tuple[str, float, float | None]]:
    return [(one.kind, one.since, one.until) for one in history.stretches]


def test_a_print_of_a_day_stays_bounded_and_keeps_its_peak() -> None:
    """However long a print lasts the curve has as many points as before, and a peak of one frame is still there."""
    history = History()
    for second in range(0, 86400, 5):
        evidence = 0.9 if second == 40000 else 0.1
        history = history.after(replace(WATCHING, evidence=evidence, layer=second // 60), 100.0 + second)
    assert MOST_POINTS / 4 < len(history.points) <= MOST_POINTS
    assert max(point.evidence for point in history.points) == 0.9
    assert len(history.layers) <= MOST_LAYERS
    assert [point.at for point in history.points] == sorted(point.at for point in history.points)
    assert history.points[-1].at > 86000
    assert len(json.dumps(history.as_json())) < 80_000


def test_bursts_pauses_and_blindness_have_a_beginning_and_an_end() -> None:
    """Each state that a person wants marked is one stretch, which ends when another begins."""
    history = History()
    for at, status in enumerate(
        (
            WATCHING,
            replace(WATCHING, verdict=Verdict.SUSPECT),
            replace(WATCHING, verdict=Verdict.FAILING),
            replace(WATCHING, verdict=Verdict.FAILING, printer_state="PAUSED"),
            WATCHING,
            replace(WATCHING, verdict=Verdict.BLIND),
        )
    ):
        history = history.after(status, float(at))
    assert kinds(history) == [("burst", 1, 3), ("paused", 3, 4), ("blind", 5, None)]
    assert [point.at for point in history.points] == [0, 1, 2, 4, 5]  # nothing is judged while the print stands


def test_the_last_print_is_kept_until_another_one_begins() -> None:
    """After its end the curve stays to be looked at; a new print begins at nought."""
    history = History().after(replace(WATCHING, verdict=Verdict.SUSPECT), 50.0).after(Status(), 60.0)
    assert (history.over, kinds(history), len(history.points)) == (True, [("burst", 0, 10)], 1)
    assert history.after(Status(), 70.0) is history
    begun = history.after(WATCHING, 80.0)
    assert (begun.over, kinds(begun), [point.at for point in begun.points]) == (False, [], [0])


def test_layers_are_noted_once_each() -> None:
    """A layer is noted when it begins; one that is not known changes nothing."""
    history = History()
    for at, layer in enumerate((None, 1, 1, 2, None, 2, 3)):
        history = history.after(replace(WATCHING, layer=layer), float(at))
    assert history.layers == ((1.0, 1), (3.0, 2), (6.0, 3))
