"""Models that override a part of their training."""

import numpy as np
import pytest

import oxhorn as keras
from oxhorn import layers, ops

X = np.random.default_rng(0).random((32, 4)).astype("float32")
Y = X[:, :1] * 2


def step(model, network, x, y):
    with keras.GradientTape() as tape:
        loss = ops.mean((y - network(x, training=True)) ** 2)
    weights = network.trainable_variables
    model.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss


class WithoutCall(keras.Model):
    """Trains a network that its user never calls through the model."""

    def __init__(self, built):
        super().__init__()
        self.network = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(1)])
        if built:
            self.network.build((None, 4))

    def train_step(self, data):
        return {"squares": step(self, self.network, *data)}


@pytest.mark.parametrize("built", [True, False])
def test_a_model_without_call(built):
    keras.utils.set_random_seed(0)
    model = WithoutCall(built)
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(X, Y, epochs=5, verbose=0).history
    assert list(history) == ["squares"]
    assert history["squares"][-1] < history["squares"][0]
    assert len(model.trainable_weights) == 4
    with pytest.raises(NotImplementedError, match="call"):
        model.predict(X, verbose=0)


def test_call_of_other_arguments_than_the_data():
    class Paired(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x, condition):
            return self.dense(x + condition)

        def train_step(self, data):
            x, y = data
            return {"squares": step(self, lambda_network(self, x), x, y)}

    def lambda_network(model, condition):
        class Network:
            trainable_variables = property(lambda self: model.trainable_variables)

            def __call__(self, x, training):
                return model(x, condition)

        return Network()

    model = Paired()
    model.compile(keras.optimizers.SGD(0.1))
    history = model.fit(X, Y, epochs=3, verbose=0).history["squares"]
    assert history[-1] < history[0]


def test_all_results_of_the_metrics_as_the_logs():
    """`{m.name: m.result() for m in self.metrics}`: one of them is the dict of the compiled metrics."""

    class Logged(keras.Model):
        def train_step(self, data):
            x, y = data
            loss = step(self, self, x, y)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, self(x))
            return {metric.name: metric.result() for metric in self.metrics}

    x = keras.Input((4,))
    model = Logged(x, layers.Dense(1)(x))
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y)).history
    assert set(history) == {"loss", "mae", "val_loss", "val_mae"}
    assert all(isinstance(value, float) for values in history.values() for value in values)


def test_a_metric_of_several_values(capsys):
    class Counts(keras.metrics.Metric):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.seen = self.add_variable((), "zeros", name="seen")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen.assign_add(ops.shape(y_true)[0])

        def result(self):
            return {"seen": self.seen, "half": self.seen / 2}

    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[Counts()])
    history = model.fit(X, Y, epochs=1, verbose=2, validation_data=(X[:8], Y[:8])).history
    assert history["seen"] == [32]
    assert history["val_half"] == [4]
    assert "half: 16.0000" in capsys.readouterr().out
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["half"] == 16
    assert len(model.evaluate(X, Y, verbose=0)) == 3


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_inputs_alone_come_as_they_are(run_eagerly):
    """`train_step(data)` gets the array itself if there is nothing else, as in Keras's autoencoders."""

    class Autoencoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = keras.Sequential([layers.Dense(2), layers.Dense(4)])

        def train_step(self, data):
            assert not isinstance(data, tuple)
            return {"squares": step(self, self.network, data, data)}

    model = Autoencoder()
    model.compile("adam", run_eagerly=run_eagerly)
    history = model.fit(X, epochs=2, verbose=0).history["squares"]
    assert history[1] < history[0]


def test_gradients_of_compiled_functions():
    """A tape sees what a compiled function computes inside of it."""
    variable = keras.Variable(3.0)

    @keras.function
    def cube(x):
        return x * x * x

    assert float(cube(ops.convert_to_tensor(2.0))) == 8
    with keras.GradientTape() as tape:
        y = cube(variable)
    assert float(tape.gradient(y, variable)) == 27
    value, gradient = keras.value_and_grad(cube)(ops.convert_to_tensor(2.0))
    assert (float(value), float(gradient)) == (8, 12)
    with pytest.raises(KeyError), keras.GradientTape():
        raise KeyError
    runs = cube.trace_count
    assert float(cube(ops.convert_to_tensor(2.0))) == 8
    assert cube.trace_count == runs == 1
