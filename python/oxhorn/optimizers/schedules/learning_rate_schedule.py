"""Learning rates as functions of the step. All may be traced."""

import math

from oxhorn import ops


class LearningRateSchedule:
    """A function from the step to the learning rate.

    Subclasses define `__call__(step)` and `get_config()`.
    """

    def __call__(self, step):
        """The learning rate at `step`, a scalar tensor or an int."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def get_config(self):
        """The constructor arguments as a dict that JSON can hold."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `get_config()` in order to be "
            "serializable."
        )

    @classmethod
    def from_config(cls, config):
        """The schedule that `get_config()` described."""
        return cls(**config)


def _check_positive(name, value):
    if value <= 0:
        raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={value}")


class _DecayByFraction(LearningRateSchedule):
    """Base of the schedules that decay with `step / decay_steps`, in whole steps if `staircase`."""

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase, name):
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def _initial_and_fraction(self, step):
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        fraction = ops.cast(step, initial.dtype) / self.decay_steps
        return initial, ops.floor(fraction) if self.staircase else fraction

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class ExponentialDecay(_DecayByFraction):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    With `staircase`, the fraction is rounded down.
    """

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="ExponentialDecay"
    ):
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step):
        initial, fraction = self._initial_and_fraction(step)
        return initial * ops.power(ops.cast(self.decay_rate, initial.dtype), fraction)


class InverseTimeDecay(_DecayByFraction):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    With `staircase`, the fraction is rounded down.
    """

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="InverseTimeDecay"
    ):
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step):
        initial, fraction = self._initial_and_fraction(step)
        return initial / (1 + self.decay_rate * fraction)


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[i]` up to and including step `boundaries[i]`, then the next; the last for all later steps.

    Raises ValueError unless there is one value more than boundaries.
    """

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. Received: "
                f"boundaries={boundaries} of length {len(boundaries)}, and values={values} of length "
                f"{len(values)}."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step):
        step = ops.convert_to_tensor(step)
        values = [ops.convert_to_tensor(value) for value in self.values]
        result = values[-1]
        for boundary, value in zip(reversed(self.boundaries), reversed(values[:-1]), strict=True):
            result = ops.where(step <= ops.cast(boundary, step.dtype), value, result)
        return result

    def get_config(self):
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(LearningRateSchedule):
    """From `initial_learning_rate` to `end_learning_rate` in `decay_steps`, by `(1 - fraction) ** power`.

    Then it stays there; or, with `cycle`, `decay_steps` becomes its next multiple whenever it is reached.
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle=False,
        name="PolynomialDecay",
    ):
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step):
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        step = ops.cast(step, initial.dtype)
        decay_steps = ops.cast(self.decay_steps, initial.dtype)
        if self.cycle:
            decay_steps = decay_steps * ops.maximum(ops.ceil(step / decay_steps), 1)
        else:
            step = ops.minimum(step, decay_steps)
        remaining = ops.power(1 - step / decay_steps, ops.cast(self.power, initial.dtype))
        return (initial - self.end_learning_rate) * remaining + self.end_learning_rate

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class CosineDecay(LearningRateSchedule):
    """Half a cosine wave, down to `alpha` times its start, in `decay_steps` (Loshchilov & Hutter, 2016).

    Args:
        initial_learning_rate: the first learning rate.
        decay_steps: number of steps of the decay.
        alpha: share of the learning rate that is left in the end.
        name: name of the schedule.
        warmup_target: the learning rate first rises linearly to this value, in `warmup_steps`, and decays
            from it; None: no warm-up.
        warmup_steps: number of these steps.
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        alpha=0.0,
        name="CosineDecay",
        warmup_target=None,
        warmup_steps=0,
    ):
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def _decayed(self, start, step):
        fraction = ops.clip(step / self.decay_steps, 0, 1)
        return start * ((1 - self.alpha) * _half_wave(fraction) + self.alpha)

    def __call__(self, step):
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        step = ops.cast(step, initial.dtype)
        if self.warmup_target is None:
            return self._decayed(initial, step)
        target = ops.cast(self.warmup_target, initial.dtype)
        decayed = self._decayed(target, step - self.warmup_steps)
        if not self.warmup_steps:
            return decayed
        warming = initial + (target - initial) * (step / self.warmup_steps)
        return ops.where(step < self.warmup_steps, warming, decayed)

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """`CosineDecay` over and over (Loshchilov & Hutter, 2016).

    Args:
        initial_learning_rate: the first learning rate.
        first_decay_steps: number of steps of the first decay.
        t_mul: each decay takes so many times the steps of the one before.
        m_mul: each decay starts at so many times the learning rate of the one before.
        alpha: share of the learning rate that is left in the end.
        name: name of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate,
        first_decay_steps,
        t_mul=2.0,
        m_mul=1.0,
        alpha=0.0,
        name="SGDRDecay",
    ):
        _check_positive("first_decay_steps", first_decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self._t_mul = t_mul
        self._m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step):
        initial = ops.convert_to_tensor(self.initial_learning_rate)
        fraction = ops.cast(step, initial.dtype) / self.first_decay_steps
        if self._t_mul == 1.0:
            restarts = ops.floor(fraction)
            fraction = fraction - restarts
        else:
            # The decays have lengths 1, t, t ** 2, ...: the first n of them (t ** n - 1) / (t - 1).
            t_mul = ops.cast(self._t_mul, initial.dtype)
            restarts = ops.floor(ops.log(1.0 - fraction * (1.0 - t_mul)) / ops.log(t_mul))
            length = ops.power(t_mul, restarts)
            fraction = (fraction - (1.0 - length) / (1.0 - t_mul)) / length
        peak = ops.power(ops.cast(self._m_mul, initial.dtype), restarts)
        return initial * ((1 - self.alpha) * peak * _half_wave(fraction) + self.alpha)

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self._t_mul,
            "m_mul": self._m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


def _half_wave(fraction):
    """From 1 at fraction 0 to 0 at fraction 1."""
    return 0.5 * (1.0 + ops.cos(math.pi * fraction))
