"""Signals that ask to stop: never lost, and taken between steps."""

from __future__ import annotations

import signal
import sys
import time
import weakref

import pytest

from clmassmod.stopping import Stopped, between_steps, stop_on_signals


class Thing:
    pass


def ask(_=None):
    """Have a signal handled here."""
    signal.raise_signal(signal.SIGTERM)
    for _ in range(1000):
        pass


def stopped(run):
    """Run something that a signal stops before it has ended."""

    def whole():
        with stop_on_signals():
            run()
        pytest.fail("went on")

    with pytest.raises(Stopped, match="SIGTERM"):
        whole()


def test_a_signal_is_raised_at_once():
    done = []
    stopped(lambda: [ask(), done.append("more")])
    assert not done


def test_a_signal_inside_a_callback_is_not_lost(capsys):
    """What a weakref callback raises is ignored by Python."""
    hook = sys.unraisablehook

    def run():
        thing = Thing()
        kept = weakref.ref(thing, ask)
        del thing
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            assert kept() is None

    stopped(run)
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is hook


def test_a_step_is_finished_first():
    done = []

    def run():
        with between_steps() as check:
            for step in range(5):
                if step == 2:
                    ask()
                done.append(step)
                check()

    stopped(run)
    assert done == [0, 1, 2]


def test_the_last_step_is_followed_by_a_check():
    def run():
        with between_steps():
            ask()

    stopped(run)


def test_a_second_signal_does_not_wait():
    done = []

    def run():
        with between_steps():
            for _ in range(3):
                ask()
                done.append("step")

    stopped(run)
    assert done == ["step"]


def test_without_a_signal_nothing_is_left_behind():
    names = ("SIGINT", "SIGTERM", "SIGUSR1")
    before = [signal.getsignal(getattr(signal, name)) for name in names]
    stopped(ask)
    with stop_on_signals(), between_steps() as check:
        check()
    assert [signal.getsignal(getattr(signal, name)) for name in names] == before
