"""`fit`, `evaluate`, `predict` and their per-batch forms."""

import inspect
import warnings

import numpy as np

from oxhorn import _core, optimizers, tree
from oxhorn import callbacks as callbacks_module
from oxhorn._base.settings import max_epochs
from oxhorn._training import data_adapters
from oxhorn._training.building import Building
from oxhorn._training.compilation import Compilation
from oxhorn._training.data_adapters import ArrayDataAdapter
from oxhorn._training.data_adapters.utils import (
    apply_class_weight,
    as_batch,
    to_array,
    train_validation_split,
    unpack_x_y_sample_weight,
)
from oxhorn._training.measuring import Measuring
from oxhorn._training.passes import run_pass
from oxhorn._training.step_methods import StepMethods


class Trainer(Compilation, Building, StepMethods, Measuring):
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
            logs, stream, count = run_pass(
                self, adapter, self.train_function, hooks, "train", steps_per_epoch, stream
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
        outputs, _, count = run_pass(self, adapter, self.test_function, hooks, "test", steps, stream)
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
        if callbacks and not self._has_built_layers():
            stream = self._build_for(adapter)  # what they see is a model with weights
        hooks = self._callback_list(callbacks, verbose, 1, steps or adapter.num_batches)
        function = self.make_predict_function()
        parts = []
        self.stop_predicting = False
        hooks.on_predict_begin()
        adapter.on_epoch_begin()
        run_pass(
            self,
            adapter,
            function,
            hooks,
            "predict",
            steps,
            stream,
            each=lambda y: parts.append(_to_numpy(y)),
        )
        adapter.on_epoch_end()
        hooks.on_predict_end()
        if not parts:
            raise ValueError("Expected input data to be non-empty.")
        if len(parts) == 1:
            return parts[0]
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
        data = _batch(x, y, sample_weight)
        self.reset_metrics()
        logs = self._metric_logs(self.make_train_function()(data))
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """One evaluation step on one batch; returns the metrics' values on it."""
        self._assert_compile_called("test_on_batch")
        data = _batch(x, y, sample_weight)
        self.reset_metrics()
        logs = self._metric_logs(self.make_test_function()(data))
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def predict_on_batch(self, x):
        """The outputs for one batch, as NumPy arrays."""
        return _to_numpy(self.make_predict_function()(_batch(x)))


def _batch(x, y=None, sample_weight=None):
    """The arguments of a per-batch method as a batch of arrays."""
    return tree.map_structure(
        lambda leaf: None if leaf is None else to_array(leaf), as_batch(x, y, sample_weight)
    )


def _to_numpy(outputs):
    """A step's outputs as arrays of their own."""
    return tree.map_structure(lambda leaf: np.array(_core.tensor(leaf).numpy()), outputs)
