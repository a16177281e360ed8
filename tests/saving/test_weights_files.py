"""Files of weights: in several shards, under an editor, of models that are hard to walk through."""

import io
import json

import h5py
import keras
import numpy as np
import pytest

import oxhorn
from oxhorn import layers, saving


def stack(k, *units):
    return k.Sequential([k.layers.Input((3,)), *(k.layers.Dense(n) for n in units)])


def same_weights(a, b):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


# -- shards -----------------------------------------------------------------------------------

SIZE = 400 / 2**30


@pytest.mark.parametrize(("writer", "reader"), [(oxhorn, keras), (keras, oxhorn), (oxhorn, oxhorn)])
def test_shards(tmp_path, writer, reader):
    model = stack(writer, 8, 8, 8, 1)
    model.save_weights(tmp_path / "w.weights.json", max_shard_size=SIZE)
    index = json.loads((tmp_path / "w.weights.json").read_text())
    assert index["metadata"]["total_size"] == 4 * model.count_params()
    files = sorted(path.name for path in tmp_path.glob("*.h5"))
    assert len(files) == 2 and files[0] == "w_00000.weights.h5"
    # One layer's kernel and bias lie in different files.
    assert any(len(place) == 2 for place in index["weight_map"].values())
    again = stack(reader, 8, 8, 8, 1)
    again.load_weights(tmp_path / "w.weights.json")
    same_weights(again, model)


def test_shards_are_those_of_keras(tmp_path):
    maps = []
    for name, k in (("a", oxhorn), ("b", keras)):
        model = stack(k, 8, 8, 8, 1)
        (tmp_path / name).mkdir()
        model.save_weights(tmp_path / name / "w.weights.json", max_shard_size=SIZE)
        maps.append(json.loads((tmp_path / name / "w.weights.json").read_text()))
    assert maps[0] == maps[1]


def test_what_does_not_fit_into_a_shard(tmp_path):
    with pytest.raises(ValueError, match="exceeds the maximum shard size"):
        stack(oxhorn, 100).save_weights(tmp_path / "w.weights.json", max_shard_size=SIZE)
    with pytest.raises(ValueError, match=r"weights\.h5"):
        stack(oxhorn, 1).save_weights(tmp_path / "w.weights.json")
    with pytest.raises(ValueError, match=r"weights\.json"):
        stack(oxhorn, 1).save_weights(tmp_path / "w.json", max_shard_size=1)


@pytest.mark.parametrize(
    "place",
    ["../w_00000.weights.h5", "/w_00000.weights.h5", "a\\w_00000.weights.h5", "..", "", "link.weights.h5", 3],
)
def test_an_index_names_files_beside_it_only(tmp_path, place):
    model = stack(oxhorn, 2)
    folder = tmp_path / "in"
    folder.mkdir()
    model.save_weights(tmp_path / "w.weights.json", max_shard_size=1)
    model.save_weights(folder / "w.weights.json", max_shard_size=1)
    (folder / "link.weights.h5").symlink_to(tmp_path / "w_00000.weights.h5")
    index = json.loads((folder / "w.weights.json").read_text())
    index["weight_map"] = dict.fromkeys(index["weight_map"], place)
    (folder / "w.weights.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"beside it|no index"):
        model.load_weights(folder / "w.weights.json")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', "[" * 50_000]
)
def test_an_index_that_is_none(tmp_path, text):
    (tmp_path / "w.weights.json").write_text(text)
    with pytest.raises(ValueError, match="no index"):
        stack(oxhorn, 2).load_weights(tmp_path / "w.weights.json")


# -- the editor -------------------------------------------------------------------------------


def test_editor(tmp_path, capsys):
    stack(keras, 4, 2).save(tmp_path / "m.keras")
    editor = saving.KerasFileEditor(str(tmp_path / "m.keras"))
    editor.summary()
    assert "dense_1" in capsys.readouterr().out
    target = stack(oxhorn, 4, 4, 2)
    assert editor.compare(stack(oxhorn, 4, 2)) == {"status": "success", "error_count": 0, "match_count": 4}
    assert editor.compare(target)["status"] == "error"

    rng = np.random.default_rng(0)
    editor.rename_object("layers/dense_1", "dense_2")
    editor.add_object("layers/dense_1", {"0": rng.normal(size=(4, 4))})
    assert editor.compare(target)["error_count"] == 1
    editor.add_weights("dense_1", {"1": np.zeros(4), "junk": np.zeros(1)})
    editor.delete_weight("dense_1", "junk")
    editor.add_object("layers/other", {"0": np.zeros(1)})
    editor.delete_object("other")
    assert editor.compare(target) == {"status": "success", "error_count": 0, "match_count": 6}

    editor.save(tmp_path / "new.weights.h5")
    for model in (target, stack(keras, 4, 4, 2)):
        model.load_weights(tmp_path / "new.weights.h5")
        np.testing.assert_allclose(
            model.get_weights()[2], editor.weights_dict["layers"]["dense_1"]["0"], rtol=1e-6
        )


def test_editor_keeps_variables_beside_objects(tmp_path):
    class Both(oxhorn.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(), initializer="ones")
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x) * self.scale

    model = Both()
    model.build((None, 3))
    model.scale.assign(3.0)
    model.save_weights(tmp_path / "a.weights.h5")
    editor = saving.KerasFileEditor(tmp_path / "a.weights.h5")
    editor.save(tmp_path / "b.weights.h5")
    again = Both()
    again.build((None, 3))
    again.load_weights(tmp_path / "b.weights.h5")
    same_weights(again, model)


def test_editor_complains(tmp_path):
    stack(oxhorn, 4, 4).save_weights(tmp_path / "m.weights.h5")
    editor = saving.KerasFileEditor(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="more than once"):
        editor.delete_object("0")
    for name in ("nothing", "layers/nothing", "nothing/layers"):
        with pytest.raises(ValueError, match=r"not appear|not found"):
            editor.delete_object(name)
    with pytest.raises(ValueError, match="leaf name"):
        editor.rename_object("layers/dense", "a/b")
    with pytest.raises(ValueError, match="should be a dict"):
        editor.add_object("layers/x", [1])
    with pytest.raises(ValueError, match="not found in object"):
        editor.delete_weight("layers/dense", "7")
    for path in ("m.h5", "m.json"):
        with pytest.raises(ValueError, match="extension"):
            saving.KerasFileEditor(tmp_path / path)
        with pytest.raises(ValueError, match="extension"):
            editor.save(tmp_path / path)


def test_editor_refuses_links(tmp_path):
    stack(oxhorn, 2).save_weights(tmp_path / "victim.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "victim.weights.h5"), "/layers")
    try:
        assert saving.KerasFileEditor(tmp_path / "m.weights.h5").weights_dict == {}
    except ValueError as error:
        assert "HDF5" in str(error)


# -- models -----------------------------------------------------------------------------------


def test_file_objects():
    model = stack(oxhorn, 2)
    buffer = io.BytesIO()
    saving.saving_lib.save_model(model, buffer)
    same_weights(saving.saving_lib.load_model(buffer), model)


def test_models_without_weights_yet(tmp_path):
    model = oxhorn.Sequential([layers.Dense(2)])
    with pytest.raises(ValueError, match="not yet been built"):
        model.save_weights(tmp_path / "m.weights.h5")
    stack(oxhorn, 2).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="not yet been built"):
        model.load_weights(tmp_path / "m.weights.h5")


@saving.register_keras_serializable()
class Nested(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(2)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


@saving.register_keras_serializable()
class Subclass(oxhorn.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.nested = Nested()

    def call(self, x):
        return self.nested(x)


def test_a_subclassed_model_that_training_built(tmp_path):
    model = Subclass()
    model.compile("adam", "mse")
    x = np.ones((4, 3), "float32")
    model.fit(x, x[:, :2], verbose=0)
    model.save(tmp_path / "m.keras")
    again = oxhorn.models.load_model(tmp_path / "m.keras")
    same_weights(again, model)
    for a, b in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_container_that_contains_itself(tmp_path):
    model = stack(oxhorn, 2)
    loop = []
    loop.append(loop)
    layer = model.layers[0]
    with oxhorn._base.tracking.DotNotTrackScope():
        layer.loop = loop
    model.save_weights(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.weights.h5")


def test_wrong_arguments(tmp_path):
    model = stack(oxhorn, 2)
    with pytest.raises(ValueError, match="Invalid keyword"):
        model.load_weights(tmp_path / "m.h5", nonsense=1)
    with pytest.raises(ValueError, match="zipped=False"):
        model.save(tmp_path / "m.keras", zipped=False)
    with pytest.raises(ValueError, match="save_format"):
        model.save(tmp_path / "m.txt", save_format="tf")
    with pytest.raises(ValueError, match="format not supported"):
        oxhorn.models.load_model(tmp_path / "m.pkl")
    with pytest.raises(ValueError, match="File not found"):
        oxhorn.models.load_model(tmp_path / "m.keras")
