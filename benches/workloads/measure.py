"""What workloads share: their data, the clock around `fit` and `predict`, and what they return."""

import dataclasses
import time


@dataclasses.dataclass
class Measured:
    """A workload's result: the seconds that are compared, and evidence that the work was done.

    `losses` must fall from the first to the last. `outputs`, of a workload that does not train, must be the
    same numbers on every side.
    """

    seconds: float
    losses: list | None = None
    outputs: list | None = None


def classes(samples, shape, seed=0):
    """Samples around one random prototype for each of ten classes, and their classes."""
    import numpy as np

    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, samples)
    prototypes = rng.random((10, *shape), dtype="float32")
    x = rng.random((samples, *shape), dtype="float32")
    for row, label in zip(x, y):  # in place, so that the data are all the memory that they cost
        row += prototypes[label]
        row /= 2
    return x, y.astype("int32")


def step_time(model, x, y, batch_size, epochs):
    """Time per training step within `fit`, after an epoch that compiles."""
    losses = model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0).history["loss"]
    start = time.perf_counter()
    losses += model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0).history["loss"]
    steps = epochs * (len(x) // batch_size)
    return Measured((time.perf_counter() - start) / steps, losses)


def prediction_time(model, x, y, calls):
    """Time per batch of 128 within `predict`, after a call that compiles; and the losses of training."""
    losses = model.fit(x, y, batch_size=128, epochs=3, verbose=0).history["loss"]
    model.predict(x, batch_size=128, verbose=0)
    start = time.perf_counter()
    for _ in range(calls):
        model.predict(x, batch_size=128, verbose=0)
    return Measured((time.perf_counter() - start) / (calls * (len(x) // 128)), losses)
