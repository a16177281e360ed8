"""The same models made by Keras and by Oxhorn: configs, names, weights, summaries and outputs agree."""

import json

import keras
import numpy as np
import pytest

import oxhorn


def sequential(k):
    return k.Sequential(
        [k.Input((8,)), k.layers.Dense(4, activation="relu"), k.layers.Dense(2, name="head")], name="stack"
    )


def deferred_sequential(k):
    model = k.Sequential([k.layers.Dense(4), k.layers.Dense(2)])
    model.build((None, 8))
    return model


def unbuilt_sequential(k):
    return k.Sequential([k.layers.Dense(4), k.layers.Dense(2)])


def chain(k):
    x = k.Input((8,), name="x")
    y = k.layers.Dense(4, activation="tanh", kernel_regularizer="l2")(x)
    return k.Model(x, k.layers.Dense(3)(y), name="chain")


def operations(k):
    x = k.Input((6, 4))
    y = k.ops.relu(x) + 2.0
    y = k.ops.reshape(y, (-1, 24)) * k.ops.mean(x, axis=(1, 2))[:, None]
    return k.Model(x, y[:, ::2])


def two_inputs(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    dense = k.layers.Dense(3, name="shared")
    total = k.layers.Add()([dense(a), dense(b)])
    return k.Model([a, b], [total, k.layers.Concatenate()([a, total])])


def dicts(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    return k.Model({"a": a, "b": b}, {"sum": a + b, "dense": k.layers.Dense(2)(a)})


def nested(k):
    x = k.Input((4,))
    inner = k.Model(x, k.layers.Dense(4)(x), name="inner")
    stack = k.Sequential([k.Input((4,)), k.layers.Dense(4)], name="stack")
    y = k.Input((4,))
    return k.Model(y, inner(stack(inner(y))), name="outer")


def frozen(k):
    model = chain(k)
    model.layers[1].trainable = False
    return model


def mixed_dtypes(k):
    x = k.Input((5,), dtype="int32")
    y = k.layers.Embedding(10, 4, mask_zero=True)(x)
    y = k.layers.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d", dtype="float32")(y)
    return k.Model(x, k.layers.Masking()(k.layers.Identity()(y)))


def masked(k):
    x = k.Input((5,), dtype="int32")
    y = k.layers.Embedding(10, 4, mask_zero=True)(x)
    y = k.layers.Dense(4)(y)
    return k.Model(x, k.layers.LSTM(3)(y))


MODELS = [
    sequential,
    deferred_sequential,
    unbuilt_sequential,
    chain,
    operations,
    two_inputs,
    dicts,
    nested,
    frozen,
    mixed_dtypes,
    masked,
]


def both(build):
    result = []
    for k in (keras, oxhorn):
        k.utils.clear_session() if k is keras else k.backend.clear_session()
        result.append(build(k))
    return result


def plain(model):
    """The model's JSON; what depends on `compile`, or on an object's address, is left out."""

    def clean(x):
        if isinstance(x, dict):
            return {k: clean(v) for k, v in x.items() if k not in ("compile_config", "shared_object_id")}
        return [clean(v) for v in x] if isinstance(x, list) else x

    return clean(json.loads(model.to_json()))


def inputs_for(model):
    rng = np.random.default_rng(0)

    def array(x):
        shape = [2 if d is None else d for d in x.shape]
        if "int" in x.dtype:
            return rng.integers(0, 5, shape).astype(x.dtype)
        return rng.normal(size=shape).astype(x.dtype)

    struct = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return oxhorn.tree.map_structure(array, struct)


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_same_model(build):
    ref, ours = both(build)
    assert plain(ours) == plain(ref)
    for kind in ("weights", "trainable_weights", "non_trainable_weights", "variables"):
        assert [(v.path, v.shape, v.dtype) for v in getattr(ours, kind)] == [
            (v.path, v.shape, v.dtype) for v in getattr(ref, kind)
        ], kind

    if build is unbuilt_sequential:
        return
    ours.set_weights(ref.get_weights())
    x = inputs_for(ref)
    for a, b in zip(oxhorn.tree.flatten(ours(x)), oxhorn.tree.flatten(ref(x))):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "arguments",
    [{"line_length": 76}, {"line_length": 60, "show_trainable": True, "expand_nested": True}],
    ids=["plain", "full"],
)
def test_summary(build, arguments):
    texts = []
    for model in both(build):
        lines = []
        model.summary(print_fn=lambda text: lines.append(text), **arguments)  # noqa: B023
        texts.append("\n".join(line.rstrip() for line in "".join(lines).splitlines()))
    assert texts[1] == texts[0]


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_json_between_libraries(build):
    ref, ours = both(build)
    text = plain(ref)
    for k, source in ((oxhorn, ref), (keras, ours), (oxhorn, ours)):
        loaded = k.models.model_from_json(source.to_json())
        assert plain(loaded) == text
        assert [v.shape for v in loaded.weights] == [v.shape for v in ref.weights]
