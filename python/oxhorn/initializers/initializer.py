class Initializer:
    """A function that makes the first value of a variable.

    Subclasses define `__call__(shape, dtype=None)` and, where they have arguments, `get_config()`.
    """

    _keras_module = "keras"

    def __call__(self, shape, dtype=None):
        """A tensor of `shape` and `dtype` (None: `floatx()`)."""
        raise NotImplementedError("Initializer subclasses must implement the `__call__()` method.")

    def get_config(self):
        """The constructor arguments as a dict that JSON can hold."""
        return {}

    @classmethod
    def from_config(cls, config):
        """The initializer that `get_config()` described."""
        return cls(**config)

    def clone(self):
        """A new initializer of the same configuration (random ones without a seed draw a new one)."""
        return self.from_config(self.get_config())
