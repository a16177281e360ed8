import keras
import numpy as np
import pytest

import oxhorn

STEPS = (0, 1, 3, 7, 10, 11, 25, 60, 130)
CASES = [
    ("ExponentialDecay", (0.1, 10, 0.5), {}),
    ("ExponentialDecay", (0.1, 10, 0.5), {"staircase": True, "name": "mine"}),
    ("InverseTimeDecay", (0.1, 10, 0.5), {}),
    ("InverseTimeDecay", (0.1, 10, 0.5), {"staircase": True}),
    ("PiecewiseConstantDecay", ([3, 10, 11], [1.0, 0.5, 0.1, 0.01]), {}),
    ("PolynomialDecay", (0.1, 10), {"end_learning_rate": 0.01, "power": 0.5}),
    ("PolynomialDecay", (0.1, 10), {"cycle": True}),
    ("CosineDecay", (0.1, 50), {"alpha": 0.1}),
    ("CosineDecay", (0.0, 50), {"warmup_target": 0.2, "warmup_steps": 10}),
    ("CosineDecay", (0.1, 50), {"warmup_target": 0.2}),
    ("CosineDecayRestarts", (0.1, 10), {"m_mul": 0.9, "alpha": 0.1}),
    ("CosineDecayRestarts", (0.1, 10), {"t_mul": 1.0}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=str)
def test_values_and_config(name, args, kwargs):
    theirs, ours = (
        getattr(library.optimizers.schedules, name)(*args, **kwargs) for library in (keras, oxhorn)
    )
    for step in STEPS:
        want = np.asarray(theirs(step))
        for given in (step, oxhorn.Variable(step, dtype="int32")):
            got = np.asarray(ours(given))
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-8, err_msg=f"step {step}")
            assert got.dtype == want.dtype
    assert ours.get_config() == theirs.get_config()
    schedules = oxhorn.optimizers.schedules
    assert schedules.deserialize(schedules.serialize(ours)).get_config() == ours.get_config()


def test_bad_arguments():
    schedules = oxhorn.optimizers.schedules
    with pytest.raises(ValueError, match="`decay_steps` must be > 0"):
        schedules.CosineDecay(0.1, 0)
    with pytest.raises(ValueError, match="1 less than the length of values"):
        schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2])
    with pytest.raises(NotImplementedError):
        schedules.LearningRateSchedule()(0)
