"""Every planner that Stele ships keeps the promises of the port."""

import pytest

from adapters.rules.planner import RulePlanner
from domain.ports import Planner
from tests.conformance.planner import PlannerContract


class TestRulePlanner(PlannerContract):
    @pytest.fixture
    def planner(self) -> Planner:
        return RulePlanner()
