from typing import Unpack

from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent: `w -= learning_rate * g`.

    With momentum: `v = momentum * v - learning_rate * g; w += v`, and with Nesterov's,
    `w += momentum * v - learning_rate * g` (Sutskever et al., 2013).

    Args:
        learning_rate: see `Optimizer`.
        momentum: float in [0, 1].
        nesterov: whether momentum is Nesterov's.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, **kwargs: Unpack[BaseArguments]):
        super().__init__(learning_rate, **kwargs)
        if not isinstance(momentum, float) or not 0 <= momentum <= 1:
            raise ValueError("`momentum` must be a float between [0, 1].")
        self.momentum = momentum
        self.nesterov = nesterov

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum") if self.momentum else []

    def update_step(self, gradient, variable, learning_rate):
        step = gradient * learning_rate
        if not self.momentum:
            variable.assign_sub(step)
            return
        velocity = self.momentums[self._get_variable_index(variable)]
        velocity.assign(velocity * self.momentum - step)
        variable.assign_add(velocity * self.momentum - step if self.nesterov else velocity)
