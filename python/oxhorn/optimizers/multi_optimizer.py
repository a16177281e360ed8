"""Different optimizers for different variables."""

import re
from collections.abc import MutableMapping

from oxhorn._base import lookup
from oxhorn.optimizers.loss_scale_optimizer import LossScaleOptimizer
from oxhorn.optimizers.optimizer import Optimizer


class OptimizerMap(MutableMapping):
    """Optimizers under regular expressions, which match the whole path of a variable.

    Calling the map with a variable gives its optimizer. Raises ValueError if several expressions match.

    Args:
        default_optimizer: the optimizer of variables that nothing matches.
        optimizer_map: dict of expressions and optimizers.
    """

    def __init__(self, default_optimizer, optimizer_map=None):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(
                f"default_optimizer must be a Keras Optimizer instance. Received: {default_optimizer}"
            )
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"optimizer_map must be a dictionary. Received: {optimizer_map}")
        self._default_optimizer = default_optimizer
        self._optimizer_map = optimizer_map or {}

    @property
    def default_optimizer(self):
        return self._default_optimizer

    def __getitem__(self, key):
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        matching = [opt for pattern, opt in self._optimizer_map.items() if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(f"Multiple optimizers assigned to variable {key}.")
        return matching[0] if matching else self.default_optimizer

    def __setitem__(self, key, optimizer):
        if key in self._optimizer_map:
            raise ValueError(
                f"'{key}' already exists in the OptimizerMap with value {self._optimizer_map[key]}. "
                "Please make sure to not use duplicated keys."
            )
        if not isinstance(key, str):
            raise ValueError(f"key must be a string. Received: {key}")
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"optimizer must be a Keras Optimizer instance. Received: {optimizer}")
        for wrapper in (LossScaleOptimizer, MultiOptimizer):
            if isinstance(optimizer, wrapper):
                raise ValueError(f"optimizer cannot be {wrapper.__name__}.")
        self._optimizer_map[key] = optimizer

    def __delitem__(self, key):
        del self._optimizer_map[key]

    def __len__(self):
        return len(self._optimizer_map)

    def __iter__(self):
        return iter(self._optimizer_map)

    def __call__(self, variable):
        return self[variable.path]

    def get_config(self):
        return {
            "default_optimizer": lookup.serialize(self._default_optimizer),
            "optimizer_map": lookup.serialize(self._optimizer_map),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(
            lookup.deserialize(config["default_optimizer"], custom_objects=custom_objects),
            lookup.deserialize(config["optimizer_map"], custom_objects=custom_objects),
        )


class MultiOptimizer(Optimizer):
    """Updates each variable by the optimizer that a map gives it.

    Args:
        optimizer_map: `OptimizerMap`, or a function from a variable to its optimizer.
        loss_scale_factor: see `Optimizer`.
        name: name of the optimizer.
    """

    def __init__(self, optimizer_map, loss_scale_factor=None, name=None):
        super().__init__(learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._optimizer_map = optimizer_map
        self._inner_optimizers = []
        if hasattr(optimizer_map, "values"):
            for optimizer in optimizer_map.values():
                self._add(optimizer)
        default = getattr(optimizer_map, "default_optimizer", None)
        if default is not None:
            self._add(default)

    def _add(self, optimizer):
        """The index of the optimizer among the inner ones."""
        if optimizer not in self._inner_optimizers:
            optimizer.loss_scale_factor = self.loss_scale_factor
            self._inner_optimizers.append(optimizer)
        return self._inner_optimizers.index(optimizer)

    def build(self, var_list):
        if self.built:
            return
        self._var_to_optimizer_idx = {}
        for variable in var_list:
            optimizer = self._optimizer_map(variable)
            if not isinstance(optimizer, Optimizer):
                raise ValueError(f"Optimizer for variable {variable} is not an Optimizer instance.")
            for wrapper in (LossScaleOptimizer, MultiOptimizer):
                if isinstance(optimizer, wrapper):
                    raise ValueError(f"{wrapper.__name__} cannot be used inside an MultiOptimizer.")
            self._var_to_optimizer_idx[self._var_key(variable)] = self._add(optimizer)
        for optimizer, (variables,) in self._split(var_list):
            optimizer.build(variables)
        super().build(var_list)

    def _split(self, variables, *others):
        """Pairs of an inner optimizer and its part of each list; lists correspond to `variables`."""
        for i, optimizer in enumerate(self._inner_optimizers):
            own = [self._var_to_optimizer_idx[self._var_key(v)] == i for v in variables]
            if any(own):
                lists = (variables, *others)
                yield optimizer, [[x for x, is_own in zip(xs, own, strict=True) if is_own] for xs in lists]

    @property
    def optimizers(self):
        """The inner optimizers."""
        return self._inner_optimizers

    @property
    def variables(self):
        """The own variables, then those of the inner optimizers."""
        return [*self._variables, *(v for optimizer in self._inner_optimizers for v in optimizer.variables)]

    @property
    def learning_rate(self):
        raise AttributeError(
            "Learning rate cannot be accessed on a MultiOptimizer. Access the learning rate on the "
            "individual sub-optimizers instead."
        )

    @learning_rate.setter
    def learning_rate(self, value):
        raise AttributeError(
            "Learning rate cannot be set on a MultiOptimizer. Set the learning rate on the individual "
            "sub-optimizers instead."
        )

    @property
    def loss_scale_factor(self):
        return getattr(self, "_loss_scale_factor", None)

    @loss_scale_factor.setter
    def loss_scale_factor(self, value):
        self._loss_scale_factor = value
        for optimizer in getattr(self, "_inner_optimizers", ()):
            optimizer.loss_scale_factor = value

    @property
    def iterations(self):
        return self._iterations

    def apply(self, grads, trainable_variables=None):
        if len(grads) == 0:
            return
        variables = self._resolve_variables(grads, trainable_variables)
        if len(grads) != len(self._trainable_variables_indices):
            raise ValueError(
                f"Gradients must match trainable variables one-to-one. Received {len(grads)} gradients and "
                f"{len(self._trainable_variables_indices)} variables."
            )
        for optimizer, (own_variables, own_grads) in self._split(variables, grads):
            optimizer.apply(own_grads, own_variables)
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list):
        for optimizer, (variables,) in self._split(var_list):
            optimizer.finalize_variable_values(variables)

    def set_weights(self, weights):
        super().set_weights(weights[: len(self._variables)])
        start = len(self._variables)
        for optimizer in self._inner_optimizers:
            count = len(optimizer.variables)
            if optimizer.built:
                optimizer.set_weights(weights[start : start + count])
            start += count

    def get_config(self):
        return {
            "optimizer_map": lookup.serialize(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        optimizer_map = lookup.deserialize(config["optimizer_map"], custom_objects=custom_objects)
        return cls(**{**config, "optimizer_map": optimizer_map})
