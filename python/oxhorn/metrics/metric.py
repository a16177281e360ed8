from oxhorn import _core, dtype_policies, initializers
from oxhorn._base.naming import auto_name
from oxhorn._base.saveable import KerasSaveable
from oxhorn._base.scopes import StatelessScope, name_scope
from oxhorn._base.settings import floatx
from oxhorn._base.tracking import Tracker
from oxhorn._base.variable import Variable


class Metric(KerasSaveable):
    """A quantity accumulated over batches.

    Subclasses make variables with `add_variable`, change them in `update_state` and compute the quantity
    in `result`. Both may be traced: they must not ask for the values of tensors.

    Args:
        dtype: dtype or policy of the computation; None for `floatx()`.
        name: name of the metric.
    """

    _keras_module = "keras"

    def __init__(self, dtype=None, name=None):
        self.name = name or auto_name(type(self).__name__)
        self._dtype_policy = dtype_policies.get(dtype or floatx())
        self._dtype = self._dtype_policy.compute_dtype
        self._metrics = []
        self._variables = []
        self._tracker = Tracker(
            {
                "variables": (lambda x: isinstance(x, Variable), self._variables),
                "metrics": (lambda x: isinstance(x, Metric), self._metrics),
            }
        )

    def reset_state(self):
        """Sets all variables to 0. Called at the start of each epoch."""
        for v in self.variables:
            v.assign(_core.full(v.shape, 0, v.dtype))

    def update_state(self, *args, **kwargs):
        """Takes a batch into account."""
        raise NotImplementedError

    def result(self):
        """The quantity so far: a tensor, or a dict of tensors."""
        raise NotImplementedError

    def stateless_update_state(self, metric_variables, *args, **kwargs):
        """`update_state` on a list of values in place of the variables: returns the new values."""
        with self._stateless(metric_variables) as scope:
            self.update_state(*args, **kwargs)
        return self._values_in(scope)

    def stateless_result(self, metric_variables):
        """`result` computed from a list of values in place of the variables."""
        with self._stateless(metric_variables):
            return self.result()

    def stateless_reset_state(self):
        """The values that the variables have after `reset_state`."""
        with StatelessScope() as scope:
            self.reset_state()
        return self._values_in(scope)

    def _stateless(self, metric_variables):
        if len(metric_variables) != len(self.variables):
            raise ValueError(
                "Argument `metric_variables` must be a list of tensors corresponding 1:1 to "
                f"{type(self).__name__}().variables. Received list with length {len(metric_variables)}, but "
                f"expected {len(self.variables)} variables."
            )
        return StatelessScope(state_mapping=list(zip(self.variables, metric_variables, strict=True)))

    def _values_in(self, scope):
        values = [scope.get_current_value(v) for v in self.variables]
        return [v if value is None else value for v, value in zip(self.variables, values, strict=True)]

    @property
    def dtype(self):
        return self._dtype

    def _obj_type(self):
        return "Metric"

    def add_variable(self, shape, initializer, dtype=None, aggregation="sum", name=None):
        """A new variable of the state."""
        self._check_super_called()
        with name_scope(self.name.replace("/", ">"), caller=self):
            variable = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                synchronization="on_read",
                name=name,
            )
        self._tracker.add_to_store("variables", variable)
        return variable

    def add_weight(self, shape=(), initializer=None, dtype=None, name=None):
        """Another name of `add_variable`."""
        return self.add_variable(shape=shape, initializer=initializer, dtype=dtype, name=name)

    @property
    def variables(self):
        """The variables of the metric, then those of the metrics it holds."""
        return [*self._variables, *(v for metric in self._metrics for v in metric.variables)]

    def __call__(self, *args, **kwargs):
        self._check_super_called()
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self):
        """The constructor arguments as a dict that JSON can hold."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config):
        """The metric that `get_config()` described."""
        return cls(**config)

    def __setattr__(self, name, value):
        if hasattr(self, "_tracker"):
            value = self._tracker.track(value)
        return super().__setattr__(name, value)

    def _check_super_called(self):
        if not hasattr(self, "_tracker"):
            raise RuntimeError(
                "You forgot to call `super().__init__()` in the `__init__()` method. Go add it!"
            )

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"
