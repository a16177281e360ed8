import re
from typing import Unpack

from oxhorn import ops
from oxhorn.optimizers.adam import debiasing, update_moments
from oxhorn.optimizers.hyperparameters import BaseArguments, hyperparameters
from oxhorn.optimizers.optimizer import Optimizer


class Muon(Optimizer):
    """Momentum made orthogonal, for matrices; AdamW for all other variables (Jordan et al., 2024).

    Args:
        learning_rate: see `Optimizer`.
        adam_beta_1, adam_beta_2, epsilon: as of `Adam`, for variables that it updates.
        adam_weight_decay: weight decay of these.
        weight_decay: weight decay of the others.
        exclude_layers: list of regular expressions, searched for in paths of matrices to leave to AdamW.
        exclude_embeddings: leave matrices to AdamW whose path contains "embedding".
        muon_a, muon_b, muon_c: coefficients of the iteration that makes a matrix orthogonal.
        adam_lr_ratio: AdamW's learning rate over Muon's.
        momentum: momentum of gradients.
        ns_steps: number of iterations.
        nesterov: whether momentum is Nesterov's.
        rms_rate: root mean square of an update, over the learning rate; None: not scaled.
        kwargs: see `Optimizer`.
    """

    @hyperparameters
    def __init__(
        self,
        learning_rate=0.001,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_weight_decay=0.004,
        epsilon=1e-7,
        weight_decay=0.004,
        *,
        exclude_layers=None,
        exclude_embeddings=True,
        muon_a=3.4445,
        muon_b=-4.775,
        muon_c=2.0315,
        adam_lr_ratio=1,
        momentum=0.95,
        ns_steps=5,
        nesterov=True,
        rms_rate=0.2,
        **kwargs: Unpack[BaseArguments],
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = exclude_layers or []
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate

    def _should_use_adamw(self, variable):
        if len(variable.shape) != 2:
            return True
        if self.exclude_embeddings and "embedding" in variable.path.lower():
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self.momentums = [None] * len(var_list)
        self.adam_velocities = [None] * len(var_list)
        for i, var in enumerate(var_list):
            if not self._overwrite_variable_with_gradient(var):
                self.momentums[i] = self.add_variable_from_reference(var, name="momentum")
                if self._should_use_adamw(var):
                    self.adam_velocities[i] = self.add_variable_from_reference(var, name="velocity")

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        momentum, square = self.momentums[index], self.adam_velocities[index]
        if square is None:
            self._muon_update_step(gradient, variable, learning_rate, momentum)
        else:
            self._adamw_update_step(gradient, variable, learning_rate * self.adam_lr_ratio, momentum, square)

    def _muon_update_step(self, gradient, variable, learning_rate, momentum):
        momentum.assign_add(gradient + momentum * (self.momentum - 1))
        direction = gradient + self.momentum * momentum if self.nesterov else momentum
        update = self.zeropower_via_newtonschulz5(direction, self.ns_steps)
        variable.assign_sub(self.lr_adjust(learning_rate * update))

    def _adamw_update_step(self, gradient, variable, learning_rate, mean, square):
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate = learning_rate * debiasing(self.adam_beta_1, self.adam_beta_2, step)
        update_moments(mean, square, gradient, self.adam_beta_1, self.adam_beta_2)
        variable.assign_sub(mean * rate / (ops.sqrt(square) + self.epsilon))

    def transpose_last_axis(self, X):
        """`X` with its last two axes exchanged."""
        return ops.swapaxes(X, -1, -2)

    def lr_adjust(self, x):
        """An orthogonal update scaled to a root mean square of `rms_rate` (Liu et al., 2025)."""
        return x if self.rms_rate is None else x * (max(x.shape[0], x.shape[1]) ** 0.5 * self.rms_rate)

    def zeropower_via_newtonschulz5(self, x, steps):
        """Roughly the orthogonal matrix next to `x`: the iteration drives its singular values to about 1."""
        shape = tuple(x.shape)
        if len(shape) < 2:
            raise ValueError(
                f"Expected gradient or momentum to have at least 2 dimensions. Received: shape={shape}"
            )
        is_tall = shape[-2] > shape[-1]
        x = self.transpose_last_axis(x) if is_tall else x
        x = x / (ops.norm(x, axis=(-2, -1), keepdims=True) + 1e-7)
        for _ in range(steps):
            gram = ops.matmul(x, self.transpose_last_axis(x))
            x = self.muon_a * x + ops.matmul(self.muon_b * gram + self.muon_c * ops.matmul(gram, gram), x)
        return self.transpose_last_axis(x) if is_tall else x

    def _weight_decay_of(self, variable):
        if not self._use_weight_decay(variable):
            return None
        return self.adam_weight_decay if self._should_use_adamw(variable) else self.weight_decay
