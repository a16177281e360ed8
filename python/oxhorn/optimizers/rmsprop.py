from typing import Unpack

from oxhorn import ops
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class RMSprop(Optimizer):
    """Gradients divided by the root of a moving average of their squares (Hinton, 2012).

    `v = rho * v + (1 - rho) * g ** 2; w -= learning_rate * g / sqrt(v + epsilon)`

    Args:
        learning_rate: see `Optimizer`.
        rho: share of the old average.
        momentum: momentum of the steps.
        epsilon: keeps the divisor from 0.
        centered: subtract the square of the mean gradient from `v`, which makes it a variance.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(
        self,
        learning_rate=0.001,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
        **kwargs: Unpack[BaseArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._velocities = self.add_optimizer_variables(var_list, "velocity")
        self._momentums = self.add_optimizer_variables(var_list, "momentum") if self.momentum > 0 else []
        self._average_gradients = (
            self.add_optimizer_variables(var_list, "average_gradient") if self.centered else []
        )

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)

        def average(slot, value):
            slot.assign(self.rho * slot + (1 - self.rho) * value)
            return slot

        variance = average(self._velocities[index], ops.square(gradient))
        if self.centered:
            variance = variance - ops.square(average(self._average_gradients[index], gradient))
        step = learning_rate * gradient / ops.sqrt(variance + self.epsilon)
        if self.momentum > 0:
            momentum = self._momentums[index]
            momentum.assign(self.momentum * momentum + step)
            step = momentum
        variable.assign_sub(step)
