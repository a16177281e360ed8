from oxhorn import ops, random


class DropoutRNNCell:
    """Mixin for cells that drop inputs and states with one mask for all time steps.

    The cell has `dropout`, `recurrent_dropout` and `seed_generator`, and `dropout_mask_count` if it needs a
    mask per gate: masks are then lists of that length. `RNN` has masks drawn before its loop and dropped
    after it.
    """

    _dropout_mask = None
    _recurrent_dropout_mask = None

    def _create_dropout_mask(self, step_input, rate):
        ones = ops.ones_like(step_input)
        count = getattr(self, "dropout_mask_count", None)
        masks = [random.dropout(ones, rate, seed=self.seed_generator) for _ in range(count or 1)]
        return masks[0] if count is None else masks

    def get_dropout_mask(self, step_input):
        """The mask for inputs like `step_input`, or `None` if nothing is dropped."""
        if self._dropout_mask is None and self.dropout > 0:
            self._dropout_mask = self._create_dropout_mask(step_input, self.dropout)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input):
        """The mask for states like `step_input`, or `None` if nothing is dropped."""
        if self._recurrent_dropout_mask is None and self.recurrent_dropout > 0:
            self._recurrent_dropout_mask = self._create_dropout_mask(step_input, self.recurrent_dropout)
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self):
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self):
        self._recurrent_dropout_mask = None
