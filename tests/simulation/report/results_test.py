import dataclasses

import numpy as np
import pytest

from duralava.simulation.report.results import as_json, distribution


def test_distribution():
    found = distribution(np.arange(101.0))
    assert found.mean == 50
    assert found.std == pytest.approx(np.std(np.arange(101)))
    values = as_json(found)
    assert [values[name] for name in ("5%", "25%", "50%", "75%", "95%")] == [
        pytest.approx(quantile) for quantile in (5, 25, 50, 75, 95)
    ]
    assert str(found) == "50.000 ± 29.155"
    assert all(np.isnan(value) for value in dataclasses.astuple(distribution([])))
