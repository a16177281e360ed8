"""`compile`: the optimizer, losses and metrics of a model, and how its steps are run."""

import warnings

from oxhorn import metrics as metrics_module
from oxhorn import optimizers
from oxhorn._base.tracking import no_automatic_dependency_tracking
from oxhorn._training.compile_utils import CompileLoss, CompileMetrics
from oxhorn.optimizers.loss_scale_optimizer import LossScaleOptimizer
from oxhorn.saving import serialization_lib


class Compilation:
    """The part of a trainer that knows what it was compiled with."""

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

    def get_compile_config(self):
        """The arguments of `compile()` as serialised objects; None if `compile()` was not called."""
        if self.compiled and hasattr(self, "_compile_config"):
            return self._compile_config.serialize()
        return None

    def compile_from_config(self, config):
        """Calls `compile()` with the arguments of `get_compile_config()`, and builds the optimizer."""
        if type(self).compile is not Compilation.compile:
            warnings.warn(
                "`compile()` was not called as part of model loading because the model's `compile()` method "
                "is custom. All subclassed Models that have `compile()` overridden should also override "
                "`get_compile_config()` and `compile_from_config(config)`.",
                stacklevel=2,
            )
            return
        self.compile(**serialization_lib.deserialize_keras_object(config))
        if getattr(self, "optimizer", None) is not None and self.built:
            self.optimizer.build(self.trainable_variables)

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
                "model (e.g. `model.compile(...)`) before calling `fit()` or `evaluate()` so the change "
                f"takes effect. Changed layers: {changed}",
                stacklevel=3,
            )
            self._compiled_trainable_state = state
