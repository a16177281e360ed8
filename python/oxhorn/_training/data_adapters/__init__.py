"""Where batches come from: arrays, generators, `PyDataset`s and other iterables."""

from oxhorn._training.data_adapters.array_data_adapter import ArrayDataAdapter
from oxhorn._training.data_adapters.data_adapter import DataAdapter
from oxhorn._training.data_adapters.generator_data_adapter import GeneratorDataAdapter, IterableDataAdapter
from oxhorn._training.data_adapters.py_dataset_adapter import PyDataset, PyDatasetAdapter
from oxhorn._training.data_adapters.utils import class_weight_to_sample_weights


def get_data_adapter(
    x, y=None, sample_weight=None, batch_size=None, steps_per_epoch=None, shuffle=False, class_weight=None
):
    """The adapter for the data arguments of `fit()`, `evaluate()` and `predict()`.

    Raises:
        ValueError: if the kind of data is not known, or does not go with the other arguments.
    """
    if isinstance(x, DataAdapter):
        return x
    if ArrayDataAdapter.can_handle(x, y):
        return ArrayDataAdapter(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
        )
    kind = type(x).__name__
    if hasattr(x, "__iter__") or isinstance(x, PyDataset):
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(
                    f"When providing `x` as a {kind}, `{name}` should not be passed. "
                    f"Instead, `{name}` should be included as part of the {kind}."
                )
    if isinstance(x, PyDataset):
        return PyDatasetAdapter(x, class_weight=class_weight, shuffle=shuffle)
    if hasattr(x, "__next__"):
        return GeneratorDataAdapter(x, class_weight=class_weight)
    if hasattr(x, "__iter__"):
        return IterableDataAdapter(x, class_weight=class_weight)
    raise ValueError(f"Unrecognized data type: x={x} (of type {type(x)})")


__all__ = [
    "ArrayDataAdapter",
    "DataAdapter",
    "GeneratorDataAdapter",
    "IterableDataAdapter",
    "PyDataset",
    "PyDatasetAdapter",
    "class_weight_to_sample_weights",
    "get_data_adapter",
]
