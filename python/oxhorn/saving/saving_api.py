"""`save_model`, `load_model` and their forms for weights alone: the format follows from the path."""

import os
import warnings

from oxhorn.saving import legacy_h5, saving_lib

_LEGACY = (".h5", ".hdf5")


def _may_write(filepath, overwrite):
    if overwrite or not os.path.exists(filepath):
        return True
    answer = input(f"[WARNING] {filepath} already exists - overwrite? [y/n] ").strip().lower()
    return answer in ("y", "yes")


def save_model(model, filepath, overwrite=True, zipped=None, **kwargs):
    """Writes a model to a `.keras` file, a directory (if `zipped` is False), or an `.h5` file as in Keras 2.

    Args:
        model: the model.
        filepath: path that ends in ".keras", or in ".h5" or ".hdf5".
        overwrite: whether to replace an existing file without asking.
        zipped: whether to write one file (default) or a directory.
        include_optimizer: for `.h5`: whether to write the state of the training.

    Raises:
        ValueError: for another extension.
    """
    filepath = os.fspath(filepath)
    save_format = kwargs.pop("save_format", None)
    if save_format:
        message = "The `save_format` argument is deprecated in Keras 3. The format follows from the path."
        if not filepath.endswith((".keras", *_LEGACY)):
            raise ValueError(
                f"{message} Pass a path with either `.keras` or `.h5` extension. Received: {save_format}"
            )
        warnings.warn(message, stacklevel=3)
    include_optimizer = kwargs.pop("include_optimizer", True)
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {list(kwargs)}")
    if filepath.endswith(_LEGACY):
        warnings.warn(
            "You are saving your model as an HDF5 file. This file format is considered legacy. We recommend "
            "using instead the native Keras format, e.g. `model.save('my_model.keras')`.",
            stacklevel=3,
        )
        if _may_write(filepath, overwrite):
            legacy_h5.save_model_to_hdf5(model, filepath, include_optimizer)
        return
    if zipped is None:
        zipped = filepath.endswith(".keras") or not os.path.isdir(filepath)
    if zipped and not filepath.endswith(".keras"):
        raise ValueError(
            "Invalid filepath extension for saving. Please add either a `.keras` extension for "
            "the native Keras "
            f"format (recommended) or a `.h5` extension. Received: filepath={filepath}."
        )
    if _may_write(filepath, overwrite):
        saving_lib.save_model(model, filepath, zipped=zipped)


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """Reads a model written by `save_model`, here or in Keras.

    Nothing in the file is executed: classes come from a closed table and from `custom_objects`.

    Args:
        filepath: path of a `.keras` file, of a directory, or of an `.h5` file.
        custom_objects: dict from name to class or function.
        compile: whether to compile the model as it was.
        safe_mode: whether to refuse Lambda layers, whose code would come from the file.

    Raises:
        ValueError: if the file is not there or is no model.
    """
    filepath = os.fspath(filepath)
    if os.path.isdir(filepath) or (filepath.endswith(".keras") and _starts_with(filepath, b"PK")):
        return saving_lib.load_model(filepath, custom_objects, compile, safe_mode)
    if not os.path.exists(filepath):
        if filepath.endswith(_LEGACY):
            raise FileNotFoundError(f"No such file: {filepath}")
        if filepath.endswith(".keras"):
            raise ValueError(
                f"File not found: filepath={filepath}. Please ensure the file is an accessible `.keras` zip "
                "file."
            )
    if legacy_h5.is_hdf5(filepath):
        return legacy_h5.load_model_from_hdf5(filepath, custom_objects, compile, safe_mode)
    raise ValueError(
        f"File format not supported: filepath={filepath}. Supported are `.keras` zip archives, directories "
        "written with `zipped=False`, and `.h5` files."
    )


def save_weights(model, filepath, overwrite=True, max_shard_size=None, **kwargs):
    """Writes the weights of a model or layer; see `saving_lib.save_weights_only` for the arguments."""
    filepath = os.fspath(filepath)
    saving_lib.check_weights_path(filepath, max_shard_size)
    if _may_write(filepath, overwrite):
        saving_lib.save_weights_only(model, filepath, max_shard_size, **kwargs)


def load_weights(model, filepath, skip_mismatch=False, **kwargs):
    """Reads weights from a `.weights.h5`, `.weights.json`, `.keras` or `.h5` file.

    Args:
        model: the model or layer.
        filepath: path.
        skip_mismatch: keep the weights of layers that do not match, with a warning, in place of an error.
        by_name: for `.h5`: take layers of the same names in place of the layers in order.
    """
    filepath = os.fspath(filepath)
    by_name = kwargs.pop("by_name", None)
    objects_to_skip = kwargs.pop("objects_to_skip", None)
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    native = filepath.endswith((".weights.h5", ".weights.json"))
    legacy = filepath.endswith(_LEGACY) and not native
    if not (native or legacy or filepath.endswith(".keras")):
        raise ValueError(
            f"File format not supported: filepath={filepath}. Supported are `.keras`, `.weights.h5`, "
            "`.weights.json`, and legacy `.h5` and `.hdf5` files."
        )
    if by_name is not None and not legacy:
        raise ValueError(
            f"`by_name` only supports loading legacy '.h5' or '.hdf5' files. Received: {filepath}"
        )
    if objects_to_skip is not None and not native:
        raise ValueError(f"`objects_to_skip` only supports loading '.weights.h5' files. Received: {filepath}")
    if not os.path.exists(filepath):
        raise FileNotFoundError(f"No such file: {filepath}")
    if legacy:
        legacy_h5.load_weights_from_hdf5(model, filepath, bool(by_name), skip_mismatch)
    else:
        saving_lib.load_weights_only(model, filepath, skip_mismatch, objects_to_skip)


def _starts_with(filepath, magic):
    try:
        with open(filepath, "rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False
