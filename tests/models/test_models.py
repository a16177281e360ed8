"""Ways to make, change, copy and describe models."""

import json

import keras
import numpy as np
import pytest

import oxhorn
from oxhorn import layers

BOTH = pytest.mark.parametrize("k", [keras, oxhorn], ids=["keras", "oxhorn"])
X = np.ones((2, 4), "float32")


def chain(k):
    x = k.Input((4,), name="x")
    h = k.layers.Dense(3, name="hidden")(x)
    return k.Model(x, k.layers.Dense(2, name="head")(h), name="chain")


# Each test runs on Keras too, so that what it claims is what Keras does.


@BOTH
def test_subclass(k):
    class Net(k.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [k.layers.Dense(3, name="a"), k.layers.Dense(2, name="b")]

        def call(self, x, training=False):
            for block in self.blocks:
                x = block(x)
            return x

    net = Net()
    assert not net.built and net(X).shape == (2, 2) and net.built
    assert [w.path for w in net.weights] == [f"net/{n}/{w}" for n in "ab" for w in ("kernel", "bias")]
    assert [x.name for x in net.layers] == ["a", "b"] and net.get_layer("b") is net.layers[1]
    assert net.get_layer(index=0).name == "a"
    for kwargs in ({}, {"name": "c"}, {"index": 9}, {"name": "a", "index": 0}):
        with pytest.raises(ValueError):
            net.get_layer(**kwargs)
    with pytest.raises(AttributeError, match="reserved"):
        net.layers = []
    with pytest.raises(NotImplementedError):
        k.Model()(X)


@BOTH
def test_subclass_with_functional_constructor(k):
    class Net(k.Model):
        def __init__(self, units):
            x = k.Input((4,))
            super().__init__(x, k.layers.Dense(units)(x))
            self.units = units

        def get_config(self):
            return {"units": self.units}

    net = Net(3)
    assert net.output_shape == (None, 3) and net(X).shape == (2, 3) and len(net.layers) == 2
    assert Net.from_config(net.get_config()).units == 3


@BOTH
def test_models_of_intermediate_tensors(k):
    model = chain(k)
    hidden = model.get_layer("hidden").output
    front, back = k.Model(model.input, hidden), k.Model(hidden, model.output)
    np.testing.assert_allclose(np.array(back(front(X))), np.array(model(X)), rtol=1e-6)
    assert back.weights[0] is model.weights[2] and len(back.layers) == 2
    if k is oxhorn:  # Keras takes no output that is also an input
        assert k.Model(hidden, [hidden, model.output])(np.ones((2, 3)))[1].shape == (2, 2)


@BOTH
def test_structures_of_inputs(k):
    a, b = k.Input((4,), name="a"), k.Input((1,), name="b")
    listed = k.Model([a, b], a * b)
    named = k.Model({"a": a, "b": b}, {"y": a * b})
    b_value = np.full((2, 1), 3.0, "float32")
    for x in ([X, b_value], (X, b_value), {"a": X, "b": b_value}, [X, b_value[:, 0]]):
        assert float(np.array(listed(x))[0, 0]) == 3
    assert float(np.array(named({"b": b_value, "a": X})["y"])[0, 0]) == 3
    for bad in ([X], [X, X, X], {"a": X}, [np.ones((2, 5)), b_value]):
        with pytest.raises(ValueError):
            listed(bad)


@BOTH
def test_optional_inputs(k):
    class Plus(k.layers.Layer):
        def call(self, x, y=None):
            return x if y is None else x + y

        def compute_output_shape(self, x_shape):
            return x_shape

    x, y = k.Input((4,), name="x"), k.Input((4,), name="y", optional=True)
    model = k.Model([x, y], Plus()(x, y))
    assert [float(np.array(model([X, v]))[0, 0]) for v in (None, X)] == [1, 2]
    with pytest.raises(ValueError, match="not optional"):
        model([None, X])


@BOTH
def test_sequential_grows_and_shrinks(k):
    model = k.Sequential(name="s")
    with pytest.raises(ValueError, match="no layers"):
        model.build((None, 4))
    model.add(k.layers.Dense(3, name="a"))
    assert not model.built
    with pytest.raises(AttributeError):
        _ = model.input_shape
    model.build((None, 4))
    model.add(k.layers.Dense(2, name="b"))
    assert model.output_shape == (None, 2) and [x.name for x in model.layers] == ["a", "b"]
    assert model.pop().name == "b"
    assert model.output_shape == (None, 3) and len(model.weights) == 2
    for bad in (k.layers.Dense(1, name="a"), "layer", k.Input((5,))):
        with pytest.raises(ValueError):
            model.add(bad)
    for bad in (lambda: k.layers.Add()([X, X]), lambda: k.layers.Concatenate()):
        model = k.Sequential([k.Input((4,))])
        with pytest.raises(ValueError):
            model.add(bad())


@BOTH
def test_sequential_of_a_model(k):
    inner = chain(k)
    model = k.Sequential([inner, k.layers.Dense(5)])
    assert model.built and model.output_shape == (None, 5)
    np.testing.assert_array_equal(np.array(model.layers[0](X)), np.array(inner(X)))


@BOTH
def test_clone(k):
    model = k.Sequential([k.Input((4,)), chain(k), k.layers.Dense(1, name="last")])
    copy = k.models.clone_model(model)
    assert [w.path for w in copy.weights] == [w.path for w in model.weights]
    assert copy.weights[0] is not model.weights[0] and type(copy) is type(model)

    def wider(layer):
        config = layer.get_config()
        if layer.name == "hidden":
            config["units"] = 7
        return type(layer).from_config(config)

    functional = chain(k)
    assert k.models.clone_model(functional, clone_function=wider).layers[1].units == 7

    def doubled(layer, *args, **kwargs):
        return layer(*args, **kwargs) * 2.0

    twice = k.models.clone_model(functional, clone_function=lambda x: x, call_function=doubled)
    assert sum(type(x).__name__ == "Multiply" for x in twice.operations) == 2
    fed = k.models.clone_model(functional, input_tensors=k.Input((4,), batch_size=3))
    assert fed.output_shape == (3, 2)
    with pytest.raises(ValueError):
        k.models.clone_model(model, call_function=doubled)


@BOTH
def test_functional_errors(k):
    x, y = k.Input((4,)), k.Input((4,))
    dense = k.layers.Dense(3)
    twins = [k.layers.Dense(3, name="twin") for _ in range(2)]
    for make in (
        lambda: k.Model(x, y),
        lambda: k.Model(x, x + y),
        lambda: k.Model(x, dense),
        lambda: k.Model(X, dense(x)),
        lambda: k.Model([], []),
        lambda: k.Model(x, twins[1](twins[0](k.layers.Dense(3)(x)))),
    ):
        with pytest.raises((ValueError, AttributeError)):
            make()


@BOTH
def test_malformed_functional_configs(k):
    good = json.loads(chain(k).to_json())

    def broken(change):
        config = json.loads(json.dumps(good))
        change(config["config"])
        return json.dumps(config)

    def loop(config):
        history = config["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"]
        history[0] = "head"

    def missing(config):
        del config["layers"][1]

    def not_a_layer(config):
        config["layers"][1].update(module="keras.initializers", class_name="Zeros", config={})
        config["layers"][1].pop("build_config")

    for change in (loop, missing, not_a_layer):
        with pytest.raises((ValueError, AttributeError)):
            k.models.model_from_json(broken(change))


@BOTH
def test_state_tree(k):
    model = chain(k)
    if k is keras:
        model.compile()
        model.optimizer = k.optimizers.SGD()
        model.optimizer.build([])
    tree = model.get_state_tree(value_format="numpy_array")
    kernel = tree["trainable_variables"]["hidden"]["kernel"]
    model.set_state_tree({"trainable_variables": {"hidden": {"kernel": kernel * 0}}})
    assert not np.array(model.weights[0]).any() and np.array(model.weights[2]).any()
    for bad in (lambda: model.get_state_tree("list"), lambda: model.set_state_tree({"weights": {}})):
        with pytest.raises(ValueError):
            bad()


@BOTH
def test_a_layer_outside_the_graph_may_be_attached(k):
    model = chain(k)
    model.extra = k.layers.Dense(2)
    model.extra.build((None, 2))
    assert len(model.weights) == 6


def test_build_config_of_a_subclass():
    @oxhorn.saving.register_keras_serializable("test_models")
    class Net(oxhorn.Model):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(units)

        def call(self, x):
            return self.dense(x)

    net = Net(2)
    net(X)
    again = oxhorn.models.model_from_json(net.to_json())
    assert [w.shape for w in again.weights] == [(4, 2), (2,)]


def test_deeply_nested_json_is_refused():
    text = '{"a":' * 100_000 + "1" + "}" * 100_000
    with pytest.raises((ValueError, RecursionError)):
        oxhorn.models.model_from_json(text)
