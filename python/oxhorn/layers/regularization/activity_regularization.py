from oxhorn import regularizers
from oxhorn.layers._same_shape import SameShape


class ActivityRegularization(SameShape):
    """Passes its input on and adds `l1 * sum(|x|) + l2 * sum(x^2)`, per sample, to the loss."""

    def __init__(self, l1=0.0, l2=0.0, **kwargs):
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self._build_at_init()

    def call(self, inputs):
        return inputs

    def get_config(self):
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {**config, "l1": self.l1, "l2": self.l2}
