import warnings

from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.node import Node
from oxhorn._base.shapes import standardize_shape
from oxhorn.layers.layer import Layer


class InputLayer(Layer):
    """The entry of a model: holds a symbolic tensor. Use `Input()`.

    Raises:
        ValueError: no shape, or arguments that contradict each other.
    """

    def __init__(
        self,
        shape=None,
        batch_size=None,
        dtype=None,
        sparse=None,
        ragged=None,
        batch_shape=None,
        input_tensor=None,
        optional=False,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name)
        if "input_shape" in kwargs:
            warnings.warn("Argument `input_shape` is deprecated. Use `shape` instead.", stacklevel=2)
            shape = kwargs.pop("input_shape")
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to InputLayer: {kwargs}")

        if input_tensor is not None:
            _check_against(input_tensor, shape, batch_size, batch_shape, dtype, sparse)
            batch_shape, dtype, sparse = input_tensor.shape, input_tensor.dtype, input_tensor.sparse
        else:
            for other, value in (("shape", shape), ("batch_size", batch_size)):
                if value is not None and batch_shape is not None:
                    raise ValueError(f"You cannot pass both `{other}` and `batch_shape` at the same time.")
            if batch_shape is None:
                if shape is None:
                    raise ValueError("You must pass a `shape` argument.")
                batch_shape = (batch_size, *standardize_shape(shape))
        self._batch_shape = standardize_shape(batch_shape)
        self._dtype = standardize_dtype(dtype)
        self.sparse = bool(sparse)
        self.ragged = bool(ragged)
        for kind in ("sparse", "ragged"):
            if getattr(self, kind):
                raise ValueError(f"`{kind}=True` is not supported with the oxhorn backend")
        if input_tensor is None:
            input_tensor = KerasTensor(shape=self._batch_shape, dtype=self._dtype, name=name)
        self._input_tensor = input_tensor
        Node(operation=self, call_args=(), call_kwargs={}, outputs=self._input_tensor)
        self.built = True
        self.optional = optional

    def call(self):
        return None

    @property
    def batch_shape(self):
        return self._batch_shape

    @property
    def dtype(self):
        return self._dtype

    def get_config(self):
        names = ("batch_shape", "dtype", "sparse", "ragged", "name", "optional")
        return {n: getattr(self, n) for n in names}


def _check_against(tensor, shape, batch_size, batch_shape, dtype, sparse):
    """Raises ValueError for an argument that contradicts the given tensor."""
    if not isinstance(tensor, KerasTensor):
        raise ValueError(
            "Argument `input_tensor` must be a KerasTensor. Received invalid type: "
            f"input_tensor={tensor} (of type {type(tensor)})"
        )
    clashes = {
        "batch_size": batch_size is not None and tensor.shape[:1] != (batch_size,),
        "shape": shape is not None and tuple(shape) != tensor.shape[1:],
        "batch_shape": batch_shape is not None and tuple(batch_shape) != tensor.shape,
        "dtype": dtype is not None and tensor.dtype != dtype,
        "sparse": sparse is not None and tensor.sparse != sparse,
    }
    for name, clash in clashes.items():
        if clash:
            raise ValueError(
                f"When providing the `input_tensor` argument, you cannot provide an incompatible `{name}` "
                "argument."
            )


def Input(
    shape=None,
    batch_size=None,
    dtype=None,
    sparse=None,
    ragged=None,
    batch_shape=None,
    name=None,
    tensor=None,
    optional=False,
):
    """A symbolic tensor to start a model from.

    Args:
        shape: tuple without the batch dimension; None entries are free.
        batch_size: size of the batch dimension; default: free.
        dtype: name of the dtype; default `floatx()`.
        sparse, ragged: not supported.
        batch_shape: tuple with the batch dimension, in place of `shape`.
        name: of the input layer.
        tensor: an existing symbolic tensor to use.
        optional: None may be passed to the model for it.
    """
    return InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        name=name,
        input_tensor=tensor,
        optional=optional,
    ).output
