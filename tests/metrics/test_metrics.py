import keras
import numpy as np
import pytest
from tracing import run_traced

import oxhorn

rng = np.random.default_rng(1)


def floats(*shape, low=0.0, high=1.0):
    return rng.uniform(low, high, shape).astype("float32")


BATCHES = 2
BINARY = rng.integers(0, 2, (BATCHES, 20)).astype("float32")
SCORES = (0.6 * BINARY + 0.5 * floats(BATCHES, 20)).clip(0, 1)
LABELS = rng.integers(0, 6, (BATCHES, 20))
ONE_HOT = np.eye(6, dtype="float32")[LABELS]
CLASS_SCORES = floats(BATCHES, 20, 6)
MULTI = rng.integers(0, 2, (BATCHES, 20, 3)).astype("float32")
MULTI_SCORES = (0.5 * MULTI + 0.6 * floats(BATCHES, 20, 3)).clip(0, 1)
VALUES, TARGETS = floats(BATCHES, 20, 4), floats(BATCHES, 20, 4)
BINARY_PAIR, SPARSE_PAIR = (BINARY, SCORES), (LABELS, CLASS_SCORES)
ONE_HOT_PAIR, MULTI_PAIR, REAL_PAIR = (ONE_HOT, CLASS_SCORES), (MULTI, MULTI_SCORES), (TARGETS, VALUES)

# class, arguments, (y_true, y_pred), batches first
CASES = [
    ("Accuracy", {}, (LABELS, rng.integers(0, 6, LABELS.shape))),
    ("BinaryAccuracy", {"threshold": 0.6}, BINARY_PAIR),
    ("CategoricalAccuracy", {}, ONE_HOT_PAIR),
    ("SparseCategoricalAccuracy", {}, SPARSE_PAIR),
    ("SparseCategoricalAccuracy", {}, (LABELS[..., None], CLASS_SCORES)),
    ("TopKCategoricalAccuracy", {"k": 2}, ONE_HOT_PAIR),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, SPARSE_PAIR),
    ("SparseTopKCategoricalAccuracy", {"k": 3, "from_sorted_ids": True}, (LABELS, CLASS_SCORES.argsort(-1))),
    ("MeanSquaredError", {}, REAL_PAIR),
    ("MeanAbsoluteError", {}, REAL_PAIR),
    ("MeanAbsolutePercentageError", {}, REAL_PAIR),
    ("MeanSquaredLogarithmicError", {}, REAL_PAIR),
    ("RootMeanSquaredError", {}, REAL_PAIR),
    ("CosineSimilarity", {}, REAL_PAIR),
    ("LogCoshError", {}, REAL_PAIR),
    ("R2Score", {}, REAL_PAIR),
    ("R2Score", {"class_aggregation": None, "num_regressors": 3}, REAL_PAIR),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 999}, REAL_PAIR),
    ("PearsonCorrelation", {}, REAL_PAIR),
    ("ConcordanceCorrelation", {}, REAL_PAIR),
    ("Hinge", {}, MULTI_PAIR),
    ("SquaredHinge", {}, MULTI_PAIR),
    ("CategoricalHinge", {}, ONE_HOT_PAIR),
    ("KLDivergence", {}, REAL_PAIR),
    ("Poisson", {}, REAL_PAIR),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, MULTI_PAIR),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT_PAIR),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, SPARSE_PAIR),
    ("TruePositives", {}, BINARY_PAIR),
    ("FalsePositives", {"thresholds": [0.2, 0.7]}, BINARY_PAIR),
    ("TrueNegatives", {"thresholds": [0.0, 0.5, 1.0]}, BINARY_PAIR),
    ("FalseNegatives", {"thresholds": 0.4}, MULTI_PAIR),
    ("Precision", {}, BINARY_PAIR),
    ("Precision", {"top_k": 2}, MULTI_PAIR),
    ("Precision", {"class_id": 1, "thresholds": [0.3, 0.6]}, MULTI_PAIR),
    ("Recall", {"thresholds": [0.1, 0.5, 0.9]}, BINARY_PAIR),
    ("Recall", {"top_k": 1, "class_id": 0}, MULTI_PAIR),
    ("SensitivityAtSpecificity", {"specificity": 0.7}, BINARY_PAIR),
    ("SpecificityAtSensitivity", {"sensitivity": 0.8, "num_thresholds": 30}, BINARY_PAIR),
    ("PrecisionAtRecall", {"recall": 0.6, "class_id": 2}, MULTI_PAIR),
    ("RecallAtPrecision", {"precision": 0.6, "num_thresholds": 1}, BINARY_PAIR),
    ("AUC", {}, BINARY_PAIR),
    ("AUC", {"curve": "PR", "num_thresholds": 11}, BINARY_PAIR),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, BINARY_PAIR),
    ("AUC", {"curve": "PRGAIN"}, BINARY_PAIR),
    ("AUC", {"summation_method": "minoring", "thresholds": [0.7, 0.3]}, BINARY_PAIR),
    ("AUC", {"from_logits": True}, BINARY_PAIR),
    ("AUC", {"multi_label": True}, MULTI_PAIR),
    ("AUC", {"multi_label": True, "num_labels": 3, "thresholds": [0.3, 0.8], "curve": "PR"}, MULTI_PAIR),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 3.0]}, MULTI_PAIR),
    ("AUC", {"label_weights": [1.0, 2.0, 3.0]}, MULTI_PAIR),
    ("FBetaScore", {"beta": 2.0}, ONE_HOT_PAIR),
    ("FBetaScore", {"average": "weighted", "threshold": 0.6}, MULTI_PAIR),
    ("F1Score", {"average": "micro"}, ONE_HOT_PAIR),
    ("F1Score", {"average": "macro", "threshold": 0.5}, MULTI_PAIR),
    ("IoU", {"num_classes": 6, "target_class_ids": [0, 3]}, (LABELS, LABELS[:, ::-1])),
    ("IoU", {"num_classes": 4, "target_class_ids": [0], "ignore_class": 2}, (LABELS, LABELS[:, ::-1])),
    ("BinaryIoU", {"threshold": 0.7}, BINARY_PAIR),
    ("MeanIoU", {"num_classes": 6, "sparse_y_pred": False}, SPARSE_PAIR),
    ("OneHotIoU", {"num_classes": 6, "target_class_ids": (1, 2)}, ONE_HOT_PAIR),
    ("OneHotMeanIoU", {"num_classes": 6}, ONE_HOT_PAIR),
]
IDS = [f"{name}-{'-'.join(map(str, kwargs.items()))}-{pair[0].shape}" for name, kwargs, pair in CASES]


def plain(config):
    return {k: np.asarray(v).tolist() if hasattr(v, "shape") else v for k, v in config.items()}


@pytest.mark.parametrize(("name", "kwargs", "pair"), CASES, ids=IDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_config(name, kwargs, pair, weighted):
    weights = (
        np.random.default_rng(2).integers(1, 4, (BATCHES, 20)).astype("int32" if "IoU" in name else "float32")
    )
    results, metrics = [], []
    for library in (keras, oxhorn):
        metric = getattr(library.metrics, name)(**kwargs)
        for i in range(BATCHES):
            weight = weights[i] if weighted else None
            metric.update_state(pair[0][i], pair[1][i], sample_weight=weight)
        results.append(np.asarray(metric.result()))
        metrics.append(metric)
    theirs, ours = metrics
    np.testing.assert_allclose(results[1], results[0], rtol=2e-5, atol=1e-6)
    assert results[1].dtype == results[0].dtype
    assert plain(ours.get_config()) == plain(theirs.get_config())
    assert getattr(ours, "_direction", None) == getattr(theirs, "_direction", None)
    assert [v.path for v in ours.variables] == [v.path for v in theirs.variables]
    assert [(v.shape, v.dtype) for v in ours.variables] == [(v.shape, v.dtype) for v in theirs.variables]
    for ours_v, theirs_v in zip(ours.variables, theirs.variables):
        np.testing.assert_allclose(ours_v.numpy(), np.asarray(theirs_v), rtol=2e-5, atol=1e-5)
    ours.reset_state()
    assert all(not v.numpy().any() for v in ours.variables)
    again = type(ours).from_config(ours.get_config())
    assert plain(again.get_config()) == plain(ours.get_config())


def test_mean_and_sum():
    values = floats(BATCHES, 3, 2)
    for weight in (None, floats(3), floats(3, 2), 0.5):
        for name in ("Mean", "Sum"):
            results = []
            for library in (keras, oxhorn):
                metric = getattr(library.metrics, name)()
                for i in range(BATCHES):
                    metric.update_state(values[i], sample_weight=weight)
                results.append(np.asarray(metric.result()))
            np.testing.assert_allclose(results[1], results[0], rtol=1e-5)
    assert float(oxhorn.metrics.Mean()([1, 3, 5, 7])) == 4.0
    assert float(oxhorn.metrics.Sum()(2.0)) == 2.0


def test_mean_metric_wrapper():
    ours, theirs = (
        library.metrics.MeanMetricWrapper(library.losses.huber, name="mine", delta=0.2)
        for library in (oxhorn, keras)
    )
    assert ours.get_config() == theirs.get_config()
    assert ours._direction == "down"
    assert float(ours(TARGETS[0], VALUES[0])) == pytest.approx(float(theirs(TARGETS[0], VALUES[0])), rel=1e-5)


def test_stateless():
    metric = oxhorn.metrics.Mean()
    values = metric.stateless_update_state(metric.stateless_reset_state(), [1.0, 5.0])
    assert float(metric.stateless_result(values)) == 3.0
    assert float(metric.result()) == 0.0
    with pytest.raises(ValueError, match="corresponding 1:1"):
        metric.stateless_result(values[:1])


def test_nested_metrics_and_subclasses():
    class Two(oxhorn.metrics.Metric):
        def __init__(self):
            super().__init__(name="two")
            self.means = [oxhorn.metrics.Mean(name="a"), oxhorn.metrics.Mean(name="b")]
            self.seen = self.add_weight(name="seen", initializer="zeros")

    metric = Two()
    assert [v.path for v in metric.variables] == ["two/seen", "a/total", "a/count", "b/total", "b/count"]

    class Forgetful(oxhorn.metrics.Metric):
        def __init__(self):
            pass

    with pytest.raises(RuntimeError, match="forgot to call"):
        Forgetful().add_weight()


def test_get():
    metrics = oxhorn.metrics
    for name in ("acc", "accuracy", "Accuracy"):
        assert isinstance(metrics.get(name), metrics.Accuracy)
    assert isinstance(metrics.get("mse"), metrics.MeanSquaredError)
    assert isinstance(metrics.get("AUC"), metrics.AUC)
    again = metrics.deserialize(metrics.serialize(metrics.AUC(num_thresholds=7, curve="PR")))
    assert (again.num_thresholds, again.curve.value) == (7, "PR")
    with pytest.raises(ValueError, match="Could not interpret metric"):
        metrics.get("none such")


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("Precision", {"thresholds": [-1, 0.5, 2]}, r"must be in \[0, 1\]. Received: \[-1, 2\]"),
        ("SensitivityAtSpecificity", {"specificity": 1.2}, "`specificity` must be in the range"),
        ("RecallAtPrecision", {"precision": 0.4, "num_thresholds": 0}, "must be an integer > 0"),
        ("AUC", {"num_thresholds": 1}, "must be an integer > 1"),
        ("AUC", {"curve": "ABC"}, 'Invalid AUC curve value: "ABC".'),
        ("AUC", {"num_labels": 2}, "only when `multi_label`"),
        ("F1Score", {"average": "no"}, "Invalid `average`"),
        ("FBetaScore", {"beta": 1}, "should be a Python float"),
        ("F1Score", {"threshold": 1.5}, "0 < threshold <= 1"),
        ("R2Score", {"num_regressors": -1}, "Expected a value >= 0"),
        ("IoU", {"num_classes": 2, "target_class_ids": [2]}, "out of range"),
    ],
)
def test_bad_arguments(name, args, message):
    with pytest.raises(ValueError, match=message):
        getattr(oxhorn.metrics, name)(**args)


@pytest.mark.parametrize(
    ("name", "kwargs", "pair"),
    [CASES[i] for i in range(0, len(CASES), 3)],
    ids=[IDS[i] for i in range(0, len(CASES), 3)],
)
def test_traced(name, kwargs, pair):
    eager, traced = (getattr(oxhorn.metrics, name)(**kwargs) for _ in range(2))
    y_true, y_pred = pair[0][0], pair[1][0]
    for _ in range(2):
        eager.update_state(y_true, y_pred)

    def step(y_true, y_pred):
        traced.update_state(y_true, y_pred)
        return [traced.result()]

    (result,) = run_traced(step, y_true, y_pred, calls=2)
    np.testing.assert_allclose(result, np.asarray(eager.result()), rtol=1e-5, atol=1e-6)
