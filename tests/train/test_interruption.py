"""A first signal waits for the right moment, a second one does not; whoever handled it before gets it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from clinpeft.train import interruption
from clinpeft.train.interruption import Interrupted, Interruption


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, SIGTERM ends with 143, as on the command line; afterwards all is as before."""

    def ended(*_: object) -> None:
        raise SystemExit(143)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, ended)
    yield
    assert signal.alarm(0) == 0, "no alarm is left"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_first_signal_is_noted_and_passed_on_at_the_end(number: signal.Signals, raised: type[BaseException]) -> None:
    done = []
    with pytest.raises(raised), Interruption() as asked:
        signal.raise_signal(number)
        done.append(asked.signal)

    assert done == [number]


def test_a_second_signal_is_passed_on_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")


def test_where_nothing_is_worth_waiting_for_the_first_signal_raises() -> None:
    seen = []
    with pytest.raises(KeyboardInterrupt), Interruption() as asked:
        try:
            with asked.at_once():
                signal.raise_signal(signal.SIGINT)
                pytest.fail("it went on")
        except Interrupted:
            seen.append("time to save")
            raise

    assert seen == ["time to save"]


def test_a_signal_that_was_noted_before_raises_there_too() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption() as asked:
        signal.raise_signal(signal.SIGINT)
        with asked.at_once():
            pytest.fail("it went on")


def test_a_step_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "GRACE_SECONDS", 1)
    with pytest.raises(KeyboardInterrupt), Interruption():
        signal.raise_signal(signal.SIGINT)
        threading.Event().wait(60)
        pytest.fail("it went on")


def test_an_error_of_the_step_does_not_swallow_the_signal() -> None:
    with pytest.raises(SystemExit), Interruption():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Interruption() as asked:
        signal.raise_signal(signal.SIGTERM)

    assert asked.signal is None


@pytest.mark.parametrize("is_on", [True, False])
def test_off_or_in_another_thread_signals_are_left_alone(is_on: bool) -> None:
    seen = []

    def work() -> None:
        with Interruption(is_on=is_on):
            seen.append(signal.getsignal(signal.SIGINT))

    if is_on:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
    assert seen == [signal.default_int_handler]
