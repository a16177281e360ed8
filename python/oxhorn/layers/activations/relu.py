from oxhorn import activations
from oxhorn.layers._parameters import config_of
from oxhorn.layers._same_shape import SameShape


class ReLU(SameShape):
    """`max_value` above it, `x` down to `threshold`, `negative_slope * (x - threshold)` below.

    Args:
        max_value: float or `None` (no limit), not negative.
        negative_slope: float, not negative.
        threshold: float, not negative.
    """

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        if max_value is not None and max_value < 0:
            raise ValueError(
                f"max_value of a ReLU layer cannot be a negative value. Received: max_value={max_value}"
            )
        for name, value in (("negative_slope", negative_slope), ("threshold", threshold)):
            if value is None or value < 0:
                raise ValueError(
                    f"{name} of a ReLU layer cannot be None or a negative value. Received: {name}={value}"
                )
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self._build_at_init()

    def call(self, inputs):
        return activations.relu(
            inputs,
            negative_slope=self.negative_slope,
            max_value=self.max_value,
            threshold=self.threshold,
        )

    def get_config(self):
        return {**super().get_config(), **config_of(self, ["max_value", "negative_slope", "threshold"])}
