from oxhorn import initializers, ops
from oxhorn._base import lookup
from oxhorn._base.scopes import name_scope
from oxhorn._base.tracking import no_automatic_dependency_tracking
from oxhorn.optimizers.optimizer import Optimizer, update_where

# Arguments of `Optimizer` that are allowed here with their default only.
_INNER_ARGUMENTS = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


class LossScaleOptimizer(Optimizer):
    """Scales the loss so that gradients neither underflow nor overflow in float16.

    The scale doubles after `dynamic_growth_steps` updates in a row; a step with gradients that are not
    finite is left out and halves it.

    Args:
        inner_optimizer: the optimizer that does the updates.
        initial_scale: the first scale.
        dynamic_growth_steps: number of updates after which it is doubled.
        name: name of the optimizer.
    """

    def __init__(
        self, inner_optimizer, initial_scale=2.0**15, dynamic_growth_steps=2000, name=None, **kwargs
    ):
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer no longer supports `dynamic=False`. Instead, simply set "
                "`loss_scale_factor` directly on the `inner_optimizer`."
            )
        for argument, default in _INNER_ARGUMENTS.items():
            if kwargs.pop(argument, default) != default:
                raise ValueError(
                    f"LossScaleOptimizer does not support `{argument}`. "
                    f"Instead, set `{argument}` on the `inner_optimizer`."
                )
        if kwargs:
            raise ValueError(f"LossScaleOptimizer does not support arguments: `{'`, `'.join(kwargs)}`.")
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        # Scaling twice would be in vain.
        self.inner_optimizer.loss_scale_factor = None

    @no_automatic_dependency_tracking
    def build(self, var_list):
        self.step_counter = self.add_variable((), "zeros", dtype="int", name="step_counter")
        self.dynamic_scale = self.add_variable(
            (), initializers.Constant(self.initial_scale), dtype="float32", name="dynamic_scale"
        )
        self.inner_optimizer.build(var_list)
        super().build(var_list)

    @property
    def variables(self):
        """The own variables, then those of the inner optimizer."""
        return self._variables + self.inner_optimizer.variables

    def apply(self, grads, trainable_variables=None):
        """See `Optimizer.apply`; `grads` are those of the scaled loss."""
        if not self.built:
            with name_scope(self.name, caller=self):
                self.build(trainable_variables)
            self.built = True
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        finite = self.check_finite(grads)
        unscaled = [
            g if g is None or self._overwrite_variable_with_gradient(v) else g / self.dynamic_scale
            for g, v in zip(grads, variables, strict=True)
        ]
        update_where(
            finite,
            [*variables, *self.inner_optimizer.variables],
            lambda: self.inner_optimizer.apply(unscaled, variables),
        )
        grows = ops.equal(self.step_counter, self.dynamic_growth_steps - 1)
        factor = ops.where(finite, ops.where(grows, 2.0, 1.0), 0.5)
        restarts = ops.logical_or(grows, ops.logical_not(finite))
        self.step_counter.assign(ops.where(restarts, 0, self.step_counter + 1))
        self.dynamic_scale.assign(self.dynamic_scale * factor)

    def check_finite(self, grads):
        """Whether all values of all gradients are finite, as a boolean scalar."""
        finite = [ops.all(ops.isfinite(g)) for g in grads if g is not None]
        return ops.all(ops.stack(finite))

    @property
    def learning_rate(self):
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self):
        """Number of updates that the inner optimizer did."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss):
        return loss * (self.dynamic_scale if self.built else self.initial_scale)

    def finalize_variable_values(self, var_list):
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self):
        return {
            "name": self.name,
            "inner_optimizer": lookup.serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        inner = lookup.deserialize(config.pop("inner_optimizer"), custom_objects=custom_objects)
        return cls(inner, **config)
