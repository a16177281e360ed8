from typing import Unpack

from oxhorn import initializers, ops
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of their squares so far (Duchi et al., 2011).

    Args:
        learning_rate: see `Optimizer`.
        initial_accumulator_value: what the sums start from.
        epsilon: keeps the divisor from 0.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(
        self,
        learning_rate=0.001,
        initial_accumulator_value=0.1,
        epsilon=1e-7,
        **kwargs: Unpack[BaseArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        initial = initializers.Constant(self.initial_accumulator_value)
        self._accumulators = self.add_optimizer_variables(var_list, "accumulator", initializer=initial)

    def update_step(self, gradient, variable, learning_rate):
        total = self._accumulators[self._get_variable_index(variable)]
        total.assign_add(ops.square(gradient))
        variable.assign_sub(learning_rate * gradient / ops.sqrt(total + self.epsilon))
