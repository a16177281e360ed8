"""The metrics of a model, and the logs that they become."""

from oxhorn._base.python_utils import pythonify_logs
from oxhorn._training.compile_utils import CompileMetrics
from oxhorn._training.steps import CompiledStep


class Measuring:
    """The part of a trainer that reports how it is doing."""

    @property
    def metrics(self):
        metrics = self._get_own_metrics() if self.compiled else list(self._metrics)
        for layer in self._flatten_layers(include_self=False):
            if not isinstance(layer, Measuring):
                metrics.extend(layer.metrics)
        return metrics

    @property
    def metrics_names(self):
        return [metric.name for metric in self.metrics]

    def _get_own_metrics(self):
        metrics = [m for m in (self._loss_tracker, self._compile_metrics) if m is not None]
        if self._compile_loss is not None:
            metrics.extend(self._compile_loss.metrics)
        metrics.extend(self._metrics)
        return metrics

    def reset_metrics(self):
        """Sets the state of all metrics back."""
        for metric in self.metrics:
            metric.reset_state()

    def _metric_logs(self, outputs):
        """Logs of numbers: the metrics' values, or what an overridden step returned if that differs."""
        results = self._metric_results()
        if isinstance(outputs, dict):
            return pythonify_logs(outputs if outputs and set(outputs) != set(results) else results)
        if outputs is None or isinstance(outputs, (tuple, list)):
            return pythonify_logs(results)
        return pythonify_logs({"loss": outputs})

    def _metric_results(self):
        if self.run_eagerly or not self.jit_compile:
            return self.get_metrics_result()
        built = sum(len(metric.variables) for metric in self.metrics)
        cached = getattr(self, "_result_function", None)
        if cached is None or cached[0] != built:
            step = CompiledStep(lambda _: self.get_metrics_result())
            cached = self._result_function = (built, step)
        return cached[1](())

    def _flatten_metrics_in_order(self, logs):
        """Values of `logs` in the order of the metrics."""
        names = []
        for metric in self.metrics:
            if isinstance(metric, CompileMetrics):
                names += [entry.name for entry in metric.metrics]
            else:
                names.append(metric.name)
        results = [logs[name] for name in names if name in logs]
        results += [logs[name] for name in sorted(logs) if name not in names]
        return results[0] if len(results) == 1 else results
