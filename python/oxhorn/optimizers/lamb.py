from typing import Unpack

from oxhorn import ops
from oxhorn.optimizers.adam import power, update_moments
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Lamb(Optimizer):
    """Adam's steps scaled to the norm of the variable, for large batches (You et al., 2019).

    Arguments as of `Adam`.
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
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        step = ops.cast(self.iterations + 1, variable.dtype)
        update_moments(mean, square, gradient, self.beta_1, self.beta_2)
        root = ops.sqrt(square / (1.0 - power(self.beta_2, step)))
        update = mean / (1.0 - power(self.beta_1, step)) / (root + self.epsilon)
        norm, update_norm = (ops.sqrt(ops.sum(ops.square(x))) for x in (variable, update))
        both = ops.logical_and(norm > 0, update_norm > 0)
        variable.assign_sub(ops.where(both, norm / update_norm, 1.0) * learning_rate * update)
