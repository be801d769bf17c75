"""The example that Mélange's authors publish, by their program and with fractional shares."""

from __future__ import annotations

import pulp
import pytest

from ecoserve.program import Program
from ecoserve.solver import BranchAndBound, Limits, solve, solve_with_cbc
from tests.bench.melange_models import PUBLISHED, shared, sliced


def test_sliced_as_published():
    # 2 A10G at 1.01 and ... the published answer is 6.70 USD/h; 3 x 1.01 + 3.67
    lp = sliced(PUBLISHED, 1)
    assert lp.solve(pulp.COIN_CMD(path=pulp.apis.coin_api.pulp_cbc_path, msg=False)) == 1
    assert pulp.value(lp.objective) == pytest.approx(6.70)


def test_fractional_shares_are_cheaper():
    # 1 x 1.01 + 3.67
    lp, counts = shared(PUBLISHED)
    program = Program.of(lp)
    found = BranchAndBound(program, [[counts], counts]).run(Limits(gap=1e-9))
    assert found.objective == pytest.approx(4.68)
    assert [found[count] for count in counts] == pytest.approx([1.0, 1.0])
    assert solve(program, Limits(gap=0.0)).objective == pytest.approx(4.68)
    assert solve_with_cbc(program, Limits(gap=0.0)).objective == pytest.approx(4.68)


@pytest.mark.parametrize(("slices", "usd_per_h"), [(3, 4.68), (4, 5.69)])
def test_more_slices_are_not_always_better(slices: int, usd_per_h: float):
    # The optimum moves a third of a bucket.
    assert solve(Program.of(sliced(PUBLISHED, slices))).objective == pytest.approx(usd_per_h)
