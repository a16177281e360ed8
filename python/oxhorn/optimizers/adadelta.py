from typing import Unpack

from oxhorn import ops
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Adadelta(Optimizer):
    """Steps as large as recent steps were, for gradients as large as recent gradients were (Zeiler, 2012).

    Args:
        learning_rate: see `Optimizer`; 1.0 is the paper's.
        rho: share of the old averages.
        epsilon: added to averages of squares before roots are taken.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-7, **kwargs: Unpack[BaseArguments]):
        super().__init__(learning_rate, **kwargs)
        self.rho = rho
        self.epsilon = epsilon

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._accumulated_grads, self._accumulated_delta_vars = self.add_optimizer_variables(
            var_list, ["accumulated_grad", "accumulated_delta_var"]
        )

    def update_step(self, grad, variable, learning_rate):
        index = self._get_variable_index(variable)
        grads, deltas = self._accumulated_grads[index], self._accumulated_delta_vars[index]

        def average(slot, value):
            slot.assign(self.rho * slot + (1 - self.rho) * ops.square(value))

        def root(x):
            return ops.sqrt(x + self.epsilon)

        average(grads, grad)
        delta = -(root(deltas) * grad / root(grads))
        average(deltas, delta)
        variable.assign_add(learning_rate * delta)
