"""What the training loop asks of a source of batches."""


class DataAdapter:
    """A source of batches: tuples `(x,)`, `(x, y)` or `(x, y, sample_weight)` of structures."""

    def get_numpy_iterator(self):
        """One pass over the batches, as structures of NumPy arrays (or tensors)."""
        raise NotImplementedError

    @property
    def num_batches(self):
        """Batches in a pass, or None if that is not known."""
        raise NotImplementedError

    @property
    def batch_size(self):
        """Samples in a batch, or None if that varies or is not known."""
        raise NotImplementedError

    @property
    def has_partial_batch(self):
        """Whether the last batch is smaller, or None if that is not known."""
        raise NotImplementedError

    @property
    def partial_batch_size(self):
        """Samples in the last, smaller batch."""
        raise NotImplementedError

    def on_epoch_begin(self):
        """Called before each epoch."""

    def on_epoch_end(self):
        """Called after each epoch."""
