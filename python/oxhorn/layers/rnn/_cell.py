import functools
from operator import attrgetter

from oxhorn import initializers, ops, regularizers
from oxhorn.layers._parameters import adopt, config_of
from oxhorn.layers.layer import Layer
from oxhorn.layers.rnn.dropout_rnn_cell import DropoutRNNCell
from oxhorn.layers.rnn.rnn import RNN
from oxhorn.random import SeedGenerator

KERNEL_PARAMETERS = (
    "kernel_initializer",
    "recurrent_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "recurrent_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "recurrent_constraint",
    "bias_constraint",
    "dropout",
    "recurrent_dropout",
)


class GatedCell(Layer, DropoutRNNCell):
    """What the built-in cells share: a kernel for inputs, one for states, a bias, and dropout of both.

    The kernels hold those of all gates side by side along their last axis.
    """

    _parameters = ()  # the constructor's arguments, for the config

    def _configure(self, dropout, recurrent_dropout, seed, **parameters):
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        adopt(self, **parameters)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))

    def _set_implementation(self, implementation, gates):
        """1 draws a dropout mask per gate, 2 one for all; states are always dropped per gate."""
        self.implementation = 1 if self.recurrent_dropout else implementation
        if self.implementation == 1:
            self.dropout_mask_count = gates

    def _add_parameter(self, name, shape, role=None, initializer=None):
        role = role or name
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer or getattr(self, f"{role}_initializer"),
            regularizer=getattr(self, f"{role}_regularizer"),
            constraint=getattr(self, f"{role}_constraint"),
        )

    def _forget_bias_initializer(self, size):
        """Ones for the second of four gates, the bias initializer for the others.

        Source: Jozefowicz et al., 2015, An Empirical Exploration of Recurrent Network Architectures.
        """

        def initialize(_, *args, **kwargs):
            ones = initializers.get("ones")
            return ops.concatenate(
                [
                    self.bias_initializer((size,), *args, **kwargs),
                    ones((size,), *args, **kwargs),
                    self.bias_initializer((size * 2,), *args, **kwargs),
                ]
            )

        return initialize

    def _dropout_masks(self, inputs, state, training):
        """Masks for inputs and states: each `None`, a tensor, or a list of one per gate."""
        if not training:
            return None, None
        return self.get_dropout_mask(inputs), self.get_recurrent_dropout_mask(state)

    def get_config(self):
        return {**super().get_config(), **config_of(self, (*self._parameters, "seed"))}


def gates(count, product, x, kernel, mask, axis=-1):
    """`product(x, kernel)` as a list of `count` gates, each with its own mask on `x` if masks are a list.

    Args:
        product: function of (x, kernel); gates lie along the last axis of `kernel` and `axis` of the result.
        mask: `None`, a tensor, or a list with one per gate.
    """
    if isinstance(mask, (list, tuple)):
        kernels = ops.split(kernel, count, axis=-1)
        return [product(x * m, k) for m, k in zip(mask, kernels)]
    return ops.split(product(x if mask is None else x * mask, kernel), count, axis=axis)


def add_gates(*terms):
    """The sums of lists of gates; terms that are `None` are left out."""
    terms = [term for term in terms if term is not None]
    return [functools.reduce(ops.add, parts) for parts in zip(*terms)]


def of_cell(*names):
    """Class decorator: attributes of `self.cell` to be read on the layer too."""

    def decorate(cls):
        for name in names:
            setattr(cls, name, property(attrgetter(f"cell.{name}")))
        return cls

    return decorate


class CellRNN(RNN):
    """An RNN that makes its cell itself, from its own arguments."""

    _parameters = ()  # arguments of the cell, for the config

    def get_config(self):
        config = super().get_config()
        del config["cell"]
        config.update(config_of(self, self._parameters))
        config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def cell_options(kwargs):
    """Keyword arguments of a layer that hold for its cell too."""
    return {"dtype": kwargs.get("dtype"), "trainable": kwargs.get("trainable", True)}


def check_units(units):
    if units <= 0:
        raise ValueError(
            f"Received an invalid value for argument `units`, expected a positive integer, got {units}."
        )


def check_use_cudnn(use_cudnn):
    if use_cudnn not in ("auto", True, False):
        raise ValueError(
            "Invalid valid received for argument `use_cudnn`. Expected one of {'auto', True, False}. "
            f"Received: use_cudnn={use_cudnn}"
        )
