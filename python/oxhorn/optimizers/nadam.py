from typing import Unpack

from oxhorn import ops
from oxhorn._base.settings import floatx
from oxhorn._base.variable import Variable
from oxhorn.optimizers.adam import power, update_moments
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2015). Arguments as of `Adam`."""

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
        # The product of the momenta of all steps so far.
        self._u_product = Variable(1.0, dtype=var_list[0].dtype if var_list else floatx(), trainable=False)

    def _momentum(self, step):
        """The momentum of a step: `beta_1` in the long run, half of it at first."""
        return self.beta_1 * (1.0 - 0.5 * power(0.96, step))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        step = ops.cast(self.iterations + 1, self._u_product.dtype)
        self._u_product.assign(self._u_product * self._momentum(step))
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        step = ops.cast(self.iterations + 1, variable.dtype)
        momentum, next_momentum = self._momentum(step), self._momentum(step + 1)
        product = ops.cast(self._u_product, variable.dtype)
        update_moments(mean, square, gradient, self.beta_1, self.beta_2)
        ahead = next_momentum * mean / (1 - product * next_momentum)
        ahead = ahead + (1 - momentum) * gradient / (1 - product)
        root = ops.sqrt(square / (1 - power(self.beta_2, step)))
        variable.assign_sub(ahead * learning_rate / (root + self.epsilon))
