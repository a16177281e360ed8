from typing import Unpack

from oxhorn import ops
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Lion(Optimizer):
    """Steps of one size, along the sign of a moving average (Chen et al., 2023).

    Args:
        learning_rate: see `Optimizer`; a tenth to a third of Adam's.
        beta_1: share of the average in the direction, the rest being the gradient's; in (0, 1].
        beta_2: share of the old average.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.99, **kwargs: Unpack[BaseArguments]):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        if not 0 < beta_1 <= 1:
            raise ValueError(
                "Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer degenerates to "
                f"SignSGD. Received: beta_1={beta_1}."
            )

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._momentums = self.add_optimizer_variables(var_list, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        mean = self._momentums[self._get_variable_index(variable)]
        direction = ops.sign(mean * self.beta_1 + gradient * (1.0 - self.beta_1))
        variable.assign_sub(learning_rate * direction)
        mean.assign(mean * self.beta_2 + gradient * (1.0 - self.beta_2))
