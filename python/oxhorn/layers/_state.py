"""The state of a layer: its variables, those of its sub-layers, its losses, and their way to files."""

import collections
import functools
import gc
import math

from oxhorn import tree
from oxhorn._base.convert import is_tensor
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.scopes import get_stateless_scope, name_scope
from oxhorn._base.tracking import Tracker, no_automatic_dependency_tracking
from oxhorn._base.variable import Variable

_LOCKED = (
    "You cannot add new elements of state (variables or sub-layers) to a layer that is already built. All "
    "state must be created in the `__init__()` method or in the `build()` method."
)


@functools.cache
def _tracked_classes():
    from oxhorn.layers.layer import Layer
    from oxhorn.metrics.metric import Metric
    from oxhorn.random.seed_generator import SeedGenerator

    return Layer, Metric, SeedGenerator


def _unique(variables):
    return list({id(v): v for v in variables}.values())


class LayerState:
    """The part of `Layer` that owns variables."""

    @no_automatic_dependency_tracking
    def _initialize_tracker(self):
        if "_tracker" in self.__dict__:
            return
        layer, metric, seed_generator = _tracked_classes()
        stores = {
            "trainable_variables": lambda x: isinstance(x, Variable) and x.trainable,
            "non_trainable_variables": lambda x: isinstance(x, Variable) and not x.trainable,
            "metrics": lambda x: isinstance(x, metric),
            "layers": lambda x: isinstance(x, layer) and not isinstance(x, metric),
            "seed_generators": lambda x: isinstance(x, seed_generator),
        }
        self._tracker = Tracker(
            {name: (test, []) for name, test in stores.items()},
            exclusions={"non_trainable_variables": ["trainable_variables"]},
        )
        for name in stores:
            setattr(self, f"_{name}", self._tracker.config[name][1])

    def _lock_state(self):
        if not self._tracker.locked:
            self._tracker.lock(msg=_LOCKED)

    def __setattr__(self, name, value):
        if name != "_tracker":
            if "_tracker" not in self.__dict__:
                self._initialize_tracker()
            value = self._tracker.track(value)
        super().__setattr__(name, value)

    def __delattr__(self, name):
        value = getattr(self, name)
        if isinstance(value, Variable):
            self._untrack_variable(value)
        super().__delattr__(name)
        if isinstance(value, Variable):
            del value
            gc.collect()

    def _track_variable(self, variable):
        store = "trainable_variables" if variable.trainable else "non_trainable_variables"
        self._tracker.add_to_store(store, variable)
        if not self.trainable:
            variable.trainable = False

    def _untrack_variable(self, variable):
        locked = self._tracker.locked
        self._tracker.unlock()
        self._tracker.untrack(variable)
        if locked:
            self._tracker.lock()

    # -- making variables

    def add_weight(
        self,
        *args,
        shape=None,
        initializer=None,
        dtype=None,
        trainable=True,
        autocast=True,
        regularizer=None,
        constraint=None,
        aggregation="none",
        overwrite_with_gradient=False,
        name=None,
    ):
        """Makes a variable of the layer.

        Args:
            shape: tuple of ints; default `()`, a scalar.
            initializer: an initializer or its name; default glorot_uniform for floats, zeros for others.
            dtype: default: the layer's variable dtype.
            trainable: whether the optimizer updates it.
            autocast: whether it reads as the compute dtype inside `call()`.
            regularizer: its penalty is added to the losses.
            constraint: applied after each update.
            aggregation: see `Variable`.
            overwrite_with_gradient: see `Variable`.
            name: last part of the variable's path.

        `shape`, `initializer` and `dtype` may be given by position.
        """
        from oxhorn import constraints, initializers, regularizers

        self._check_super_called()
        if len(args) > 3:
            raise TypeError(f"add_weight() takes at most 3 positional arguments but {len(args)} were given.")
        if args and isinstance(args[0], str):
            raise ValueError(
                f"`name` must be passed as a keyword argument. Received: add_weight('{args[0]}', ...). "
                f"Use: add_weight(shape=..., name='{args[0]}')."
            )
        given = {"shape": shape, "initializer": initializer, "dtype": dtype}
        for key, value in zip(given, args):
            if given[key] is not None:
                raise ValueError(f"`{key}` was passed both positionally and as a keyword argument.")
            given[key] = value
        shape, initializer, dtype = given.values()
        dtype = self.variable_dtype if dtype is None else standardize_dtype(dtype)
        if initializer is None:
            initializer = "glorot_uniform" if "float" in dtype else "zeros"
        with name_scope(self.name, caller=self):
            variable = Variable(
                initializer=initializers.get(initializer),
                shape=() if shape is None else shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        self._track_variable(variable)
        return variable

    def add_variable(
        self,
        shape,
        initializer,
        dtype=None,
        trainable=True,
        autocast=True,
        regularizer=None,
        constraint=None,
        name=None,
    ):
        """The same as `add_weight`."""
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            dtype=dtype,
            trainable=trainable,
            autocast=autocast,
            regularizer=regularizer,
            constraint=constraint,
            name=name,
        )

    # -- lists of variables

    @property
    def trainable(self):
        """Whether training may change the layer; setting it sets it for all sub-layers too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        value = bool(value)
        self._trainable = value
        for v in self._trainable_variables:
            v.trainable = value
        for layer in self._layers:
            layer.trainable = value

    @property
    def variables(self):
        """All state but metrics: the weights, and the states of random seeds."""
        own = _unique(self._trainable_variables + self._non_trainable_variables)
        own += [generator.state for generator in self._seed_generators]
        return _unique(own + [v for layer in self._layers for v in layer.variables])

    @property
    def trainable_variables(self):
        """The variables that training changes."""
        return [v for v in self.variables if v.trainable] if self.trainable else []

    @property
    def non_trainable_variables(self):
        """The other variables, random seeds among them."""
        return [v for v in self.variables if not v.trainable] if self.trainable else self.variables

    @property
    def weights(self):
        """The variables of the layer and its sub-layers, without random seeds."""
        own = self._trainable_variables + self._non_trainable_variables
        return _unique(own + [v for layer in self._layers for v in layer.weights])

    @property
    def trainable_weights(self):
        """The weights that training changes."""
        return [v for v in self.weights if v.trainable] if self.trainable else []

    @property
    def non_trainable_weights(self):
        """The other weights."""
        return [v for v in self.weights if not v.trainable] if self.trainable else self.weights

    @property
    def metrics(self):
        """The metrics of the layer and its sub-layers."""
        return list(self._metrics) + [m for layer in self._layers for m in layer.metrics]

    @property
    def metrics_variables(self):
        """The variables of `metrics`."""
        return [v for metric in self.metrics for v in metric.variables]

    def get_weights(self):
        """The values of `weights` as NumPy arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights):
        """Sets the values of `weights` from a list of arrays.

        Raises:
            ValueError: their number or a shape differs.
        """
        variables = self.weights
        if len(variables) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length "
                f"{len(weights)}, but the layer was expecting {len(variables)} weights."
            )
        for variable, value in zip(variables, weights):
            if variable.shape != tuple(value.shape):
                raise ValueError(
                    f"Layer {self.name} weight shape {variable.shape} is not compatible with provided weight "
                    f"shape {tuple(value.shape)}."
                )
            variable.assign(value)

    def count_params(self):
        """The number of scalars in the weights. Raises ValueError before the layer is built."""
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. You "
                "can build it manually via: `layer.build(input_shape)`."
            )
        return sum(math.prod(v.shape) for v in self.weights)

    def _flatten_layers(self, include_self=True, recursive=True):
        """The sub-layers, depth first; each once."""
        layers = [self] if include_self else []
        seen = set()
        queue = collections.deque(self._layers)
        while queue:
            layer = queue.popleft()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            layers.append(layer)
            if recursive:
                queue.extendleft(layer._layers)
        return layers

    # -- losses

    def add_loss(self, loss):
        """Adds a scalar, or a structure of scalars, to the losses; called inside `call()`."""
        losses = tree.flatten(loss)
        for x in losses:
            if not is_tensor(x):
                raise ValueError(
                    "`add_loss()` can only be called from inside `build()` or `call()`, on a tensor input. "
                    f"Received invalid value: {x}"
                )
        scope = get_stateless_scope()
        if scope is None:
            self._losses.extend(losses)
        elif scope.collect_losses:
            for x in losses:
                scope.add_loss(x)
                self._loss_ids.add(id(x))

    def _get_own_losses(self):
        scope = get_stateless_scope()
        if scope is None:
            return list(self._losses)
        return [x for x in scope.losses if id(x) in self._loss_ids]

    def _get_regularization_losses(self):
        return [v.regularizer(v.value) for v in self.trainable_weights if v.regularizer is not None]

    @property
    def losses(self):
        """The losses added during the last call, then those of the regularizers."""
        if self._losses_override:
            return self._losses_override
        losses = self._get_own_losses()
        for layer in self._flatten_layers(include_self=False):
            losses.extend(layer._get_own_losses())
        return losses + self._get_regularization_losses()

    def _clear_losses(self):
        scope = get_stateless_scope()
        if scope is not None and scope.collect_losses:
            scope.losses[:] = [x for x in scope.losses if id(x) not in self._loss_ids]
        self._losses.clear()
        self._loss_ids.clear()
        for layer in self._layers:
            layer._clear_losses()

    # -- files

    def _own_variables(self):
        return self._trainable_variables + self._non_trainable_variables

    def save_own_variables(self, store):
        """Puts the layer's own variables into the dict `store` under "0", "1", ..."""
        for i, v in enumerate(self._own_variables()):
            store[f"{i}"] = v

    def load_own_variables(self, store):
        """Sets them from such a dict. Raises ValueError if the numbers differ."""
        self._check_load_own_variables(store)
        for i, v in enumerate(self._own_variables()):
            v.assign(store[f"{i}"])

    def _check_load_own_variables(self, store):
        expected, received = self._own_variables(), len(store.keys())
        if received == len(expected):
            return
        if not expected and not self.built:
            raise ValueError(
                f"Layer '{self.name}' was never built and thus it doesn't have any variables. However the "
                f"weights file lists {received} variables for this layer.\n"
                "In most cases, this error indicates that either:\n\n"
                "1. The layer is owned by a parent layer whose `build()` method does not build it: a "
                "`build()` method must create all state, including that of sub-layers.\n\n"
                "2. The layer needs a `build_from_config(self, config)` method, which creates its variables "
                "when it is loaded, and perhaps a `get_build_config(self)` method, which says how."
            )
        raise ValueError(
            f"Layer '{self.name}' expected {len(expected)} variables, but received {received} variables "
            f"during loading. Expected: {[v.name for v in expected]}"
        )
