"""Archives that are broken or mean harm: an error, nothing loaded, nothing run."""

import io
import json
import warnings
import zipfile

import pytest

import oxhorn as keras
from oxhorn import layers


@pytest.fixture
def members(tmp_path):
    """The members of a good archive."""
    keras.Sequential([layers.Input((3,)), layers.Dense(2)]).save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def load(tmp_path, pairs, compression=zipfile.ZIP_STORED):
    path = tmp_path / "bad.keras"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own about names that come twice
        for name, data in pairs:
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    return keras.models.load_model(path)


def test_the_good_archive_loads(tmp_path, members):
    assert load(tmp_path, members.items()).count_params() == 8


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_member(tmp_path, members, name):
    with pytest.raises(ValueError, match=r"model\.weights|config\.json"):
        load(tmp_path, [pair for pair in members.items() if pair[0] != name])


def test_member_twice(tmp_path, members):
    with pytest.raises(ValueError, match="twice"):
        load(tmp_path, [*members.items(), ("config.json", b"{}")])


@pytest.mark.parametrize("text", [b"{", b"[1]", b"[" * 100_000, b"\xff"])
def test_config_that_is_no_object(tmp_path, members, text):
    with pytest.raises(ValueError, match=r"config\.json"):
        load(tmp_path, {**members, "config.json": text}.items())


def test_bomb(tmp_path, members):
    bomb = {**members, "config.json": b" " * (1 << 26)}
    with pytest.raises(ValueError, match="declares"):
        load(tmp_path, bomb.items(), zipfile.ZIP_DEFLATED)


def test_damaged_weights(tmp_path, members):
    with pytest.raises(ValueError, match="HDF5"):
        load(tmp_path, {**members, "model.weights.h5": members["model.weights.h5"][:100]}.items())


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("keras.utils", "get_file"), ("keras.models", "load_model")],
)
def test_names_outside_the_table(tmp_path, members, module, name):
    config = json.loads(members["config.json"])
    layer = config["config"]["layers"][1]
    layer.update(module=module, class_name=name, registered_name=None)
    with pytest.raises((TypeError, ValueError)):
        load(tmp_path, {**members, "config.json": json.dumps(config)}.items())
