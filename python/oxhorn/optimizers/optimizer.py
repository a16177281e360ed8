import re
import warnings

from oxhorn import initializers, ops
from oxhorn._base import lookup
from oxhorn._base.naming import auto_name
from oxhorn._base.saveable import KerasSaveable
from oxhorn._base.scopes import StatelessScope, name_scope
from oxhorn._base.settings import floatx
from oxhorn._base.tracking import Tracker, no_automatic_dependency_tracking
from oxhorn._base.variable import Variable
from oxhorn.optimizers.gradients import clip_by_global_norm, clip_by_norm
from oxhorn.optimizers.schedules import learning_rate_schedule


class Optimizer(KerasSaveable):
    """Changes variables so that a loss gets smaller.

    Subclasses make their slots in `build(variables)` and define `update_step(gradient, variable,
    learning_rate)`. Both the step and everything around it may be traced.

    Args:
        learning_rate: float, a `LearningRateSchedule`, or a function without arguments.
        weight_decay: share of each variable, times the learning rate, taken away at each step.
        clipnorm: largest L2 norm of each gradient.
        clipvalue: largest absolute value in a gradient.
        global_clipnorm: largest L2 norm of all gradients together. At most one of the three may be set.
        use_ema: keep an exponential moving average of the variables.
        ema_momentum: share of the old average, in [0, 1].
        ema_overwrite_frequency: every so many steps the variables are set to the average; None: only at the
            end of `fit`, or by `finalize_variable_values()`.
        loss_scale_factor: the loss is multiplied by it and the gradients divided, against underflow in
            float16.
        gradient_accumulation_steps: at least 2: update once every so many calls, by the mean gradient.
        name: name of the optimizer.
    """

    _keras_module = "keras"

    def __init__(
        self,
        learning_rate,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
        self._lock = False
        learning_rate = kwargs.pop("lr", learning_rate)  # the name in Keras 1 and 2
        if kwargs.pop("decay", None) is not None:
            warnings.warn("Argument `decay` is no longer supported and will be ignored.", stacklevel=2)
        if kwargs:
            raise ValueError(f"Argument(s) not recognized: {kwargs}")
        if gradient_accumulation_steps and not gradient_accumulation_steps >= 2:
            raise ValueError(
                "`gradient_accumulation_steps` must be an integer >= 2. "
                f"Received: gradient_accumulation_steps={gradient_accumulation_steps}"
            )
        if use_ema:
            if not 0 <= ema_momentum <= 1:
                raise ValueError(
                    f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={ema_momentum}"
                )
            if ema_overwrite_frequency and (
                not isinstance(ema_overwrite_frequency, int) or ema_overwrite_frequency < 1
            ):
                raise ValueError(
                    "`ema_overwrite_frequency` must be an integer >= 1 or None. "
                    f"Received: ema_overwrite_frequency={ema_overwrite_frequency}"
                )
        if sum(a is not None for a in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
                f"clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        self.name = name or auto_name(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps

        self.built = False
        self._variables = []
        self._trainable_variables = []
        self._trainable_variables_indices = {}
        self._tracker = Tracker({"variables": (lambda x: isinstance(x, Variable), self._variables)})
        self._iterations = self._add_scalar(0, "iteration", "int")
        if not callable(learning_rate):
            if not isinstance(learning_rate, float):
                raise ValueError(
                    "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or a "
                    "callable without arguments that returns the learning rate. "
                    f"Received instead: learning_rate={learning_rate}"
                )
            learning_rate = self._add_scalar(learning_rate, "learning_rate", floatx())
        self._learning_rate = learning_rate

    # -- variables

    def _add_scalar(self, value, name, dtype):
        with name_scope(self.name, caller=self):
            variable = Variable(
                value, dtype=dtype, trainable=False, aggregation="only_first_replica", name=name
            )
        self._track_variable(variable)
        return variable

    @property
    def iterations(self):
        """Number of updates so far."""
        if self.gradient_accumulation_steps:
            return ops.floor_divide(self._iterations, self.gradient_accumulation_steps)
        return self._iterations

    @property
    def variables(self):
        """Step count, learning rate (unless it is a schedule), averages, accumulators, then slots."""
        return self._variables[:]

    def _track_variable(self, variable):
        self._tracker.add_to_store("variables", variable)

    def _overwrite_variable_with_gradient(self, variable):
        return getattr(variable, "overwrite_with_gradient", False)

    def _var_key(self, variable):
        return id(variable)

    def _get_variable_index(self, variable):
        return self._trainable_variables_indices[self._var_key(variable)]

    @no_automatic_dependency_tracking
    def build(self, variables):
        """Makes the variables of the optimizer that belong to `variables`."""
        if self.use_ema:
            self._model_variables_moving_average = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulated_gradients = [
                self.add_variable_from_reference(v, name="gradient_accumulator") for v in variables
            ]
        for i, variable in enumerate(variables):
            self._trainable_variables_indices[self._var_key(variable)] = i
        self._trainable_variables = variables[:]
        self.built = True

    def add_variable(
        self, shape, initializer="zeros", dtype=None, aggregation="none", layout=None, name=None
    ):
        """A new variable of the optimizer."""
        self._check_super_called()
        with name_scope(self.name, caller=self):
            variable = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                layout=layout,
                name=name,
            )
        self._track_variable(variable)
        return variable

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros"):
        """A new variable of the shape and dtype of another, named after both."""
        name = name or "var"
        reference = getattr(reference_variable, "path", None) or str(reference_variable.name)
        return self.add_variable(
            shape=reference_variable.shape,
            initializer=initializer,
            dtype=reference_variable.dtype,
            name=f"{reference}_{name}".replace("/", "_").replace(":", "_"),
            layout=getattr(reference_variable, "_layout", None),
        )

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """A new variable, or several, for each of `trainable_variables`.

        Args:
            trainable_variables: list of variables.
            name: name of the slot, or a list of names.
            initializer: initializer, or a list of one per name.

        Returns: a list of variables, or a tuple of one list per name; None stands in place of slots of
        variables that are overwritten with their gradient.
        """
        names = [name] if isinstance(name, str) else name
        alone = isinstance(initializer, (str, initializers.Initializer))
        initials = [initializer] * len(names) if alone else initializer
        if len(names) != len(initials):
            raise ValueError(
                "The number of provided names must match the number of provided initializers. "
                f"Received name='{name}', initializer='{initializer}'"
            )
        slots = tuple([] for _ in names)
        for variable in trainable_variables:
            for slot, slot_name, initial in zip(slots, names, initials, strict=True):
                if self._overwrite_variable_with_gradient(variable):
                    slot.append(None)
                else:
                    slot.append(self.add_variable_from_reference(variable, slot_name, initial))
        return slots[0] if isinstance(name, str) else slots

    def assign(self, variable, value):
        """`variable.assign(value)`."""
        variable.assign(value)

    def assign_add(self, variable, value):
        """`variable.assign_add(value)`."""
        variable.assign_add(value)

    def assign_sub(self, variable, value):
        """`variable.assign_sub(value)`."""
        variable.assign_sub(value)

    # -- updates

    def update_step(self, gradient, variable, learning_rate):
        """Changes `variable`, given its gradient; both operands have the variable's dtype."""
        raise NotImplementedError

    def apply_gradients(self, grads_and_vars):
        """Updates the variables of pairs `(gradient, variable)`; returns the step count."""
        grads, trainable_variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, trainable_variables)
        return self._iterations

    def apply(self, grads, trainable_variables=None):
        """Updates variables given their gradients.

        Args:
            grads: list of gradients; None where there is none.
            trainable_variables: their variables; None for those that the optimizer was built with.

        Raises ValueError if the lists do not match or a variable is not one the optimizer was built with.
        """
        if len(grads) == 0:
            return
        variables = self._resolve_variables(grads, trainable_variables)
        with name_scope(self.name, caller=self):
            grads, variables = self._filter_empty_gradients(grads, variables)
            grads, variables = self._overwrite_variables_directly_with_gradients(grads, variables)
            if grads:
                if self.loss_scale_factor is not None:
                    grads = [g / self.loss_scale_factor for g in grads]
                self._backend_apply_gradients(grads, variables)
                for variable in variables:
                    if variable.constraint is not None:
                        variable.assign(variable.constraint(variable))
        self._iterations.assign_add(1)

    def _resolve_variables(self, grads, variables):
        if variables is None:
            if not self.built:
                raise ValueError(
                    "When passing `grads` without `variables`, the optimizer must already be built on a list "
                    "of variables. Call `optimizer.build(trainable_variables)` first."
                )
            if len(grads) != len(self._trainable_variables_indices):
                raise ValueError(
                    "When passing `grads` as a list of gradient tensors, the gradients must match the "
                    f"optimizer's variables one-to-one. Received a list of {len(grads)} gradients, but the "
                    f"optimizer is tracking {len(self._trainable_variables)} trainable variables."
                )
            return self._trainable_variables
        variables = list(variables)
        if not self.built:
            with name_scope(self.name, caller=self):
                self.build(variables)
            self.built = True
        for v in variables:
            if self._var_key(v) not in self._trainable_variables_indices:
                raise ValueError(
                    f"Unknown variable: {v}. This optimizer can only be called for the variables it was "
                    "originally built with. When working with a new set of variables, you should recreate "
                    "a new optimizer instance."
                )
        return variables

    def _backend_apply_gradients(self, grads, trainable_variables):
        if self.gradient_accumulation_steps:
            self._accumulate(grads, trainable_variables)
        else:
            self._clip_and_update(grads, trainable_variables)
        if self.use_ema:
            self._update_model_variables_moving_average(self._trainable_variables)
            if self.ema_overwrite_frequency:
                update_where(
                    ops.equal((self.iterations + 1) % self.ema_overwrite_frequency, 0),
                    self._trainable_variables,
                    lambda: self._overwrite_model_variables_with_average_value(self._trainable_variables),
                )

    def _clip_and_update(self, grads, variables):
        grads = self._clip_gradients(grads)
        self._apply_weight_decay(variables)
        self._backend_update_step(grads, variables, self.learning_rate)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            gradient = ops.cast(gradient, variable.dtype)
            self.update_step(gradient, variable, ops.cast(learning_rate, variable.dtype))

    def _is_update_step(self):
        return ops.equal((self._iterations + 1) % self.gradient_accumulation_steps, 0)

    def _accumulate(self, grads, variables):
        """Adds the gradients to their accumulators and, every so many calls, updates by the mean."""
        steps = self.gradient_accumulation_steps
        is_update = self._is_update_step()
        accumulators = [self._accumulated_gradients[self._get_variable_index(v)] for v in variables]
        totals = [g + total for g, total in zip(grads, accumulators, strict=True)]
        others = [v for v in self.variables if not any(v is total for total in accumulators)]
        update_where(
            is_update,
            [*variables, *others],
            lambda: self._clip_and_update([total / steps for total in totals], variables),
        )
        for accumulator, total in zip(accumulators, totals, strict=True):
            accumulator.assign(ops.where(is_update, 0, total))

    def _overwrite_variables_directly_with_gradients(self, grads, variables):
        """Assigns gradients to the variables that ask for it (float8 scales); returns the others."""
        kept = []
        for gradient, variable in zip(grads, variables, strict=True):
            if not self._overwrite_variable_with_gradient(variable):
                kept.append((gradient, variable))
            elif self.gradient_accumulation_steps:
                is_update = self._is_update_step()
                accumulator = self._accumulated_gradients[self._get_variable_index(variable)]
                largest = ops.maximum(gradient, accumulator)
                variable.assign(ops.where(is_update, largest, variable))
                accumulator.assign(ops.where(is_update, 0, largest))
            else:
                variable.assign(gradient)
        return [g for g, _ in kept], [v for _, v in kept]

    def _filter_empty_gradients(self, grads, variables):
        pairs = list(zip(grads, variables, strict=True))
        kept = [(g, v) for g, v in pairs if g is not None]
        if not kept:
            raise ValueError("No gradients provided for any variable.")
        if len(kept) < len(pairs):
            missing = [getattr(v, "path", None) or v.name for g, v in pairs if g is None]
            warnings.warn(
                f"Gradients do not exist for variables {missing} when minimizing the loss. If using "
                "`model.compile()`, did you forget to provide a `loss` argument?",
                stacklevel=4,
            )
        return [g for g, _ in kept], [v for _, v in kept]

    def _clip_gradients(self, grads):
        if self.clipnorm and self.clipnorm > 0:
            return [clip_by_norm(g, self.clipnorm) for g in grads]
        if self.global_clipnorm and self.global_clipnorm > 0:
            return clip_by_global_norm(grads, self.global_clipnorm)
        if self.clipvalue and self.clipvalue > 0:
            return [ops.clip(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """`apply` on lists of values in place of variables.

        Returns: the new values of the trainable variables and of the optimizer's.
        """
        self._check_super_called()
        if not self.built:
            raise ValueError(
                f"To call `stateless_apply`, {type(self).__name__} must be built (i.e. its variables must "
                "have been created). You can build it via `optimizer.build(trainable_variables)`."
            )
        for what, values, expected in (
            ("optimizer_variables", optimizer_variables, self.variables),
            ("trainable_variables", trainable_variables, self._trainable_variables),
        ):
            if len(values) != len(expected):
                raise ValueError(
                    f"Argument `{what}` must be a list of tensors corresponding 1:1 to the variables of the "
                    f"built {type(self).__name__}. Received list with length {len(values)}, but expected "
                    f"{len(expected)} variables."
                )
        mapping = [
            *zip(self._trainable_variables, trainable_variables, strict=True),
            *zip(self.variables, optimizer_variables, strict=True),
        ]
        with StatelessScope(state_mapping=mapping) as scope:
            self.apply(grads)
        return tuple(
            [scope.get_current_value(v) for v in variables]
            for variables in (self._trainable_variables, self.variables)
        )

    def scale_loss(self, loss):
        """The loss times `loss_scale_factor`; differentiate it in place of the loss."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # -- learning rate

    @property
    def learning_rate(self):
        """The current learning rate. Can be set to a number, a schedule or a function."""
        rate = self._learning_rate
        if isinstance(rate, learning_rate_schedule.LearningRateSchedule):
            return rate(self._iterations)
        if callable(rate):
            return rate()
        return rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        if callable(learning_rate) and not isinstance(learning_rate, Variable):
            previous = self._learning_rate
            self._learning_rate = learning_rate
            if isinstance(previous, Variable):
                self._untrack_variable(previous)
            return
        if isinstance(self._learning_rate, learning_rate_schedule.LearningRateSchedule):
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` "
                "constructor argument, hence its learning rate is not settable. If you need the learning "
                "rate to be settable, you should instantiate the optimizer with a float `learning_rate` "
                "argument."
            )
        self._learning_rate.assign(learning_rate)

    def _untrack_variable(self, variable):
        was_locked = self._tracker.locked
        self._tracker.unlock()
        self._tracker.untrack(variable)
        if was_locked:
            self._tracker.lock()

    # -- weight decay

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Says which variables do not decay. Call before the optimizer is used.

        Args:
            var_list: list of variables.
            var_names: list of regular expressions, searched for in the variables' names.
        """
        self._exclude_from_weight_decay = {self._var_key(v) for v in var_list or ()}
        self._exclude_from_weight_decay_pattern = re.compile("|".join(set(var_names))) if var_names else None

    def _use_weight_decay(self, variable):
        if self._var_key(variable) in getattr(self, "_exclude_from_weight_decay", ()):
            return False
        pattern = getattr(self, "_exclude_from_weight_decay_pattern", None)
        return pattern is None or pattern.search(variable.name) is None

    def _weight_decay_of(self, variable):
        """The decay rate of a variable, or None."""
        return self.weight_decay if self._use_weight_decay(variable) else None

    def _apply_weight_decay(self, variables):
        for variable in variables:
            rate = self._weight_decay_of(variable)
            if rate is not None:
                learning_rate = ops.cast(self.learning_rate, variable.dtype)
                variable.assign_sub(variable * rate * learning_rate)

    # -- moving average

    def _update_model_variables_moving_average(self, trainable_variables):
        # The first average is the variable itself.
        started = ops.not_equal(self.iterations, 0)
        for var, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                momentum = ops.cast(started, var.dtype) * self.ema_momentum
                average.assign(momentum * average + (1 - momentum) * var)

    def _overwrite_model_variables_with_average_value(self, trainable_variables):
        averages = self._model_variables_moving_average
        if len(trainable_variables) != len(averages):
            raise ValueError(
                f"The length of model variables ({len(trainable_variables)}) to override does not match the "
                f"length of model variables stored in the optimizer ({len(averages)}). Please check if the "
                "optimizer was called on your model."
            )
        for var, average in zip(trainable_variables, averages, strict=True):
            if average is not None:
                var.assign(average)

    def finalize_variable_values(self, var_list):
        """Sets the variables to their moving average, if one is kept. Called at the end of `fit`."""
        if self.use_ema:
            self._overwrite_model_variables_with_average_value(var_list)

    # -- saving

    def set_weights(self, weights):
        """Sets `variables` to a list of arrays. Raises ValueError before `build` and for other shapes."""
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. Please call "
                "`optimizer.build(trainable_variables)` to create the optimizer weights before calling "
                "`set_weights()`."
            )
        for variable, weight in zip(self._variables, weights, strict=False):
            if tuple(variable.shape) != tuple(weight.shape):
                raise ValueError(
                    f"Optimizer variable {variable.path} has shape {tuple(variable.shape)} not compatible "
                    f"with provided weight shape {tuple(weight.shape)}."
                )
            variable.assign(weight)

    def save_own_variables(self, store):
        """Puts the values of `variables` into `store` under "0", "1", ..."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store):
        """Sets `variables` to what `store` holds; warns and does nothing if their number differs."""
        if len(store.keys()) != len(self.variables):
            message = (
                f"Skipping variable loading for optimizer '{self.name}', because it has "
                f"{len(self.variables)} variables whereas the saved optimizer has {len(store.keys())} "
                "variables. "
            )
            if not self.variables:
                message += "This is likely because the optimizer has not been called/built yet."
            warnings.warn(message, stacklevel=2)
            return
        for i, variable in enumerate(self.variables):
            variable.assign(store[str(i)])

    def _obj_type(self):
        return "Optimizer"

    def get_config(self):
        """The constructor arguments as a dict that JSON can hold; the learning rate is the current one."""
        rate = self._learning_rate
        if isinstance(rate, Variable):
            rate = float(rate.numpy())
        else:
            rate = lookup.serialize(rate)
        config = {
            "name": self.name,
            "learning_rate": rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }
        for cls in type(self).__mro__:
            for name in getattr(vars(cls).get("__init__"), "hyperparameters", ()):
                config[name] = getattr(self, name)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The optimizer that `get_config()` described."""
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            config = {**config, "learning_rate": lookup.deserialize(rate, custom_objects=custom_objects)}
        return cls(**config)

    def __setattr__(self, name, value):
        if name != "_lock":
            self._check_super_called()
        if hasattr(self, "_tracker"):
            value = self._tracker.track(value)
        return super().__setattr__(name, value)

    def _check_super_called(self):
        if not hasattr(self, "_lock"):
            raise RuntimeError(
                f"In optimizer '{type(self).__name__}', you forgot to call `super().__init__()` as the first "
                "statement in the `__init__()` method. Go add it!"
            )


def update_where(condition, variables, update):
    """Runs `update()`, then takes back what it did to `variables` unless `condition` holds.

    A select in place of a branch: it can be traced, and costs nothing but the selects.
    """
    before = [v.value for v in variables]
    update()
    for variable, value in zip(variables, before, strict=True):
        if variable.value is not value:
            variable.assign(ops.where(condition, variable, value))
