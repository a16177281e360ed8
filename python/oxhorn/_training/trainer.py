"""`compile`, `fit`, `evaluate`, `predict` and their per-batch forms."""

import inspect
import warnings

import numpy as np

from oxhorn import _core, ops, optimizers, tree
from oxhorn import callbacks as callbacks_module
from oxhorn import metrics as metrics_module
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.python_utils import is_default
from oxhorn._base.settings import max_epochs, max_steps_per_epoch
from oxhorn._base.symbolic import compute_output_spec
from oxhorn._base.tracking import no_automatic_dependency_tracking
from oxhorn._training import data_adapters
from oxhorn._training.compile_utils import CompileLoss, CompileMetrics
from oxhorn._training.data_adapters import ArrayDataAdapter
from oxhorn._training.data_adapters.utils import (
    apply_class_weight,
    to_array,
    train_validation_split,
    unpack_x_y_sample_weight,
)
from oxhorn._training.gradients import GradientTape
from oxhorn._training.steps import ArrayPass, CompiledStep, EagerStep, IteratorPass
from oxhorn.optimizers.loss_scale_optimizer import LossScaleOptimizer
from oxhorn.saving import serialization_lib

# Ctrl-C and the progress bar wait at most this long for compiled steps to come back.
_SLICE_SECONDS = 0.05

# The attribute of a model that a callback sets to end a loop.
_STOP = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}


def _python_value(value):
    """A number for a scalar tensor, an array for others."""
    if isinstance(value, _core.Tensor) or hasattr(value, "__oxhorn_tensor__"):
        array = np.asarray(_core.tensor(value).numpy())
        return array.item() if array.ndim == 0 else array
    return value


class Trainer:
    """The part of a model that trains it."""

    def __init__(self):
        self._lock = False
        self._run_eagerly = False
        self._jit_compile = None
        self.compiled = False
        self.loss = None
        self.steps_per_execution = 1
        self._initial_epoch = None
        self._compute_loss_has_training_arg = "training" in inspect.signature(self.compute_loss).parameters
        self._compile_loss = None
        self._compile_metrics = None
        self._loss_tracker = None
        self.train_function = None
        self.test_function = None
        self.predict_function = None
        self.stop_training = False

    # -- compile ------------------------------------------------------------------------------

    @no_automatic_dependency_tracking
    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """Chooses optimizer, losses and metrics.

        Args:
            optimizer: name or instance.
            loss: name, function `(y_true, y_pred) -> losses`, `Loss`, or a structure like the outputs.
            loss_weights: scalars that weigh the losses of several outputs.
            metrics: names, functions or `Metric`s: a list, or a dict or list of lists per output.
            weighted_metrics: the same, for metrics that take the sample weights into account.
            run_eagerly: run operation by operation, so that `print` and debuggers see values.
            steps_per_execution: batches between two calls of batch-level callbacks.
            jit_compile: accepted for compatibility; steps are always compiled unless `run_eagerly`.
            auto_scale_loss: wrap the optimizer in a `LossScaleOptimizer` under "mixed_float16".
        """
        optimizer = optimizers.get(optimizer)
        self.optimizer = optimizer
        if (
            auto_scale_loss
            and optimizer
            and self.dtype_policy.name == "mixed_float16"
            and not isinstance(optimizer, LossScaleOptimizer)
        ):
            self.optimizer = LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
        names = getattr(self, "output_names", None)
        self._compile_loss = None if loss is None else CompileLoss(loss, loss_weights, output_names=names)
        self.loss = loss
        self._compile_metrics = None
        if metrics is not None or weighted_metrics is not None:
            self._compile_metrics = CompileMetrics(metrics, weighted_metrics, output_names=names)
        if jit_compile == "auto":
            jit_compile = not run_eagerly and self._supports_jit()
        if jit_compile and run_eagerly:
            jit_compile = False
            warnings.warn(
                "If `run_eagerly` is True, then `jit_compile` cannot also be True. Disabling `jit_compile`.",
                stacklevel=2,
            )
        self.jit_compile = jit_compile
        self.run_eagerly = run_eagerly
        self.stop_training = False
        self.compiled = True
        self._loss_tracker = metrics_module.Mean(name="loss")
        self.steps_per_execution = steps_per_execution
        self._compiled_trainable_state = {layer: layer.trainable for layer in self._flatten_layers()}
        self._drop_functions()
        self._compile_config = serialization_lib.SerializableDict(
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
        )

    def _drop_functions(self):
        self.train_function = None
        self.test_function = None
        self.predict_function = None
        self._result_function = None

    def _supports_jit(self):
        return all(layer.supports_jit for layer in self._flatten_layers())

    @property
    def jit_compile(self):
        if self._jit_compile is None:
            self._jit_compile = self._supports_jit()
        return self._jit_compile

    @jit_compile.setter
    def jit_compile(self, value):
        if value and not self._supports_jit():
            warnings.warn(
                "Model doesn't support `jit_compile=True`. Proceeding with `jit_compile=False`.", stacklevel=2
            )
            value = False
        self._jit_compile = value

    @property
    def run_eagerly(self):
        return self._run_eagerly

    @run_eagerly.setter
    def run_eagerly(self, value):
        self._run_eagerly = value

    @property
    def metrics(self):
        metrics = self._get_own_metrics() if self.compiled else list(self._metrics)
        for layer in self._flatten_layers(include_self=False):
            if not isinstance(layer, Trainer):
                metrics.extend(layer.metrics)
        return metrics

    @property
    def metrics_names(self):
        return [metric.name for metric in self.metrics]

    def _get_own_metrics(self):
        metrics = [m for m in (self._loss_tracker, self._compile_metrics) if m is not None]
        if self._compile_loss is not None:
            metrics.extend(self._compile_loss.metrics)
        metrics.extend(self._metrics)
        return metrics

    def reset_metrics(self):
        """Sets the state of all metrics back."""
        for metric in self.metrics:
            metric.reset_state()

    def get_compile_config(self):
        """The arguments of `compile()` as serialised objects; None if `compile()` was not called."""
        if self.compiled and hasattr(self, "_compile_config"):
            return self._compile_config.serialize()
        return None

    def compile_from_config(self, config):
        """Calls `compile()` with the arguments of `get_compile_config()`, and builds the optimizer."""
        if type(self).compile is not Trainer.compile:
            warnings.warn(
                "`compile()` was not called as part of model loading because the model's "
                "`compile()` method is "
                "custom. All subclassed Models that have `compile()` overridden should also override "
                "`get_compile_config()` and `compile_from_config(config)`.",
                stacklevel=2,
            )
            return
        self.compile(**serialization_lib.deserialize_keras_object(config))
        if getattr(self, "optimizer", None) is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    # -- steps --------------------------------------------------------------------------------

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The total loss: the compiled losses plus what layers added.

        Raises:
            ValueError: if there is neither.
        """
        losses = []
        if self._compile_loss is not None:
            loss = self._compile_loss(y, y_pred, sample_weight)
            if loss is not None:
                losses.append(loss)
        losses.extend(self._aggregate_additional_loss(loss) for loss in self.losses)
        if not losses and type(self).compute_loss is Trainer.compute_loss and self.compiled and training:
            raise ValueError(
                "No loss to compute. Provide a `loss` argument in `compile()`, or call "
                "`add_loss()` in a layer."
            )
        if not losses:
            return None
        total = losses[0]
        for loss in losses[1:]:
            total = ops.add(total, loss)
        return total

    def _aggregate_additional_loss(self, loss):
        return ops.sum(loss)

    def _compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """`compute_loss`, also of models that override it without `training`."""
        if self._compute_loss_has_training_arg:
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    def stateless_compute_loss(
        self,
        trainable_variables,
        non_trainable_variables,
        metrics_variables,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """`compute_loss` as a function of the variables' values.

        Returns:
            The loss and the new (trainable, non-trainable, metric) values.
        """
        from oxhorn._base.scopes import StatelessScope

        groups = (
            (self.trainable_variables, trainable_variables),
            (self.non_trainable_variables, non_trainable_variables),
            (self.metrics_variables, metrics_variables),
        )
        mapping = [pair for variables, values in groups for pair in zip(variables, values)]
        with StatelessScope(state_mapping=mapping) as scope:
            loss = self._compute_loss(x, y, y_pred, sample_weight, training=training)
        new = tuple(
            [
                value if scope.get_current_value(variable) is None else scope.get_current_value(variable)
                for variable, value in zip(variables, values)
            ]
            for variables, values in groups
        )
        return loss, new

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates the compiled metrics; returns the values of all."""
        del x
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self):
        """The current values of all metrics, by name."""
        results = {}
        for metric in self.metrics:
            value = metric.result()
            if isinstance(value, dict):
                results.update(value)
            else:
                results[metric.name] = value
        return results

    def _forward(self, x, training):
        return self(x, training=training) if self._call_has_training_arg else self(x)

    def train_step(self, data):
        """One step of training on a batch; may be overridden.

        Args:
            data: what the data source yields: `(x, y)`, `(x, y, sample_weight)`, ...

        Returns:
            Dict of metric values.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            y_pred = self._forward(x, training=True)
            loss = self._compute_loss(x, y, y_pred, sample_weight, training=True)
            self._track_loss(loss, x)
            if self.optimizer is not None:
                loss = self.optimizer.scale_loss(loss)
        weights = self.trainable_variables
        if weights:
            gradients = tape.gradient(loss, weights)
            self.optimizer.apply_gradients(zip(gradients, weights))
        else:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data):
        """One step of evaluation on a batch; may be overridden."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self._forward(x, training=False)
        loss = self._compute_loss(x, y, y_pred, sample_weight, training=False)
        if loss is not None:
            self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data):
        """The outputs for a batch; may be overridden."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self._forward(x, training=False)

    def _track_loss(self, loss, x):
        leaf = next(leaf for leaf in tree.flatten(x) if leaf is not None)
        if self._loss_tracker is not None:
            self._loss_tracker.update_state(loss, sample_weight=leaf.shape[0])

    def _make_step(self, method, discard=False):
        if self.run_eagerly or not self.jit_compile:
            return EagerStep(method)
        return CompiledStep(method, discard, after=self._clear_losses)

    def _default_logs(self, step):
        """Whether a step returns nothing but the metrics' values, which are asked for when needed."""
        methods = (step, "compute_metrics", "get_metrics_result")
        return all(getattr(type(self), name) is getattr(Trainer, name) for name in methods)

    def make_train_function(self, force=False):
        """Makes `train_function`, which runs `train_step` on a batch."""
        if self.train_function is None or force:
            self.train_function = self._make_step(self.train_step, self._default_logs("train_step"))
        return self.train_function

    def make_test_function(self, force=False):
        """Makes `test_function`, which runs `test_step` on a batch."""
        if self.test_function is None or force:
            self.test_function = self._make_step(self.test_step, self._default_logs("test_step"))
        return self.test_function

    def make_predict_function(self, force=False):
        """Makes `predict_function`, which runs `predict_step` on a batch."""
        if self.predict_function is None or force:
            self.predict_function = self._make_step(self.predict_step)
        return self.predict_function

    # -- loops --------------------------------------------------------------------------------

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Trains the model for `epochs` passes over the data.

        Args:
            x: array, tensor, data frame, structure of them, `PyDataset`, generator or other iterable of
                batches.
            y: targets, for data in arrays.
            batch_size: samples per step; 32 by default.
            epochs: number of the last epoch.
            verbose: 0 silent, 1 progress bar, 2 one line per epoch, "auto".
            callbacks: list of `Callback`s.
            validation_split: share of the samples, the last ones, that are kept for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or another data source.
            shuffle: whether arrays are taken in a new random order in each epoch ("batch": whole batches).
            class_weight: dict from class to weight.
            sample_weight: weights of the samples, or of their time steps.
            initial_epoch: epoch to begin with.
            steps_per_epoch: steps after which an epoch ends, for data without end.
            validation_steps: the same for validation.
            validation_batch_size: `batch_size` by default.
            validation_freq: epochs between validations.

        Returns:
            A `History`.
        """
        self._assert_compile_called("fit")
        self._warn_if_trainable_state_changed()
        cap = max_epochs()
        if cap and cap < epochs:
            warnings.warn(f"Limiting epochs to {cap}", stacklevel=2)
            epochs = cap
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = train_validation_split(
                (x, y, sample_weight), validation_split
            )
        validation = None
        if validation_data is not None:
            validation = self._validation_adapter(
                validation_data, validation_batch_size or batch_size, validation_steps
            )
        adapter = data_adapters.get_data_adapter(
            x, y, sample_weight, batch_size, steps_per_epoch, shuffle=shuffle, class_weight=class_weight
        )
        stream = self._build_for(adapter)
        self._check_labels(adapter)
        self._build_optimizer()
        steps = steps_per_epoch if steps_per_epoch is not None else adapter.num_batches
        hooks = self._callback_list(callbacks, verbose, epochs, steps, history=True)
        self.stop_training = False
        self.make_train_function()
        logs, training_logs = {}, None
        hooks.on_train_begin()
        initial_epoch = self._initial_epoch or initial_epoch
        for epoch in range(initial_epoch, epochs):
            self.reset_metrics()
            hooks.on_epoch_begin(epoch)
            adapter.on_epoch_begin()
            logs, stream, count = self._run_pass(
                stream, adapter, self.train_function, hooks, "train", steps_per_epoch
            )
            adapter.on_epoch_end()
            if not count and not self.stop_training:
                if epoch == initial_epoch:
                    raise ValueError("Expected input data to be non-empty.")
                break  # what came before was all that the generator had
            logs = self._metric_logs(logs)
            if validation is not None and self._validates(epoch, validation_freq):
                results = self._evaluate(validation, validation_steps, hooks)
                logs.update({f"val_{name}": value for name, value in results.items()})
            hooks.on_epoch_end(epoch, logs)
            training_logs = logs
            if self.stop_training:
                break
        if isinstance(self.optimizer, optimizers.Optimizer) and epochs > 0:
            self.optimizer.finalize_variable_values(self.trainable_weights)
        hooks.on_train_end(logs=training_logs)
        return self.history

    @staticmethod
    def _validates(epoch, frequency):
        if isinstance(frequency, (list, tuple, set)):
            return epoch + 1 in frequency
        return (epoch + 1) % frequency == 0

    def _validation_adapter(self, data, batch_size, steps):
        if ArrayDataAdapter.can_handle(data) or isinstance(data, (tuple, list)):
            x, y, sample_weight = unpack_x_y_sample_weight(tuple(data) if isinstance(data, list) else data)
            return data_adapters.get_data_adapter(x, y, sample_weight, batch_size, steps)
        return data_adapters.get_data_adapter(data, batch_size=batch_size)

    def _callback_list(self, callbacks, verbose, epochs, steps, history=False):
        if isinstance(callbacks, callbacks_module.CallbackList):
            return callbacks
        return callbacks_module.CallbackList(
            callbacks,
            add_history=history,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
            model=self,
        )

    @staticmethod
    def _start_pass(adapter):
        return ArrayPass(adapter) if isinstance(adapter, ArrayDataAdapter) else IteratorPass(adapter)

    def _run_pass(self, stream, adapter, function, hooks, mode, steps, each=None):
        """Runs steps until the data or `steps` end.

        Args:
            stream: pass over the data that an earlier epoch left in the middle, or None.
            each: if given, takes every step's outputs, so that steps run one at a time.

        Returns:
            The last step's outputs, the pass if the next epoch goes on with it, and the number of steps.
        """
        resumed = stream is not None
        if not resumed:
            stream = self._start_pass(adapter)
        cap = max_steps_per_epoch()
        if cap and (steps is None or cap < steps):
            warnings.warn(f"Limiting steps_per_epoch to {cap}", stacklevel=4)
            steps = cap
        begin, end = (getattr(hooks, f"on_{mode}_batch_{edge}") for edge in ("begin", "end"))
        watched = hooks.wants_batches(mode)
        # Executions of several steps are not cut.
        each_time = self.steps_per_execution
        limit = -(-steps // each_time) * each_time if steps is not None else float("inf")
        step, outputs = 0, None
        while step < limit and not getattr(self, _STOP[mode]):
            if stream.at_end():
                if resumed and step == 0:
                    # The earlier epoch took the last batch.
                    stream, resumed = self._start_pass(adapter), False
                    continue
                stream = None
                if not step or (steps is not None and step < steps):
                    _warn_out_of_data(steps)
                break
            if watched:
                begin(step)
            count = each_time if watched else int(min(2**31, limit - step))
            done = 0
            while done < count and not stream.at_end():
                done += stream.run(function, 1 if each is not None else count - done, _SLICE_SECONDS)
                outputs = stream.outputs()
                if each is not None:
                    each(outputs)
                if not watched:
                    # A slice may end anywhere, a watched execution of several steps only as a whole.
                    break
            if watched:
                logs = {"outputs": outputs} if mode == "predict" else self._metric_logs(outputs)
                end(step + each_time - 1, logs)
            step += done
            if not watched:
                hooks.on_slice_end(mode, step, lambda out=outputs: self._metric_logs(out))
        return outputs, stream if steps is not None else None, step

    def _metric_logs(self, outputs):
        """Logs of numbers: the metrics' values, or what an overridden step returned if that differs."""
        results = self._metric_results()
        if (isinstance(outputs, dict) and outputs and set(outputs) != set(results)) or (
            outputs is not None and not isinstance(outputs, (dict, tuple, list))
        ):
            results = outputs
        return _python_values(results)

    def _metric_results(self):
        if self.run_eagerly or not self.jit_compile:
            return self.get_metrics_result()
        built = sum(len(metric.variables) for metric in self.metrics)
        cached = getattr(self, "_result_function", None)
        if cached is None or cached[0] != built:
            step = CompiledStep(lambda _: self.get_metrics_result())
            cached = self._result_function = (built, step)
        return cached[1](())

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """The loss and metrics on the given data.

        Args are as in `fit`.

        Returns:
            A dict if `return_dict`, else a list in the order of `metrics_names`; a single number if there
            is one only.
        """
        self._assert_compile_called("evaluate")
        if kwargs:
            raise ValueError(f"Arguments not recognized: {kwargs}")
        adapter = data_adapters.get_data_adapter(x, y, sample_weight, batch_size, steps)
        stream = self._build_for(adapter)
        self._check_labels(adapter)
        hooks = self._callback_list(callbacks, verbose, 1, steps or adapter.num_batches)
        results = self._evaluate(adapter, steps, hooks, stream)
        if not results:
            raise ValueError("Expected input data to be non-empty.")
        return results if return_dict else self._flatten_metrics_in_order(results)

    def _evaluate(self, adapter, steps, hooks, stream=None):
        """Logs of one pass; empty if there was no data."""
        self.make_test_function()
        self.stop_evaluating = False
        hooks.on_test_begin()
        self.reset_metrics()
        adapter.on_epoch_begin()
        outputs, _, count = self._run_pass(stream, adapter, self.test_function, hooks, "test", steps)
        adapter.on_epoch_end()
        logs = self._metric_logs(outputs) if count or self.stop_evaluating else {}
        hooks.on_test_end(logs)
        return logs

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """The model's outputs for the given data, batch by batch.

        Returns:
            NumPy array, or structure of arrays, with one entry per sample along the first axis.
        """
        adapter = data_adapters.get_data_adapter(x, batch_size=batch_size, steps_per_epoch=steps)
        stream = None
        if not all(layer.built for layer in self._flatten_layers()):
            stream = self._build_for(adapter)
        hooks = self._callback_list(callbacks, verbose, 1, steps or adapter.num_batches)
        self.make_predict_function()
        parts = []
        self.stop_predicting = False
        hooks.on_predict_begin()
        adapter.on_epoch_begin()

        def keep(outputs):
            parts.append(tree.map_structure(lambda t: _core.tensor(t).numpy(), outputs))

        self._run_pass(stream, adapter, self.predict_function, hooks, "predict", steps, each=keep)
        adapter.on_epoch_end()
        hooks.on_predict_end()
        if not parts:
            raise ValueError("Expected input data to be non-empty.")
        if len(parts) == 1:
            return tree.map_structure(np.array, parts[0])
        return tree.map_structure_up_to(parts[0], lambda *arrays: np.concatenate(arrays), *parts)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One training step on one batch; returns the metrics' values on it."""
        self._assert_compile_called("train_on_batch")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    "Arguments `sample_weight` and `class_weight` cannot be specified at the same time. "
                    f"Received: sample_weight={sample_weight}, class_weight={class_weight}"
                )
            sample_weight = apply_class_weight(y, None, class_weight)
        data = self._batch(x, y, sample_weight)
        self._build_for_batch(data)
        self._build_optimizer()
        self.reset_metrics()
        logs = self._metric_logs(self.make_train_function()(data))
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """One evaluation step on one batch; returns the metrics' values on it."""
        self._assert_compile_called("test_on_batch")
        data = self._batch(x, y, sample_weight)
        self._build_for_batch(data)
        self.reset_metrics()
        logs = self._metric_logs(self.make_test_function()(data))
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def predict_on_batch(self, x):
        """The outputs for one batch, as NumPy arrays."""
        data = self._batch(x)
        if not all(layer.built for layer in self._flatten_layers()):
            self._build_for_batch(data)
        outputs = self.make_predict_function()(data)
        return tree.map_structure(lambda t: np.array(_core.tensor(t).numpy()), outputs)

    @staticmethod
    def _batch(x, y=None, sample_weight=None):
        data = (x, y, sample_weight)[: 3 if sample_weight is not None else 2 if y is not None else 1]
        return tree.map_structure(lambda leaf: None if leaf is None else to_array(leaf), data)

    # -- building -----------------------------------------------------------------------------

    def _build_for(self, adapter):
        """Builds what is not built, from the shapes of the first batch; returns the pass whose batch that is,
        if one had to be begun."""
        if self._is_built_for_training() or self.run_eagerly:
            # An eager step builds as it goes, with values at hand.
            return None
        if isinstance(adapter, ArrayDataAdapter):
            size = min(adapter.batch_size, adapter.samples)
            self._symbolic_build(
                data_batch=adapter.pack(
                    [KerasTensor((size, *leaf.shape[1:]), str(leaf.dtype)) for leaf in adapter.leaves]
                )
            )
            return None
        stream = IteratorPass(adapter)
        batch = stream.peek()
        if batch is not None:
            self._build_for_batch(batch)
        return stream

    def _build_for_batch(self, batch):
        if not self._is_built_for_training() and not self.run_eagerly:
            self._symbolic_build(data_batch=batch)

    def _build_optimizer(self):
        if self.optimizer is not None and not self.optimizer.built and self.built:
            self.optimizer.build(self.trainable_variables)

    def _check_labels(self, adapter):
        """Raises ValueError for integer labels in memory that name no class: inside a compiled step they
        could only make the loss NaN."""
        if (
            isinstance(adapter, ArrayDataAdapter)
            and self._compile_loss is not None
            and adapter.targets is not None
        ):
            self._compile_loss.check_labels(adapter.targets)

    def _is_built_for_training(self):
        return (
            all(layer.built for layer in self._flatten_layers())
            and (self._compile_metrics is None or self._compile_metrics.built)
            and (self._compile_loss is None or self._compile_loss.built)
        )

    def _symbolic_build(self, iterator=None, data_batch=None):
        """Creates the variables of layers, losses and metrics by running them on shapes alone."""
        data_batch = tree.map_structure(
            lambda leaf: None if leaf is None else KerasTensor(leaf.shape, str(leaf.dtype)), data_batch
        )
        x, y, sample_weight = unpack_x_y_sample_weight(data_batch)
        own_step = type(self).train_step is not Trainer.train_step
        if own_step and is_default(self.call):
            return
        try:
            y_pred = compute_output_spec(self, x, training=False)
        except Exception as error:
            if own_step:
                return  # which may call the layers in its own way
            if isinstance(error, (ValueError, TypeError)):
                raise
            raise RuntimeError(
                "Unable to automatically build the model. Please build it yourself before calling "
                "fit/evaluate/predict. A model is 'built' when its variables have been created and its "
                "`self.built` attribute is True. Usually, calling the model on a batch of data is the right "
                f"way to build it.\nException encountered:\n'{error}'"
            ) from error
        if self._compile_metrics is not None and not self._compile_metrics.built and y is not None:
            compute_output_spec(self.compute_metrics, x, y, y_pred, sample_weight=sample_weight)
        if self._compile_loss is not None and not self._compile_loss.built and y is not None:
            compute_output_spec(self._compute_loss, x, y, y_pred, sample_weight=sample_weight, training=False)
        self._post_build()

    # -- helpers ------------------------------------------------------------------------------

    def _assert_compile_called(self, method_name=None):
        if not self.compiled:
            raise ValueError(f"You must call `compile()` before calling `{method_name or 'fit'}()`.")

    def _warn_if_trainable_state_changed(self):
        state = {layer: layer.trainable for layer in self._flatten_layers()}
        known = getattr(self, "_compiled_trainable_state", {})
        changed = [layer.name for layer, value in state.items() if known.get(layer, not value) != value]
        if changed and known:
            warnings.warn(
                "A layer's `trainable` state has changed since the model was compiled. Please recompile your "
                "model (e.g. `model.compile(...)`) before calling `fit()` or `evaluate()` so the "
                "change takes "
                f"effect. Changed layers: {changed}",
                stacklevel=3,
            )
            self._compiled_trainable_state = state

    def _flatten_metrics_in_order(self, logs):
        """Values of `logs` in the order of the metrics."""
        names = []
        for metric in self.metrics:
            if isinstance(metric, CompileMetrics):
                names += [entry.name for entry in metric.metrics]
            else:
                names.append(metric.name)
        results = [logs[name] for name in names if name in logs]
        results += [logs[name] for name in sorted(logs) if name not in names]
        return results[0] if len(results) == 1 else results


def _python_values(logs):
    if not isinstance(logs, dict):
        logs = {} if logs is None or isinstance(logs, (tuple, list)) else {"loss": logs}
    # By name, as Keras reports them; what a metric of several values returns lies among the others.
    values = {}
    for name in sorted(logs):
        value = logs[name]
        values.update(_python_values(value) if isinstance(value, dict) else {name: _python_value(value)})
    return values


def _warn_out_of_data(steps):
    here = "" if steps is None else f" (here {steps} per epoch)"
    warnings.warn(
        "Your input ran out of data; interrupting training. Make sure that your dataset or generator can "
        f"generate at least `steps_per_epoch * epochs` batches{here}. You may need to use the "
        "`.repeat()` function when building your dataset.",
        stacklevel=4,
    )
