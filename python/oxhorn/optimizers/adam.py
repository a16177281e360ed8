from typing import Unpack

from oxhorn import ops
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Adam(Optimizer):
    """Steps along a moving average of gradients over the root of one of their squares (Kingma & Ba, 2014).

    Args:
        learning_rate: see `Optimizer`.
        beta_1: share of the old mean of gradients.
        beta_2: share of the old mean of their squares.
        epsilon: keeps the divisor from 0; the paper's "epsilon hat".
        amsgrad: divide by the largest mean of squares so far (Reddi et al., 2018).
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **kwargs: Unpack[BaseArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])
        if self.amsgrad:
            self._velocity_hats = self.add_optimizer_variables(var_list, "velocity_hat")

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate = learning_rate * debiasing(self.beta_1, self.beta_2, step)
        update_moments(mean, square, gradient, self.beta_1, self.beta_2)
        if self.amsgrad:
            largest = self._velocity_hats[index]
            largest.assign(ops.maximum(largest, square))
            square = largest
        variable.assign_sub(mean * rate / (ops.sqrt(square) + self.epsilon))


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019). Arguments as of `Adam`."""

    @hyperparameters
    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **kwargs: Unpack[BaseArguments],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)
        if self.weight_decay is None:
            raise ValueError("Argument `weight_decay` must be a float. Received: weight_decay=None")


def update_moments(mean, square, gradient, beta_1, beta_2):
    """Moves the averages of gradients and of their squares towards the new ones."""
    mean.assign_add((gradient - mean) * (1 - beta_1))
    square.assign_add((ops.square(gradient) - square) * (1 - beta_2))


def power(base, step):
    """`base ** step` in the dtype of `step`."""
    return ops.power(ops.cast(base, step.dtype), step)


def debiasing(beta_1, beta_2, step):
    """What makes up for averages that started at 0, `step` steps ago."""
    return ops.sqrt(1 - power(beta_2, step)) / (1 - power(beta_1, step))
