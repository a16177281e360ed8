import keras
import numpy as np
import pytest
from tracing import run_traced

import oxhorn

rng = np.random.default_rng(0)


def floats(*shape, low=0.0, high=1.0):
    return rng.uniform(low, high, shape).astype("float32")


def simplex(*shape):
    x = floats(*shape, low=0.05)
    return x / x.sum(-1, keepdims=True)


def one_hot(*shape, classes=4):
    return np.eye(classes, dtype="float32")[rng.integers(0, classes, shape)]


BINARY = rng.integers(0, 2, (5, 3)).astype("float32")
LABELS = rng.integers(0, 4, (5, 3))

# class, arguments, y_true, y_pred
CASES = [
    ("MeanSquaredError", {}, floats(5, 3), floats(5, 3)),
    ("MeanSquaredError", {}, floats(5), floats(5, 1)),
    ("MeanAbsoluteError", {}, floats(5, 3), floats(5, 3)),
    ("MeanAbsolutePercentageError", {}, BINARY, floats(5, 3)),
    ("MeanSquaredLogarithmicError", {}, floats(5, 3), floats(5, 3, low=-0.2)),
    ("CosineSimilarity", {}, floats(5, 3), floats(5, 3, low=-1)),
    ("CosineSimilarity", {"axis": 0}, floats(5, 3), floats(5, 3, low=-1)),
    ("Huber", {"delta": 0.3}, floats(5, 3), floats(5, 3)),
    ("LogCosh", {}, floats(5, 3), floats(5, 3, high=9)),
    ("Hinge", {}, BINARY, floats(5, 3)),
    ("Hinge", {}, 2 * BINARY - 1, floats(5, 3)),
    ("SquaredHinge", {}, BINARY, floats(5, 3)),
    ("CategoricalHinge", {}, one_hot(5), floats(5, 4)),
    ("KLDivergence", {}, simplex(5, 4), simplex(5, 4)),
    ("Poisson", {}, floats(5, 3, high=4), floats(5, 3, high=4)),
    ("BinaryCrossentropy", {}, BINARY, floats(5, 3)),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, BINARY, floats(5, 3, low=-3)),
    ("BinaryFocalCrossentropy", {}, BINARY, floats(5, 3)),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "from_logits": True}, BINARY, floats(5, 3)),
    ("CategoricalCrossentropy", {}, one_hot(5, 3), simplex(5, 3, 4)),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, one_hot(5), floats(5, 4)),
    ("CategoricalCrossentropy", {"axis": 1}, one_hot(5, 3).swapaxes(1, 2), simplex(5, 3, 4).swapaxes(1, 2)),
    ("CategoricalFocalCrossentropy", {"gamma": 1.5}, one_hot(5), simplex(5, 4)),
    ("CategoricalFocalCrossentropy", {"from_logits": True}, one_hot(5), floats(5, 4)),
    ("SparseCategoricalCrossentropy", {}, LABELS, simplex(5, 3, 4)),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS[..., None], floats(5, 3, 4)),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, LABELS, simplex(5, 3, 4)),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.3}, LABELS, simplex(5, 3, 4)),
    ("CTC", {}, np.array([[1, 2, 0], [3, 1, 2]]), floats(2, 8, 4)),
    ("Dice", {}, BINARY, floats(5, 3)),
    ("Dice", {"axis": 1}, BINARY, floats(5, 3)),
    ("Tversky", {"alpha": 0.2, "beta": 0.7}, BINARY, floats(5, 3)),
    ("Circle", {}, np.array([0, 1, 0, 1, 2]), simplex(5, 4)),
    ("Circle", {"remove_diagonal": False, "gamma": 10.0}, np.array([0, 1, 0, 1, 2]), simplex(5, 4)),
]
IDS = [f"{name}-{'-'.join(map(str, kwargs.items()))}-{y_true.shape}" for name, kwargs, y_true, _ in CASES]


@pytest.mark.parametrize(("name", "kwargs", "y_true", "y_pred"), CASES, ids=IDS)
def test_value_and_config(name, kwargs, y_true, y_pred):
    unreduced = getattr(keras.losses, name)(**kwargs, reduction="none")(y_true, y_pred)
    weight = np.arange(1, 1 + unreduced.size, dtype="float32").reshape(unreduced.shape)
    for reduction, weights in (
        ("sum_over_batch_size", None),
        ("none", weight),
        ("mean_with_sample_weight", weight),
    ):
        results, configs = [], []
        for library in (keras, oxhorn):
            loss = getattr(library.losses, name)(**kwargs, reduction=reduction)
            results.append(np.asarray(loss(y_true, y_pred, sample_weight=weights)))
            configs.append(loss.get_config())
        np.testing.assert_allclose(results[1], results[0], rtol=2e-5, atol=1e-6)
        assert results[0].dtype == results[1].dtype
    assert configs[0] == configs[1]
    assert type(loss).from_config(configs[1]).get_config() == configs[1]


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_default_config(name):
    keras_loss, loss = (getattr(library.losses, name)() for library in (keras, oxhorn))
    assert loss.get_config() == keras_loss.get_config()
    assert loss.dtype == keras_loss.dtype


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"])
@pytest.mark.parametrize("weight", [None, (4,), (4, 1), (4, 3)], ids=str)
def test_masks_and_weights(reduction, weight):
    y_true, y_pred = floats(4, 3, 2), floats(4, 3, 2)
    mask = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], dtype="bool")
    weight = None if weight is None else floats(*weight)
    if weight is not None and weight.shape == (4,):
        # Weights of samples and masks of steps have different ranks: Keras broadcasts neither.
        mask = mask[:, 0]
        y_true, y_pred = y_true[:, 0], y_pred[:, 0]
    results = []
    for library in (keras, oxhorn):
        tensor = library.ops.convert_to_tensor(y_pred)
        if library is keras:
            tensor = _KerasMasked.mask(tensor, mask)
        else:
            from oxhorn._base.masking import set_keras_mask

            set_keras_mask(tensor, library.ops.convert_to_tensor(mask))
        loss = library.losses.MeanSquaredError(reduction=reduction)
        results.append(np.asarray(loss(y_true, tensor, sample_weight=weight)))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


class _KerasMasked:
    @staticmethod
    def mask(tensor, mask):
        from keras.src.backend import set_keras_mask

        set_keras_mask(tensor, keras.ops.convert_to_tensor(mask))
        return tensor


def test_structures():
    loss = oxhorn.losses.MeanSquaredError(reduction="sum")
    assert float(loss(floats(2, 3) * 0, floats(2, 3) * 0 + 2.0)) == 8.0
    with pytest.raises(ValueError, match="Invalid value for argument `reduction`"):
        oxhorn.losses.MeanSquaredError(reduction="abc")


def test_get():
    losses = oxhorn.losses
    assert losses.get("mse") is losses.get("MSE") is losses.mean_squared_error
    assert isinstance(losses.get("MeanSquaredError"), losses.MeanSquaredError)
    assert isinstance(losses.get(losses.Hinge), losses.Hinge)
    assert losses.get(None) is None
    loss = losses.get({"class_name": "Tversky", "config": {"alpha": 2.0}})
    assert loss.alpha == 2.0
    assert losses.deserialize(losses.serialize(loss)).alpha == 2.0
    with pytest.raises(ValueError, match="Could not interpret loss identifier"):
        losses.get("none such")


def test_wrapper_config():
    def configs(library):
        wrapper = library.losses.losses.LossFunctionWrapper if library is oxhorn else _keras_wrapper()
        return wrapper(library.losses.huber, delta=2.0, name="mine").get_config()

    assert configs(oxhorn) == configs(keras)


def _keras_wrapper():
    from keras.src.losses.losses import LossFunctionWrapper

    return LossFunctionWrapper


@pytest.mark.parametrize("name", ["SparseCategoricalCrossentropy", "Hinge"])
def test_traced(name):
    y_true, y_pred = (LABELS, simplex(5, 3, 4)) if name != "Hinge" else (BINARY, floats(5, 3))
    weight = floats(5, 3) if name != "Hinge" else floats(5)
    loss = getattr(oxhorn.losses, name)(reduction="mean_with_sample_weight")
    (traced,) = run_traced(lambda *args: [loss(*args)], y_true, y_pred, weight)
    np.testing.assert_allclose(traced, np.asarray(loss(y_true, y_pred, weight)), rtol=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight", "none"])
@pytest.mark.parametrize("masked", [False, True])
def test_one_weight_per_sample_counts_for_all_its_values(reduction, masked):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.random((2, 3, 3, 4)).astype("float32")  # as many time steps as samples
    weights = np.array([1.0, 2.0, 0.5], "float32")
    mask = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1]], bool) if masked else None
    results = []
    for given in (weights, np.repeat(weights[:, None], 3, axis=1)):
        prediction = oxhorn.ops.convert_to_tensor(y_pred)
        prediction._keras_mask = None if mask is None else oxhorn.ops.convert_to_tensor(mask)
        loss = oxhorn.losses.MeanSquaredError(reduction=reduction)
        results.append(np.array(loss(y_true, prediction, sample_weight=given)))
    np.testing.assert_allclose(*results, rtol=1e-6)
