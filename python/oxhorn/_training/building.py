"""Building: the variables of a model, its losses and metrics, made from the shapes of a batch."""

from oxhorn import tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.python_utils import is_default
from oxhorn._base.symbolic import compute_output_spec
from oxhorn._training.data_adapters import ArrayDataAdapter
from oxhorn._training.data_adapters.utils import unpack_x_y_sample_weight
from oxhorn._training.passes import IteratorPass


class Building:
    """The part of a trainer that makes variables before the first step needs them."""

    def _build_for(self, adapter):
        """Builds what is not built, from the shapes of the first batch; returns the pass whose batch that is,
        if one had to be begun."""
        if self._is_built_for_training() or self.run_eagerly:
            return None
        if isinstance(adapter, ArrayDataAdapter):
            self._symbolic_build(data_batch=adapter.batch_like(min(adapter.batch_size, adapter.samples)))
            return None
        stream = IteratorPass(adapter)
        batch = stream.peek()
        if batch is not None:
            self._build_for_testing(batch)
        return stream

    # Called with a batch, or something like it, before a step is traced; an eager step builds as it goes.

    def _build_for_training(self, batch):
        self._build_for_testing(batch)
        self._build_optimizer()

    def _build_for_testing(self, batch):
        if not self._is_built_for_training() and not self.run_eagerly:
            self._symbolic_build(data_batch=batch)

    def _build_for_prediction(self, batch):
        if not self._has_built_layers() and not self.run_eagerly:
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

    def _has_built_layers(self):
        return all(layer.built for layer in self._flatten_layers())

    def _is_built_for_training(self):
        return (
            self._has_built_layers()
            and (self._compile_metrics is None or self._compile_metrics.built)
            and (self._compile_loss is None or self._compile_loss.built)
        )

    def _symbolic_build(self, iterator=None, data_batch=None):
        """Creates the variables of layers, losses and metrics by running them on shapes alone."""
        data_batch = tree.map_structure(
            lambda leaf: None if leaf is None else KerasTensor(leaf.shape, str(leaf.dtype)), data_batch
        )
        x, y, sample_weight = unpack_x_y_sample_weight(data_batch)
        own_step = not is_default(self.train_step)
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
