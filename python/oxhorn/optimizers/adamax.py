from typing import Unpack

from oxhorn import ops
from oxhorn.optimizers.adam import power
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Adamax(Optimizer):
    """Adam with the infinity norm in place of the root of mean squares (Kingma & Ba, 2014, section 7).

    Arguments as of `Adam`; `beta_2` is the share of the old norm.
    """

    @hyperparameters
    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **kwargs: Unpack[BaseArguments]
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._m, self._u = self.add_optimizer_variables(var_list, ["momentum", "norm"])

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        mean, norm = self._m[index], self._u[index]
        mean.assign_add((gradient - mean) * (1 - self.beta_1))
        norm.assign(ops.maximum(self.beta_2 * norm, ops.abs(gradient)))
        bias = 1 - power(self.beta_1, ops.cast(self.iterations + 1, variable.dtype))
        variable.assign_sub(learning_rate * mean / (bias * (norm + self.epsilon)))
