from typing import Unpack

from oxhorn import ops
from oxhorn.optimizers.adam import power
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class ScheduleFreeAdamW(Optimizer):
    """AdamW that averages iterates in place of lowering the learning rate (Defazio et al., 2024).

    The variables are `y = (1 - beta_1) * z + beta_1 * x`, z being steps without momentum and x their mean.

    Args:
        learning_rate: see `Optimizer`; larger than Adam's.
        beta_1: share of the mean in the variables.
        beta_2: share of the old mean of squares.
        epsilon: keeps the divisor from 0.
        warmup_steps: number of steps in which the learning rate rises to its value.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(
        self,
        learning_rate=0.0025,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        warmup_steps=0,
        **kwargs: Unpack[BaseArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.warmup_steps = warmup_steps

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])
        for z, variable in zip(self._momentums, var_list, strict=True):
            if z is not None:
                z.assign(variable)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        z, square = self._momentums[index], self._velocities[index]
        step = ops.cast(self.iterations + 1, variable.dtype)
        if self.warmup_steps > 0:
            learning_rate = learning_rate * ops.minimum(step / self.warmup_steps, 1.0)
        x = (variable - (1 - self.beta_1) * z) / self.beta_1
        square.assign_add((ops.square(gradient) - square) * (1 - self.beta_2))
        root = ops.sqrt(square / (1 - power(self.beta_2, step)))
        z.assign_sub(learning_rate * gradient / (root + self.epsilon))
        weight = 1.0 / step
        x = (1 - weight) * x + weight * z
        variable.assign((1 - self.beta_1) * z + self.beta_1 * x)
