"""The steps of training, evaluation and prediction on one batch, which models may override."""

import warnings

from oxhorn import ops, tree
from oxhorn._base.python_utils import default, is_default
from oxhorn._training.data_adapters.utils import unpack_x_y_sample_weight
from oxhorn._training.gradients import GradientTape
from oxhorn._training.steps import CompiledStep, EagerStep


class StepMethods:
    """The part of a trainer that says what happens to a batch."""

    @default
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
        if not losses and is_default(self.compute_loss) and self.compiled and training:
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

    @default
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates the compiled metrics; returns the values of all."""
        del x
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    @default
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

    @default
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

    @default
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

    def _make_step(self, method, before, discard=False):
        if self.run_eagerly or not self.jit_compile:
            return EagerStep(method)
        return CompiledStep(method, discard, before=before, after=self._clear_losses)

    def _default_logs(self, step):
        """Whether a step returns nothing but the metrics' values, which are asked for when needed."""
        return is_default(step) and is_default(self.compute_metrics) and is_default(self.get_metrics_result)

    def make_train_function(self, force=False):
        """Makes `train_function`, which runs `train_step` on a batch."""
        if self.train_function is None or force:
            discard = self._default_logs(self.train_step)
            self.train_function = self._make_step(self.train_step, self._build_for_training, discard)
        return self.train_function

    def make_test_function(self, force=False):
        """Makes `test_function`, which runs `test_step` on a batch."""
        if self.test_function is None or force:
            discard = self._default_logs(self.test_step)
            self.test_function = self._make_step(self.test_step, self._build_for_testing, discard)
        return self.test_function

    def make_predict_function(self, force=False):
        """Makes `predict_function`, which runs `predict_step` on a batch."""
        if self.predict_function is None or force:
            self.predict_function = self._make_step(self.predict_step, self._build_for_prediction)
        return self.predict_function
