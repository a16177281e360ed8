"""`Layer`: an operation with state."""

import functools
import warnings

from oxhorn import dtype_policies, tree
from oxhorn._base.convert import is_tensor
from oxhorn._base.dtypes import is_float_dtype
from oxhorn._base.global_state import get_global_attribute, set_global_attribute
from oxhorn._base.keras_tensor import KerasTensor, any_symbolic_tensors
from oxhorn._base.masking import get_keras_mask, set_keras_mask
from oxhorn._base.node import Node
from oxhorn._base.operation import Operation
from oxhorn._base.python_utils import default, is_default
from oxhorn._base.scopes import AutocastScope, StatelessScope, current_path, get_autocast_scope, name_scope
from oxhorn._base.shapes import is_shape_tuple
from oxhorn._base.symbolic import compute_output_spec
from oxhorn._base.tracking import DotNotTrackScope
from oxhorn.layers._call import (
    CallContext,
    CallSpec,
    binder,
    get_shapes_dict,
    is_tensor_like,
    shapes_for,
    signature,
)
from oxhorn.layers._state import LayerState
from oxhorn.layers.input_spec import assert_input_compatibility


def _wrap_build(build):
    """What happens around every `build()`: a name scope before it, and afterwards its arguments are kept for
    files and the layer's state is locked."""

    @functools.wraps(build)
    def wrapper(self, *args, **kwargs):
        if self.__dict__.get("_in_build"):  # super().build()
            return build(self, *args, **kwargs)
        self.__dict__["_in_build"] = True
        try:
            with self._open_name_scope():
                self._path = current_path()
                build(self, *args, **kwargs)
        finally:
            del self.__dict__["_in_build"]
        self._build_shapes_dict = signature(self.build).bind(*args, **kwargs).arguments
        self.built = True
        self._post_build()
        self._lock_state()

    wrapper._wraps_build = True
    return wrapper


class Layer(LayerState, Operation):
    """A callable object with state: the base of all layers and models.

    A subclass makes its variables in `__init__()` or, when they depend on the shape of the input, in
    `build(input_shape)`, with `add_weight()`; it computes in `call()`. Layers, variables, metrics and seed
    generators assigned to attributes, also inside lists and dicts, are found by themselves.

    Args:
        activity_regularizer: its penalty on the outputs is added to the losses.
        trainable: whether training may change the variables.
        dtype: a dtype policy or its name; default: the global policy.
        autocast: whether float inputs are cast to the compute dtype.
        name: defaults to the class's name in snake case.

    `call()` may take `training`, which is handed down from the outermost call, and `mask`.
    """

    _keras_module = "keras"

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not getattr(cls.build, "_wraps_build", False):
            cls.build = _wrap_build(cls.build)

    def __init__(
        self, *, activity_regularizer=None, trainable=True, dtype=None, autocast=True, name=None, **kwargs
    ):
        from oxhorn import regularizers

        self._initialize_tracker()
        with DotNotTrackScope():
            self._lock = False
            Operation.__init__(self, name=name)
            self._losses = []
            self._loss_ids = set()
            self._losses_override = []
        self._dtype_policy = dtype_policies.get(dtype)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._take_input_shape(kwargs)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        if not isinstance(trainable, bool):
            raise ValueError(
                f"Expected `trainable` to be a boolean. Received: trainable={trainable} "
                f"(of type {type(trainable)})"
            )
        self._trainable = trainable
        self._path = None  # known when built
        self._parent_path = None
        self.built = False
        self.autocast = autocast
        self._input_spec = None
        self._called = False
        self.supports_jit = True

        self._call_binder = binder(self.call)
        self.call_signature_parameters = list(self._call_binder.signature.parameters)
        self._call_has_training_arg = "training" in self.call_signature_parameters
        self._call_has_mask_arg = "mask" in self.call_signature_parameters
        # Arguments that outer calls hand down, and whether our call() takes them.
        self._call_context_args = {"training"}
        self._call_has_context_arg = {"training": self._call_has_training_arg}
        self._supports_masking = not is_default(self.compute_mask)
        # Whether arrays among the inputs become tensors of the compute dtype.
        self._convert_input_args = True
        self._allow_non_tensor_positional_args = False
        self._build_shapes_dict = None

    def _take_input_shape(self, kwargs):
        """The older way to give the first layer of a `Sequential` its input shape."""
        input_dim = kwargs.pop("input_dim", None)
        input_shape = kwargs.pop("input_shape", None)
        batch_input_shape = kwargs.pop("batch_input_shape", None)
        if batch_input_shape is not None:
            self._batch_input_shape_arg = tuple(batch_input_shape)
        elif input_dim is not None or input_shape is not None:
            self._input_shape_arg = (input_dim,) if input_dim is not None else input_shape
        else:
            return
        warnings.warn(
            "Do not pass an `input_shape`/`input_dim` argument to a layer. When using Sequential models, "
            "prefer using an `Input(shape)` object as the first layer in the model instead.",
            stacklevel=3,
        )

    def _check_super_called(self):
        if self.__dict__.get("_lock", True):
            raise RuntimeError(
                f"In layer '{type(self).__name__}', you forgot to call `super().__init__()` as the first "
                "statement in the `__init__()` method. Go add it!"
            )

    # -- build

    @property
    def path(self):
        """The names of the enclosing layers and this one; None before the layer is built."""
        return self._path

    @property
    def input_spec(self):
        """An `InputSpec`, or a list of them, that the first argument is checked against."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, value):
        self._input_spec = value

    @default
    def build(self, input_shape):
        """Makes the variables that depend on the shape of the input.

        May take several arguments named after those of `call()`: `build(self, x_shape, y_shape)`.
        """
        self._check_super_called()
        if is_default(self.build) and self._might_have_unbuilt_state():
            warnings.warn(
                f"`build()` was called on layer '{self.name}', however the layer does not have a `build()` "
                "method implemented and it looks like it has unbuilt state. This will cause the layer to be "
                "marked as built, despite not being actually built, which may cause failures down the line. "
                "Make sure to implement a proper `build()` method.",
                stacklevel=2,
            )
        self.built = True

    build = _wrap_build(build)

    def _post_build(self):
        """For subclasses."""

    def _build_at_init(self):
        """Marks a layer without variables as built, unless a subclass has a `build()` of its own."""
        if is_default(self.build):
            self.built = True
            self._post_build()
            self._lock_state()

    def _might_have_unbuilt_state(self):
        return any(not layer.built for layer in self._layers)

    def _maybe_build(self, call_spec):
        shapes = get_shapes_dict(call_spec)
        if not is_default(self.build):
            self.build(**shapes_for(self.build, shapes, call_spec, type(self).__name__))
            self._assert_input_compatibility(call_spec.first_arg)  # build() may have set input_spec
            return
        if self._might_have_unbuilt_state():
            # Calling the sub-layers builds them.
            try:
                compute_output_spec(self.call, **call_spec.arguments_dict)
            except Exception as error:
                if call_spec.eager:
                    return  # the call itself will build them
                warnings.warn(
                    f"Layer '{self.name}' looks like it has unbuilt state, but Keras is not able to trace "
                    "the layer `call()` in order to build it automatically. Possible causes:\n"
                    "1. The `call()` method of your layer may be crashing. Try to `__call__()` the layer "
                    "eagerly on some test input first to see if it works. "
                    "E.g. `x = np.random.random((3, 4)); y = layer(x)`\n"
                    "2. If the `call()` method is correct, then you may need to implement the "
                    "`def build(self, input_shape)` method on your layer. It should create all variables "
                    "used by the layer (e.g. by calling `layer.build()` on all its children layers).\n"
                    f"Exception encountered: ''{error}''",
                    stacklevel=4,
                )
        self.build(next(iter(shapes.values()), None))

    def _build_by_run(self, **shapes):
        """Builds by running `call()` on symbolic tensors; whether that worked."""
        try:
            inputs = {k: tree.map_shape_structure(KerasTensor, shape) for k, shape in shapes.items()}
            compute_output_spec(self.call, **inputs)
        except Exception:
            return False
        return True

    def get_build_config(self):
        """The arguments of `build()`, for files: `{"input_shape": ...}` or `{"shapes_dict": {...}}`."""
        shapes = self._build_shapes_dict
        if shapes is None:
            return None
        if len(shapes) == 1:
            return {"input_shape": next(iter(shapes.values()))}
        return {"shapes_dict": shapes}

    def build_from_config(self, config):
        """Builds the layer as `get_build_config()` says."""
        if config:
            if "input_shape" in config:
                self.build(config["input_shape"])
            elif "shapes_dict" in config:
                self.build(**config["shapes_dict"])

    def _obj_type(self):
        return "Layer"

    # -- dtypes

    @property
    def dtype_policy(self):
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        policy = dtype_policies.get(value)
        if isinstance(self._dtype_policy, dtype_policies.DTypePolicyMap) and self.path:
            if self.path in self._dtype_policy:
                del self._dtype_policy[self.path]
            self._dtype_policy[self.path] = policy
        else:
            self._dtype_policy = policy

    def _own_policy(self):
        policy = self._dtype_policy
        if isinstance(policy, dtype_policies.DTypePolicyMap) and self.path:
            return policy[self.path]
        return policy

    @property
    def dtype(self):
        """The same as `variable_dtype`."""
        return self.variable_dtype

    @property
    def compute_dtype(self):
        """The dtype that the layer computes in."""
        return self._own_policy().compute_dtype

    @property
    def variable_dtype(self):
        """The dtype of the variables."""
        return self._own_policy().variable_dtype

    @property
    def quantization_mode(self):
        """The policy's quantization mode; None: not quantized."""
        return self._own_policy().quantization_mode

    @property
    def input_dtype(self):
        """The dtype that inputs are converted to."""
        return self.compute_dtype

    # -- call

    @property
    def supports_masking(self):
        """Whether masks of the inputs are handed on to the outputs (by `compute_mask`)."""
        return self._supports_masking

    @supports_masking.setter
    def supports_masking(self, value):
        self._supports_masking = value

    @default
    def compute_mask(self, inputs, previous_mask):
        """The masks of the outputs, from the inputs and their masks."""
        return previous_mask

    def call(self, *args, **kwargs):
        raise self._not_implemented_error(self.call)

    def __call__(self, *args, **kwargs):
        self._check_super_called()
        self.__dict__["_called"] = True
        # Keras's files hold the masks and context arguments filled in below where nothing is converted, so
        # `kwargs` stays the same dict then.
        original_args, original_kwargs = args, kwargs
        if self._convert_input_args and not self._is_converted(args, kwargs):
            args, kwargs = self._convert_inputs(args, kwargs)
        if not self._allow_non_tensor_positional_args:
            for x in tree.flatten(args):
                if not is_tensor_like(x, allow_none=True):
                    raise ValueError(
                        "Only input tensors may be passed as positional arguments. The following argument "
                        f"value should be passed as a keyword argument: {x} (of type {type(x)})"
                    )
        call_spec = CallSpec(self._call_binder, self._call_context_args, args, kwargs)
        self._assert_input_compatibility(call_spec.first_arg)
        if not self.built:
            with self._open_name_scope():
                self._maybe_build(call_spec)

        context = self._enter_call_context()
        try:
            for name in self._call_context_args:
                self._resolve_context_argument(name, call_spec, context, kwargs)
            previous_mask = self._fill_in_masks(call_spec, kwargs)
            with self._open_name_scope():
                scope = self._autocast_scope()
                if scope is None:
                    outputs = Operation.__call__(self, *args, **kwargs)
                else:
                    with scope:
                        outputs = Operation.__call__(self, *args, **kwargs)
                self.__dict__["built"] = True
                self._add_activity_losses(outputs)
            self._hand_on_masks(call_spec.first_arg, outputs, previous_mask)
        finally:
            if context.entry_layer is self:
                set_global_attribute("current_call_ctx", None)

        if any_symbolic_tensors(original_args, original_kwargs):
            Node(operation=self, call_args=original_args, call_kwargs=original_kwargs, outputs=outputs)
        return outputs

    def symbolic_call(self, *args, **kwargs):
        return self.compute_output_spec(*args, **kwargs)  # __call__ makes the node

    def _is_converted(self, args, kwargs):
        """Whether the call is the common one: a single tensor of the right dtype."""
        return not kwargs and len(args) == 1 and is_tensor_like(args[0]) and args[0].dtype == self.input_dtype

    def _convert_inputs(self, args, kwargs):
        def convert(x):
            y = self.dtype_policy.convert_input(x, self.autocast, self.input_dtype)
            if y is not x:
                mask = get_keras_mask(x) if is_tensor_like(x) else None
                if mask is not None:
                    set_keras_mask(y, mask)
            return y

        return tree.map_structure(convert, (args, kwargs))

    def _assert_input_compatibility(self, arg_0):
        assert_input_compatibility(self.input_spec, arg_0, layer_name=self.name)

    def _enter_call_context(self):
        context = get_global_attribute("current_call_ctx")
        if context is None:
            context = CallContext(entry_layer=self)
            set_global_attribute("current_call_ctx", context)
            self._clear_losses()
        return context

    def _resolve_context_argument(self, name, call_spec, context, kwargs):
        """Given by the caller, else by an outer call, else the default of `call()`."""
        if name in call_spec.user_arguments_dict:
            value = call_spec.user_arguments_dict[name]
        else:
            value = context.get_value(name)
            if value is None:
                value = call_spec.arguments_dict.get(name)
        context.set_value(name, value)
        if value is not None and self._call_has_context_arg.get(name, False):
            kwargs[name] = value

    def _fill_in_masks(self, call_spec, kwargs):
        """Fills in mask arguments that the caller left out; returns the first input's mask."""
        tensors = call_spec.tensor_arguments_dict
        for name, value in tensors.items():
            argument = "mask" if len(tensors) == 1 else f"{name}_mask"
            if argument in call_spec.arguments_dict and call_spec.arguments_dict[argument] is None:
                kwargs[argument] = tree.map_structure(get_keras_mask, value)
        if kwargs.get("mask") is not None:
            return kwargs["mask"]
        return tree.map_structure(get_keras_mask, call_spec.first_arg)

    def _hand_on_masks(self, inputs, outputs, previous_mask):
        if not self.supports_masking:
            if any(m is not None for m in tree.flatten(previous_mask)):
                warnings.warn(
                    f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask "
                    "attached to it. However, this layer does not support masking and will therefore destroy "
                    "the mask information. Downstream layers will not see the mask.",
                    stacklevel=3,
                )
            return
        flat_outputs = tree.flatten(outputs)
        if all(get_keras_mask(x) is not None for x in flat_outputs):
            return
        masks = self.compute_mask(inputs, previous_mask)
        if masks is None:
            return
        for x, mask in zip(flat_outputs, tree.flatten(masks)):
            if mask is not None and get_keras_mask(x) is None:
                set_keras_mask(x, mask)

    def _autocast_scope(self):
        """The scope to open around `call()`, or None if the open one is right."""
        current = get_autocast_scope()
        if current is None:
            return AutocastScope(self.compute_dtype) if self.compute_dtype != self.variable_dtype else None
        if not self.autocast or not is_float_dtype(self.compute_dtype):
            return AutocastScope(None)
        return AutocastScope(self.compute_dtype) if current.dtype != self.compute_dtype else None

    def _add_activity_losses(self, outputs):
        if self.activity_regularizer is None:
            return
        for x in tree.flatten(outputs):
            if is_tensor(x):
                loss = self.activity_regularizer(x)
                if x.ndim > 0 and x.shape[0] > 0:
                    loss = loss / x.shape[0]  # the mean over the batch
                self.add_loss(loss)

    def stateless_call(
        self, trainable_variables, non_trainable_variables, *args, return_losses=False, **kwargs
    ):
        """Calls the layer with the given values in place of its variables, and changes none.

        Args:
            trainable_variables, non_trainable_variables: values, in the order of these attributes.
            return_losses: also return the losses.

        Returns:
            `(outputs, non_trainable_variables)` with the latter's new values, and then the losses.
        """
        self._check_super_called()
        if not self.built:
            raise ValueError(
                f"To call stateless_call, {type(self).__name__} must be built (i.e. its variables must have "
                "been already created). You can build it by calling it on some data."
            )
        mapping = []
        for name, values in (
            ("trainable_variables", trainable_variables),
            ("non_trainable_variables", non_trainable_variables),
        ):
            own = getattr(self, name)
            if len(values) != len(own):
                raise ValueError(
                    f"Argument `{name}` must be a list of tensors corresponding 1:1 to "
                    f"{type(self).__name__}().{name}. Received list with length {len(values)}, but expected "
                    f"{len(own)} variables."
                )
            mapping.extend(zip(own, values))
        with StatelessScope(state_mapping=mapping, collect_losses=return_losses) as scope:
            outputs = self.call(*args, **kwargs)
            losses = self.losses if return_losses else None
        updated = [scope.get_current_value(v) for v in self.non_trainable_variables]
        return (outputs, updated, losses) if return_losses else (outputs, updated)

    # -- shapes

    @default
    def compute_output_shape(self, *args, **kwargs):
        """The shapes of the outputs, from those of the inputs."""
        raise self._not_implemented_error(
            self.compute_output_shape, "Should implement `def compute_output_shape(self, input_shape)`."
        )

    def compute_output_spec(self, *args, **kwargs):
        """The outputs as symbolic tensors: from `compute_output_shape()`, or by running `call()`."""
        if is_default(self.compute_output_shape):
            return super().compute_output_spec(*args, **kwargs)
        call_spec = CallSpec(self._call_binder, self._call_context_args, args, kwargs)
        shapes = shapes_for(
            self.compute_output_shape, get_shapes_dict(call_spec), call_spec, type(self).__name__
        )
        shape = self.compute_output_shape(**shapes)
        if not isinstance(shape, (list, tuple, dict)):
            try:
                shape = tuple(shape)
            except TypeError:
                raise ValueError(
                    f"Method `compute_output_shape()` of layer {type(self).__name__} is returning a type "
                    "that cannot be interpreted as a shape. It should return a shape tuple. Received: "
                    f"{shape}"
                ) from None
        if shape and is_shape_tuple(shape):
            return KerasTensor(shape, dtype=self.compute_dtype)
        return tree.map_shape_structure(lambda s: KerasTensor(s, dtype=self.compute_dtype), shape)

    # -- config and the like

    @default
    def get_config(self):
        """What `__init__()` was called with; subclasses add their arguments."""
        from oxhorn import regularizers

        self._check_super_called()
        config = {
            **super().get_config(),
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    def _open_name_scope(self):
        if self._parent_path is None:
            self.__dict__["_parent_path"] = current_path()
        return name_scope(self.name, caller=self)

    def _not_implemented_error(self, method, message=None):
        return NotImplementedError(
            f"Layer {type(self).__name__} does not have a `{method.__name__}` method implemented."
            + (f" {message}" if message else "")
        )

    def _register_call_context_args(self, *names):
        """Further arguments that are handed down from outer calls, as `training` is."""
        if self._called:
            raise RuntimeError("Cannot add call-context args after the layer has been called.")
        self._call_context_args = self._call_context_args | set(names)
        self._call_has_context_arg.update({n: n in self.call_signature_parameters for n in names})

    def add_metric(self, *args, **kwargs):
        raise NotImplementedError(
            "Layer `add_metric()` method is deprecated. Add your metric in `Model.compile(metrics=[...])`, "
            "or create metric trackers in init() or build() when subclassing the layer or model, then call "
            "`metric.update_state()` whenever necessary."
        )

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
