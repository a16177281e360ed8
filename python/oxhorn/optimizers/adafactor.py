from typing import Unpack

from oxhorn import ops
from oxhorn._base.variable import Variable
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Adafactor(Optimizer):
    """Adam without momentum, squares of a matrix being kept by row and by column (Shazeer & Stern, 2018).

    Args:
        learning_rate: see `Optimizer`.
        beta_2_decay: exponent of the share of new squares, `step ** beta_2_decay`.
        epsilon_1: added to squares of gradients.
        epsilon_2: least scale of a variable.
        clip_threshold: largest root mean square of an update.
        relative_step: whether the learning rate is at most `1 / sqrt(step)`.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(
        self,
        learning_rate=0.001,
        beta_2_decay=-0.8,
        epsilon_1=1e-30,
        epsilon_2=1e-3,
        clip_threshold=1.0,
        relative_step=True,
        **kwargs: Unpack[BaseArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._r, self._c, self._v = [], [], []
        for var in var_list:
            shape = tuple(var.shape)
            if len(shape) < 2:
                # Unused, but a variable each in Keras's files.
                for slots in (self._r, self._c):
                    slots.append(Variable(0, name=var.name, trainable=False))
            elif self._overwrite_variable_with_gradient(var):
                self._r.append(None)
                self._c.append(None)
            else:
                for slots, slot_shape in ((self._r, shape[:-1]), (self._c, (*shape[:-2], shape[-1]))):
                    slots.append(self.add_variable(slot_shape, dtype=var.dtype, name=var.name))
            if self._overwrite_variable_with_gradient(var):
                self._v.append(None)
            else:
                self._v.append(self.add_variable_from_reference(var, name="velocity"))

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        rows, columns, squares = self._r[index], self._c[index], self._v[index]
        step = ops.cast(self.iterations + 1, variable.dtype)
        new_share = ops.power(step, self.beta_2_decay)
        square = ops.square(gradient) + self.epsilon_1

        def average(slot, value):
            slot.assign((1 - new_share) * slot + new_share * value)

        if len(variable.shape) >= 2:
            average(rows, ops.mean(square, axis=-1))
            average(columns, ops.mean(square, axis=-2))
            scaled = rows / ops.mean(rows, axis=-1, keepdims=True)
            squares.assign(ops.expand_dims(scaled, -1) * ops.expand_dims(columns, -2))
        else:
            average(squares, square)
        update = gradient / ops.sqrt(squares)
        update = update / ops.maximum(_root_mean_square(update) / self.clip_threshold, 1.0)
        rate = ops.minimum(learning_rate, 1 / ops.sqrt(step))
        variable.assign_sub(ops.maximum(_root_mean_square(variable), self.epsilon_2) * rate * update)


def _root_mean_square(x):
    return ops.sqrt(ops.mean(ops.square(x)))
