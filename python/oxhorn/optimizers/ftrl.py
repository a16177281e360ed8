from typing import Unpack

from oxhorn import initializers, ops
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Ftrl(Optimizer):
    """Follow the regularised leader: sparse linear models of many features (McMahan et al., 2013).

    Args:
        learning_rate: see `Optimizer`.
        learning_rate_power: at most 0; how the rate falls with squares of gradients so far, 0: not.
        initial_accumulator_value: at least 0; what the sums of squares start from.
        l1_regularization_strength, l2_regularization_strength: at least 0; penalties of weights.
        l2_shrinkage_regularization_strength: at least 0; a penalty on gradients of non-zero weights.
        beta: the paper's beta.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(
        self,
        learning_rate=0.001,
        learning_rate_power=-0.5,
        initial_accumulator_value=0.1,
        l1_regularization_strength=0.0,
        l2_regularization_strength=0.0,
        l2_shrinkage_regularization_strength=0.0,
        beta=0.0,
        **kwargs: Unpack[BaseArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        if learning_rate_power > 0.0:
            raise ValueError(
                "`learning_rate_power` needs to be negative or zero. "
                f"Received: learning_rate_power={learning_rate_power}."
            )
        for name in (
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
        ):
            value = getattr(self, name)
            if value < 0.0:
                raise ValueError(f"`{name}` needs to be positive or zero. Received: {name}={value}.")

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._accumulators, self._linears = self.add_optimizer_variables(
            var_list,
            ["accumulator", "linear"],
            initializer=[initializers.Constant(self.initial_accumulator_value), "zeros"],
        )

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        total, linear = self._accumulators[index], self._linears[index]
        shrunk = gradient + 2 * self.l2_shrinkage_regularization_strength * variable
        new_total = total + ops.square(gradient)
        root, new_root = (ops.power(t, -self.learning_rate_power) for t in (total, new_total))
        linear.assign_add(shrunk - (new_root - root) / learning_rate * variable)
        l2 = self.l2_regularization_strength + self.beta / (2.0 * learning_rate)
        quadratic = new_root / learning_rate + 2 * l2
        l1 = self.l1_regularization_strength
        variable.assign((ops.clip(linear, -l1, l1) - linear) / quadratic)
        total.assign(new_total)
