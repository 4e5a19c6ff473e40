# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The simulation of large fleets: where it can be worked out by hand, it says the same."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from bench import simulation
from bench.simulation import Costs, Setting, fitted, seconds

COSTS = Costs(start=0.5, controller=0.012, host=0.06)


def test_one_host_takes_the_sum_of_all():
    setting = Setting(hosts=1, at_once=50, cpus=2, waiting=0.03)

    assert seconds(COSTS, setting) == pytest.approx(0.5 + 0.012 + 0.06 + 0.03)


def test_the_controller_is_the_limit_where_hosts_are_many_and_near():
    setting = Setting(hosts=5000, at_once=200, cpus=1)

    assert seconds(COSTS, setting) == pytest.approx(0.5 + 5000 * 0.012, rel=0.01)


def test_two_cpus_do_twice_as_much():
    one, two = (seconds(COSTS, Setting(hosts=5000, at_once=200, cpus=cpus)) for cpus in (1, 2))

    assert (one - COSTS.start) / (two - COSTS.start) == pytest.approx(2, rel=0.01)


def test_places_are_the_limit_where_the_network_is_slow():
    setting = Setting(hosts=1000, at_once=10, cpus=8, waiting=3.0)

    assert seconds(COSTS, setting) == pytest.approx(0.5 + 100 * (3.0 + 0.072), rel=0.02)


def test_hosts_on_the_same_cpus_cost_what_they_work():
    setting = Setting(hosts=400, at_once=50, cpus=2, hosts_share_cpus=True)

    assert seconds(COSTS, setting) == pytest.approx(0.5 + 400 * 0.072 / 2, rel=0.02)


def test_a_silent_host_holds_its_place_and_nothing_else():
    answering = Setting(hosts=50, at_once=50, cpus=2)
    one_silent = replace(answering, silent=20, limit=10.0)

    assert seconds(COSTS, one_silent) == pytest.approx(COSTS.start + 10.0)
    assert seconds(COSTS, answering) < 2
    # Twenty of a thousand, ten places: every place is held for twenty seconds.
    assert seconds(COSTS, Setting(1000, at_once=10, cpus=2, silent=20, limit=10.0)) > 20


def test_costs_are_fitted_to_two_runs():
    costs = fitted(one=(0.5 + 0.012, 0.5 + 0.072), many=(50, 0.5 + 50 * 0.012, 0.5 + 50 * 0.072))

    assert (costs.start, costs.controller, costs.host) == pytest.approx((0.5, 0.012, 0.06))


def test_examples_are_true():
    assert doctest.testmod(simulation).failed == 0
