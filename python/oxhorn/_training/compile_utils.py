"""What `compile()` makes of its `loss` and `metrics` arguments."""

import contextlib
from collections import OrderedDict, namedtuple

import numpy as np

from oxhorn import losses as losses_module
from oxhorn import metrics as metrics_module
from oxhorn import ops, tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.naming import get_object_name
from oxhorn._base.scopes import name_scope
from oxhorn._base.tracking import no_automatic_dependency_tracking
from oxhorn.losses.loss import Loss
from oxhorn.metrics.metric import Metric


def _kind_of_target(y_true, y_pred):
    """ "binary", "sparse_categorical" or "categorical": what accuracy and crossentropy stand for."""
    last = y_pred.shape[-1]
    if last == 1:
        return "binary"
    rank_true, rank_pred = len(y_true.shape), len(y_pred.shape)
    if rank_true < rank_pred or (y_true.shape[-1] == 1 and last is not None and last > 1):
        return "sparse_categorical"
    return "categorical"


_ACCURACY = {
    "binary": metrics_module.BinaryAccuracy,
    "sparse_categorical": metrics_module.SparseCategoricalAccuracy,
    "categorical": metrics_module.CategoricalAccuracy,
}
_CROSSENTROPY = {
    "binary": losses_module.binary_crossentropy,
    "sparse_categorical": losses_module.sparse_categorical_crossentropy,
    "categorical": losses_module.categorical_crossentropy,
}


def get_metric(identifier, y_true, y_pred):
    """The metric object for one entry of `metrics`; "accuracy" is chosen by the shapes."""
    if identifier is None:
        raise ValueError("Expected metric, received `None`")
    if str(identifier).lower() in ("accuracy", "acc"):
        metric = _ACCURACY[_kind_of_target(y_true, y_pred)](name=str(identifier))
    else:
        metric = metrics_module.get(identifier)
    name = identifier if isinstance(identifier, str) else get_object_name(metric)
    if not isinstance(metric, Metric):
        metric = metrics_module.MeanMetricWrapper(metric)
    metric.name = name
    return metric


def get_loss(identifier, y_true, y_pred):
    """The loss object for one entry of `loss`; "crossentropy" is chosen by the shapes."""
    if identifier is None:
        return None
    if str(identifier).lower() in ("crossentropy", "ce"):
        loss = _CROSSENTROPY[_kind_of_target(y_true, y_pred)]
    else:
        loss = losses_module.get(identifier)
    if not isinstance(loss, Loss):
        name = identifier if isinstance(identifier, str) else get_object_name(loss)
        loss = losses_module.LossFunctionWrapper(loss, name=name)
    return loss


@contextlib.contextmanager
def shapes_on_error(kind, function, y_true, y_pred):
    """Says of an error from a loss or metric which one it was, and for what shapes."""
    try:
        yield
    except Exception as error:
        shapes = ", ".join(
            f"{name} of shape {tree.map_structure(lambda x: getattr(x, 'shape', x), value)}"
            for name, value in (("y_true", y_true), ("y_pred", y_pred))
        )
        error.add_note(f"Exception encountered when computing the {kind} '{function.name}' for {shapes}")
        raise


class MetricsList(Metric):
    """The metrics of one output."""

    def __init__(self, metrics, name="metrics_list", output_name=None):
        super().__init__(name=name)
        self.metrics = metrics
        self.output_name = output_name

    def update_state(self, y_true, y_pred, sample_weight=None):
        for metric in self.metrics:
            with shapes_on_error("metric", metric, y_true, y_pred):
                metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def reset_state(self):
        for metric in self.metrics:
            metric.reset_state()

    def get_result(self):
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self):
        raise NotImplementedError


def _metrics_list(metrics, y_true, y_pred, output_name=None):
    if metrics is None:
        return None
    entries = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return MetricsList([get_metric(m, y_true, y_pred) for m in entries], output_name=output_name)


def _check_container(name, value):
    if value and not isinstance(value, (list, tuple, dict)):
        raise ValueError(
            f"Expected `{name}` argument to be a list, tuple, or dict. "
            f"Received instead: {name}={value} of type {type(value)}"
        )


class CompileMetrics(Metric):
    """All metrics given to `compile()`, resolved once the targets' and outputs' shapes are known."""

    @no_automatic_dependency_tracking
    def __init__(self, metrics, weighted_metrics, name="compile_metric", output_names=None):
        super().__init__(name=name)
        _check_container("metrics", metrics)
        _check_container("weighted_metrics", weighted_metrics)
        self._user_metrics = metrics
        self._user_weighted_metrics = weighted_metrics
        self.built = False
        self.name = "compile_metrics"
        self.output_names = output_names

    @property
    def metrics(self):
        if not self.built:
            return []
        lists = self._flat_metrics + self._flat_weighted_metrics
        return [metric for entry in lists if entry is not None for metric in entry.metrics]

    @property
    def variables(self):
        return [variable for metric in self.metrics for variable in metric.variables]

    def build(self, y_true, y_pred):
        count = len(tree.flatten(y_pred))
        # A single list or dict of outputs, not a deeper structure.
        flat = tree.is_nested(y_pred) and len(y_pred) == count
        names = self.output_names
        if (
            flat
            and isinstance(y_pred, dict)
            and not (self.output_names and set(y_pred) == set(self.output_names))
        ):
            names = list(y_pred) if isinstance(y_pred, OrderedDict) else sorted(y_pred)
        self._resolved_output_names = names if count > 1 and flat else None
        self._flat_metrics = self._resolve("metrics", self._user_metrics, count, names, y_true, y_pred, flat)
        self._flat_weighted_metrics = self._resolve(
            "weighted_metrics", self._user_weighted_metrics, count, names, y_true, y_pred, flat
        )
        self.built = True

    def _resolve(self, argument, metrics, count, names, y_true, y_pred, flat):
        if not metrics:
            return [None] * count
        if count == 1:
            return [_metrics_list(tree.flatten(metrics), tree.flatten(y_true)[0], tree.flatten(y_pred)[0])]
        per_output = None
        if flat and isinstance(metrics, (list, tuple)) and len(metrics) == count:
            per_output = metrics
        elif flat and names and isinstance(metrics, dict) and set(metrics) <= set(names):
            per_output = [metrics.get(name) for name in names]
        labels = names or [None] * count
        if per_output is not None:
            try:
                return [
                    _metrics_list(*entry)
                    for entry in zip(per_output, self._flatten_y(y_true), self._flatten_y(y_pred), labels)
                ]
            except ValueError as error:
                raise ValueError(f"{error}\nReceived: {argument}={metrics}") from error
        try:
            outputs = tree.lists_to_tuples(y_pred)
            return tree.flatten(
                tree.map_structure_up_to(
                    outputs,
                    _metrics_list,
                    tree.lists_to_tuples(metrics),
                    tree.lists_to_tuples(y_true),
                    outputs,
                    tree.pack_sequence_as(outputs, labels),
                )
            )
        except (ValueError, TypeError) as error:
            structure = tree.map_structure(lambda _: "X", y_pred)
            named = (
                f"either be a dict or a list matching the output names of the functional model "
                f"{self.output_names} or "
                if self.output_names
                else ""
            )
            raise ValueError(
                f"{error}\nInvalid `{argument}`. `{argument}` should contain metrics objects and {named}"
                f"match the output structure of the model: {structure}.\nReceived: {argument}={metrics}"
            ) from error

    def _flatten_y(self, y):
        if isinstance(y, dict) and self._resolved_output_names is not None:
            return [y[name] for name in self._resolved_output_names]
        return tree.flatten(y)

    def update_state(self, y_true, y_pred, sample_weight=None):
        if not self.built:
            self.build(y_true, y_pred)
        y_true = self._flatten_y(y_true)
        y_pred = self._flatten_y(y_pred)
        weights = [None] * len(y_true) if sample_weight is None else self._flatten_y(sample_weight)
        if len(weights) < len(y_true):
            weights = [weights[0]] * len(y_true)
        for metric, true, pred in zip(self._flat_metrics, y_true, y_pred):
            if metric:
                metric.update_state(true, pred)
        for metric, true, pred, weight in zip(self._flat_weighted_metrics, y_true, y_pred, weights):
            if metric:
                metric.update_state(true, pred, weight)

    def reset_state(self):
        for metric in self.metrics:
            metric.reset_state()

    def result(self):
        if not self.built:
            raise ValueError("Cannot get result() since the metric has not yet been built.")
        results = {}
        for group, prefix in ((self._flat_metrics, ""), (self._flat_weighted_metrics, "weighted_")):
            for entry in group:
                for metric in entry.metrics if entry else []:
                    output = f"{entry.output_name}_" if entry.output_name else ""
                    name = output + metric.name
                    if name in results:
                        name = output + prefix + metric.name
                    results[_numbered(name, results)] = metric.result()
        return results

    def get_config(self):
        raise NotImplementedError


def _numbered(name, taken):
    """The name itself, or with _1, _2, ... if it is taken."""
    candidate, index = name, 0
    while candidate in taken:
        index += 1
        candidate = f"{name}_{index}"
    return candidate


_Entry = namedtuple("_Entry", ["path", "loss", "loss_weights", "name"])


class _Weighted:
    """A loss with its weight, as a leaf of the loss structure."""

    def __init__(self, loss, weight):
        self.loss = loss
        self.weight = weight


def _is_sparse(loss):
    """Whether a loss takes class numbers along the last axis of the outputs."""
    function = getattr(loss, "fn", None)
    return function is losses_module.sparse_categorical_crossentropy and getattr(loss, "axis", -1) == -1


def _at(path, structure):
    for key in path:
        structure = structure[key]
    return structure


class CompileLoss(Loss):
    """The weighted sum of all losses given to `compile()`."""

    Loss = _Entry

    def __init__(self, loss, loss_weights=None, reduction="sum_over_batch_size", output_names=None):
        if loss_weights and not isinstance(loss_weights, (list, tuple, dict, float)):
            raise ValueError(
                "Expected `loss_weights` argument to be a float (single output case) or a list, tuple, or "
                f"dict (multiple output case). Received instead: loss_weights={loss_weights} "
                f"of type {type(loss_weights)}"
            )
        super().__init__(name="compile_loss", reduction=reduction)
        self._user_loss = loss
        self._user_loss_weights = loss_weights
        self.built = False
        self.output_names = output_names
        self._metrics = []
        self._flat_losses = []
        # (path, number of classes, class ignored) of every sparse loss.
        self._label_limits = []
        self._y_pred_build_structure = None
        self._y_true_build_structure = None

    @property
    def metrics(self):
        """One mean per loss when there are several."""
        return self._metrics

    @property
    def variables(self):
        return [variable for metric in self._metrics for variable in metric.variables]

    def _weighted_losses(self, y_pred):
        """The loss structure with weights attached, dicts put in the order of a list of outputs."""
        loss, weights = self._user_loss, self._user_loss_weights
        if self.output_names and isinstance(loss, dict) and not isinstance(y_pred, dict):
            if set(self.output_names) != set(loss):
                raise ValueError(
                    f"Expected keys {self.output_names} in loss dict, but found loss.keys()={list(loss)}"
                )
            if isinstance(weights, dict):
                weights = [weights[name] for name in self.output_names]
            loss = [loss[name] for name in self.output_names]
        if weights is None:
            return tree.map_structure(lambda entry: None if entry is None else _Weighted(entry, None), loss)
        flat_weights = tree.flatten(weights)
        if len(tree.flatten(loss)) != len(flat_weights):
            raise ValueError(
                f"`loss_weights` must match the number of losses, got {len(tree.flatten(loss))} losses "
                f"and {len(flat_weights)} weights."
            )
        return tree.map_structure(
            lambda entry, weight: None if entry is None else _Weighted(entry, weight),
            loss,
            tree.pack_sequence_as(loss, flat_weights),
        )

    def build(self, y_true, y_pred):
        loss = self._weighted_losses(y_pred)
        self._flat_losses = []
        if isinstance(loss, (list, tuple)) and len(loss) == 1 and not tree.is_nested(y_pred):
            loss = loss[0]
        names = self.output_names
        if not names or len(tree.flatten(names)) != len(tree.flatten(y_pred)):
            names = [
                x._keras_history.operation.name
                if isinstance(x, KerasTensor) and hasattr(x, "_keras_history")
                else None
                for x in tree.flatten(y_pred)
            ]
        if not tree.is_nested(loss):
            only = loss
            loss = tree.map_structure(lambda _: only, y_pred)
        self._collect(y_true, y_pred, loss, tree.pack_sequence_as(y_pred, names), ())
        if len(self._flat_losses) > 1:
            self._metrics.extend(
                metrics_module.Mean(name=f"{entry.name}_loss") for entry in self._flat_losses
            )
        self._y_pred_build_structure = tree.map_structure(lambda _: None, y_pred)
        self._y_true_build_structure = tree.map_structure(lambda _: None, y_true)
        self.built = True

    def _collect(self, y_true, y_pred, loss, names, path):
        """Walks the loss structure down to its leaves."""
        if loss is None:
            return
        if not tree.is_nested(loss):
            resolved = get_loss(loss.loss, y_true, y_pred)
            if resolved is None:
                return
            name_path = path
            if not tree.is_nested(names):
                own = names if names is not None else resolved.name
                if not path:
                    name_path = (own,)
                elif isinstance(path[-1], int):
                    name_path = (*path[:-1], own)
            if _is_sparse(resolved):
                self._label_limits.append((path, y_pred.shape[-1], getattr(resolved, "ignore_class", None)))
            # A loss of all outputs at once bears the names of all.
            whole = names if isinstance(names, dict) else tree.flatten(names)
            name = "/".join(str(part) for part in name_path) or "_".join(map(str, whole))
            self._flat_losses.append(_Entry(path, resolved, loss.weight, name))
            return
        if isinstance(loss, (list, tuple)):
            leaves_only = not any(tree.is_nested(entry) for entry in loss)
            if leaves_only and tree.is_nested(y_pred) and len(loss) == len(tree.flatten(y_pred)):
                loss = tree.pack_sequence_as(y_pred, list(loss))
            elif not isinstance(y_pred, type(loss)):
                # Several losses on one output.
                for entry in loss:
                    self._collect(y_true, y_pred, entry, names, path)
                return
        if not isinstance(loss, (dict, list, tuple)):
            raise TypeError(f"Unsupported type {type(loss)} in the `loss` configuration.")
        if isinstance(loss, dict) != isinstance(y_pred, dict):
            raise KeyError(
                f"The path: {path} in the `loss` argument, can't be found in the model's output (`y_pred`)."
            )
        for key, entry in loss.items() if isinstance(loss, dict) else enumerate(loss):
            if entry is None:
                continue
            for container in (y_true, y_pred):
                known = (
                    key in container
                    if isinstance(container, dict)
                    else (
                        isinstance(container, (list, tuple)) and isinstance(key, int) and key < len(container)
                    )
                )
                if not known:
                    raise KeyError(
                        f"The path: {(*path, key)} in the `loss` argument, can't be found in either the "
                        "model's output (`y_pred`) or in the labels (`y_true`)."
                    )
            self._collect(y_true[key], y_pred[key], entry, names[key], (*path, key))

    def _match(self, y_true, y_pred):
        """y_true in the structure of y_pred."""
        try:
            tree.assert_same_structure(y_pred, y_true)
            return y_true
        except (ValueError, TypeError):
            pass
        if not tree.is_nested(y_true) and tree.is_nested(y_pred) and len(y_pred) == 1:
            y_true = [y_true]
        elif (
            isinstance(y_pred, (list, tuple))
            and isinstance(y_true, dict)
            and self.output_names
            and set(self.output_names) == set(y_true)
        ):
            y_true = [y_true[name] for name in self.output_names]
        flat = tree.flatten(y_true)
        if len(flat) == len(tree.flatten(y_pred)):
            return tree.pack_sequence_as(y_pred, flat)
        # Outputs without a loss may come without targets.
        wanted = [i for i, entry in enumerate(tree.flatten(self._user_loss)) if entry is not None]
        if tree.is_nested(self._user_loss) and len(flat) == len(wanted):
            full = [None] * len(tree.flatten(self._user_loss))
            for position, target in zip(wanted, flat):
                full[position] = target
            return tree.pack_sequence_as(self._user_loss, full)
        star = "*"
        raise ValueError(
            "y_true and y_pred have different structures.\n"
            f"y_true: {tree.map_structure(lambda _: star, y_true)}\n"
            f"y_pred: {tree.map_structure(lambda _: star, y_pred)}\n"
        )

    def check_labels(self, y_true):
        """Raises ValueError for labels that a sparse loss has no class for."""
        for path, classes, ignored in self._label_limits:
            try:
                labels = np.asarray(_at(path, y_true))
            except (KeyError, IndexError, TypeError):
                continue
            wrong = ~((labels >= 0) & (labels < classes))
            if ignored is not None:
                wrong &= labels != ignored
            if labels.size and wrong.any():
                raise ValueError(
                    f"sparse_categorical_crossentropy: expected labels from 0 to {classes - 1} for "
                    "an output of "
                    f"{classes} classes, got the label {labels[wrong][0]}."
                )

    def __call__(self, y_true, y_pred, sample_weight=None):
        with name_scope(self.name):
            return self.call(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred, sample_weight=None):
        if y_true is None:
            raise ValueError(
                f"There are no targets. The model was compiled with loss={self._user_loss}, so that it needs "
                "them: pass `y`, or data that yields `(x, y)`."
            )
        single = not tree.is_nested(y_true) and not tree.is_nested(y_pred)
        if not single:
            y_true = self._match(y_true, y_pred)
        if not self.built:
            self.build(y_true, y_pred)
        if not single:
            y_pred = tree.pack_sequence_as(self._y_pred_build_structure, tree.flatten(y_pred))
            y_true = tree.pack_sequence_as(self._y_true_build_structure, tree.flatten(y_true))
        total = None
        metrics = self._metrics if len(self._flat_losses) > 1 else [None] * len(self._flat_losses)
        for (path, loss, weight, _), metric in zip(self._flat_losses, metrics):
            true, pred = _at(path, y_true), _at(path, y_pred)
            weights = _at(path, sample_weight) if tree.is_nested(sample_weight) else sample_weight
            with shapes_on_error("loss", loss, true, pred):
                value = ops.cast(loss(true, pred, weights), self.dtype)
            if metric is not None and not single:
                # The unweighted value of each loss is what users compare.
                metric.update_state(value, sample_weight=tree.flatten(pred)[0].shape[0])
            if weight is not None:
                value = ops.multiply(value, weight)
            total = value if total is None else ops.add(total, value)
        return total

    def get_config(self):
        raise NotImplementedError
