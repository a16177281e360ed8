"""The base class: building, state, calling."""

import gc
import warnings

import keras
import numpy as np
import pytest

import oxhorn
from oxhorn import layers, ops


def define(k):
    """The same custom layers on either library."""

    class Scale(k.layers.Layer):
        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")
            self.count = self.add_weight((), "zeros", name="count", trainable=False)

        def call(self, x, training=False):
            if training:
                self.add_loss(k.ops.sum(x))
            return x * self.scale * self.factor

    class Pair(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = {"a": k.layers.Dense(2, name="a"), "rest": [k.layers.Dense(3, name="b")]}
            self.scale = Scale(name="scale")

        def build(self, x_shape, y_shape):
            self.parts["a"].build(x_shape)
            self.parts["rest"][0].build(y_shape)
            self.scale.build((x_shape[0], 2))

        def call(self, x, y=None):
            return self.scale(self.parts["a"](x)), self.parts["rest"][0](y)

    class Lazy(k.layers.Layer):
        def __init__(self, units):
            super().__init__()
            self.dense = k.layers.Dense(units, kernel_regularizer="l2", name="dense")

        def call(self, x):
            return self.dense(x)

    return Scale, Pair, Lazy


def both(function):
    """`function(library, Scale, Pair, Lazy)` with Keras and with Oxhorn."""
    results = []
    for k in (keras, oxhorn):
        (k.utils if k is keras else k.backend).clear_session()
        results.append(function(k, *define(k)))
    return results


def described(layer):
    kinds = ("weights", "trainable_weights", "non_trainable_weights", "variables", "trainable_variables")
    return {kind: [(v.path, v.shape, v.dtype) for v in getattr(layer, kind)] for kind in kinds}


def state(k, Scale, Pair, Lazy):
    pair, lazy = Pair(), Lazy(3)
    pair(np.ones((1, 4), "float32"), y=np.ones((1, 5), "float32"))
    lazy(k.Input((4,)))
    result = [described(pair), described(lazy), pair.path, pair.scale.path, lazy.count_params()]
    pair.scale.trainable = False
    result += [described(pair), pair.get_build_config(), lazy.get_build_config()]
    pair.trainable = False
    return [*result, described(pair), [x.name for x in pair._flatten_layers()]]


def losses(k, Scale, Pair, Lazy):
    model = k.Sequential([Scale(), Lazy(2), k.layers.Dense(1, activity_regularizer="l1")])
    x = np.ones((4, 3), "float32")
    model(x, training=True)
    model.set_weights([np.full(w.shape, 0.5) for w in model.weights])
    model(x)
    inference = [float(v) for v in model.losses]
    model(x, training=True)
    return [inference, [float(v) for v in model.losses]]


def stateless(k, Scale, Pair, Lazy):
    layer = Scale()
    layer.build((None, 2))
    y, state, found = layer.stateless_call(
        [np.array([1.0, 2.0])], [np.array(3.0)], k.ops.ones((1, 2)), training=True, return_losses=True
    )
    return [np.array(y).tolist(), [float(v) for v in state], [float(v) for v in found], layer.losses]


def policies(k, Scale, Pair, Lazy):
    layer = Scale(dtype="mixed_float16")
    y = layer(np.ones((1, 2), "float64"))
    ints = Scale(dtype="float32")(np.ones((1, 2), "int32"))
    return [layer.compute_dtype, layer.variable_dtype, str(y.dtype), str(ints.dtype), layer.dtype_policy.name]


@pytest.mark.parametrize("function", [state, losses, stateless, policies], ids=lambda f: f.__name__)
def test_like_keras(function):
    theirs, ours = both(function)
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours):
        assert a == pytest.approx(b) if isinstance(a, list) and a and isinstance(a[0], float) else a == b


ERRORS = [
    (lambda k, Scale, *_: Scale(units=3), ValueError, "Unrecognized keyword"),
    (lambda k, Scale, *_: Scale(trainable=1), ValueError, "boolean"),
    (lambda k, Scale, *_: Scale(name="a/b"), ValueError, "cannot contain"),
    (lambda k, Scale, *_: Scale()(3.0), ValueError, "positional"),
    (lambda k, Scale, *_: Scale().count_params(), ValueError, "isn't built"),
    (lambda k, Scale, *_: k.layers.Layer()(np.ones(2)), NotImplementedError, "call"),
    (lambda k, Scale, *_: Scale().add_metric("a"), NotImplementedError, "deprecated"),
    (lambda k, Scale, *_: Scale().input, AttributeError, "never been called"),
    (lambda k, Scale, *_: Scale().add_weight("w"), ValueError, "keyword"),
    (lambda k, Scale, *_: Scale().add_weight((None, 2)), ValueError, "fully-defined"),
    (lambda k, Scale, *_: Scale().set_weights([1]), ValueError, "length 1"),
    (lambda k, Scale, *_: Scale().stateless_call([], [], np.ones(2)), ValueError, "must be built"),
    (lambda k, Scale, Pair, _: Pair()([np.ones((1, 2)), "x"]), ValueError, "positional"),
]


@pytest.mark.parametrize("cause, error, match", ERRORS, ids=lambda x: x if isinstance(x, str) else "")
def test_errors(cause, error, match):
    for k in (keras, oxhorn):
        with pytest.raises(error, match=match):
            cause(k, *define(k))


def test_state_is_locked_after_build():
    layer = layers.Dense(2)
    layer.build((None, 3))
    with pytest.raises(ValueError, match="already built"):
        layer.extra = layers.Dense(2)
    with pytest.raises(ValueError, match="already built"):
        layer.add_weight(shape=(1,))


def test_forgotten_super_init():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.units = 3

        def call(self, x):
            return x

    with pytest.raises(RuntimeError, match="super"):
        Forgetful()(np.ones((1, 2), "float32"))


def test_super_build_and_mixins():
    class Built:
        def build(self, shape):
            self.seen = shape

    class Mixed(Built, layers.Layer):
        def call(self, x):
            return x

    class More(layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.extra = self.add_weight(shape=(1,), name="extra")

    mixed = Mixed()
    mixed(np.ones((2, 3), "float32"))
    assert mixed.seen == (2, 3) and mixed.get_build_config() == {"input_shape": (2, 3)}
    more = More(2)
    more(np.ones((2, 3), "float32"))
    assert [w.path for w in more.weights] == ["more/kernel", "more/bias", "more/extra"]


def test_context_arguments_reach_inner_layers():
    seen = []

    class Inner(layers.Layer):
        def call(self, x, training=None):
            seen.append(training)
            return x

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def call(self, x):
            return self.inner(x)

    x = np.ones((1, 1), "float32")
    outer = Outer()
    outer.build((1, 1))
    seen.clear()
    for kwargs in ({}, {"training": True}, {"training": False}):
        outer(x, **kwargs)
    assert seen == [None, True, False]
    oxhorn.Sequential([outer])(x, training=True)
    assert seen[-1] is True


def test_error_says_where():
    class Broken(layers.Layer):
        def call(self, x):
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside") as info:
        Broken(name="broken")(np.ones((2, 3), "float32"))
    note = "".join(info.value.__notes__)
    assert "broken" in note and "(2, 3)" in note


def test_configs():
    class Auto(layers.Layer):
        def __init__(self, units, mode="a", **kwargs):
            super().__init__(**kwargs)
            self.units = units

    class Manual(layers.Layer):
        def __init__(self, thing, **kwargs):
            super().__init__(**kwargs)

    config = Auto(3, name="auto").get_config()
    assert config["units"] == 3 and config["mode"] == "a"
    assert Auto.from_config(config).units == 3
    with pytest.raises(NotImplementedError, match="get_config"):
        Manual(object()).get_config()


def test_older_input_shape_arguments():
    for kwargs in ({"input_shape": (4,)}, {"input_dim": 4}, {"batch_input_shape": (None, 4)}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = oxhorn.Sequential([layers.Dense(2, **kwargs)])
        assert model.input_shape == (None, 4) and model.built


def test_deleting_and_replacing_state():
    layer = layers.Layer()
    layer.a = oxhorn.Variable(np.ones(2, "float32"))
    layer.b = [layers.Dense(1), layers.Dense(2)]
    del layer.a
    layer.b.pop()
    assert layer.weights == [] and len(layer._layers) == 1


def test_no_layer_outlives_its_last_reference():
    import weakref

    layer = layers.Dense(2)
    layer(np.ones((1, 2), "float32"))
    alive = weakref.ref(layer)
    del layer
    gc.collect()
    assert alive() is None


def test_masks_die_with_their_tensors():
    from oxhorn._base import masking

    before = len(masking._masks)
    x = ops.ones((2, 3))
    masking.set_keras_mask(x, ops.ones((2,), dtype="bool"))
    assert masking.get_keras_mask(x) is x._keras_mask is not None
    del x
    gc.collect()
    assert len(masking._masks) == before
