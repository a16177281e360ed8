"""Data sets of the files in a directory, with labels from the names of its subdirectories."""

import os

import numpy as np

from oxhorn._base.messages import print_msg
from oxhorn.utils.dataset import AUTOTUNE, Dataset


def dataset_of_files(
    kind,
    formats,
    read,
    batch,
    directory,
    labels,
    label_mode,
    class_names,
    batch_size,
    shuffle,
    seed,
    validation_split,
    subset,
    follow_links,
    verbose,
):
    """A data set, or for `subset="both"` a list of two: see `image_dataset_from_directory` for the arguments.

    Args:
        kind: what the files are, for messages.
        formats: extensions of files to use.
        read: function from a path to an element.
        batch: function from a data set and a size to one of batches.
    """
    if labels not in ("inferred", None):
        if not isinstance(labels, (list, tuple)):
            raise ValueError(
                "`labels` argument should be a list/tuple of integer labels, of the same size as the "
                f"number of {kind} files in the target directory. If you wish to infer the labels from the "
                "subdirectory "
                'names in the target directory, pass `labels="inferred"`. To get a dataset without '
                f"labels, pass `labels=None`. Received: labels={labels}"
            )
        if class_names:
            raise ValueError(
                'You can only pass `class_names` if `labels="inferred"`. '
                f"Received: labels={labels}, and class_names={class_names}"
            )
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            '`label_mode` argument must be one of "int", "categorical", "binary", or None. '
            f"Received: label_mode={label_mode}"
        )
    if labels is None or label_mode is None:
        labels = label_mode = None
    _check_split(validation_split, subset, shuffle, seed)
    if seed is None:
        seed = int(np.random.randint(1e6))
    paths, labels, class_names = index_directory(
        directory, labels, formats, class_names, shuffle, seed, follow_links, verbose
    )
    if label_mode == "binary" and len(class_names) != 2:
        raise ValueError(
            'When passing `label_mode="binary"`, there must be exactly 2 class_names. '
            f"Received: class_names={class_names}"
        )

    def make(part, shuffle):
        own_paths, own_labels = training_or_validation_part(paths, labels, validation_split, part)
        if not own_paths:
            raise ValueError(
                f"No {part + ' ' if part else ''}{kind} files found in directory {directory}. "
                f"Allowed formats: {formats}"
            )
        columns = np.array(own_paths, dtype=object)
        if label_mode is not None:
            columns = (columns, _encode(own_labels, label_mode, len(class_names)))
        dataset = Dataset.from_tensor_slices(columns)
        if shuffle:
            dataset = dataset.shuffle(8 * batch_size if batch_size else 1024, seed=seed)
        if label_mode is None:
            dataset = dataset.map(read, num_parallel_calls=AUTOTUNE)
        else:
            dataset = dataset.map(lambda path, label: (read(path), label), num_parallel_calls=AUTOTUNE)
        if batch_size is not None:
            dataset = batch(dataset, batch_size)
        dataset = dataset.prefetch(2)
        dataset.class_names = class_names
        dataset.file_paths = own_paths
        return dataset

    if subset == "both":
        return [make("training", shuffle), make("validation", False)]
    return make(subset, shuffle)


def _check_split(validation_split, subset, shuffle, seed):
    if validation_split and not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1, received: {validation_split}")
    if bool(validation_split) != bool(subset):
        raise ValueError("If `subset` is set, `validation_split` must be set, and inversely.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f'`subset` must be either "training", "validation" or "both", received: {subset}')
    if validation_split and shuffle and seed is None:
        raise ValueError(
            "If using `validation_split` and shuffling the data, you must provide a `seed` argument, to make "
            "sure that there is no overlap between the training and validation subset."
        )


def _encode(labels, label_mode, classes):
    labels = np.asarray(labels, dtype="int32")
    if label_mode == "binary":
        return labels.astype("float32")[:, None]
    return np.eye(classes, dtype="float32")[labels] if label_mode == "categorical" else labels


def index_directory(
    directory, labels, formats, class_names=None, shuffle=True, seed=None, follow_links=False, verbose=True
):
    """The files under a directory.

    Args:
        directory: path.
        labels: "inferred": the number of the file's subdirectory; None: none; or a list of them.
        formats: tuple of extensions.
        class_names: names of the subdirectories, in the order of their labels; default: all, sorted.
        shuffle, seed: whether the files come in random order, and the seed of it.
        follow_links: whether to enter directories behind links.
        verbose: whether to print how many files there are.

    Returns:
        Paths, labels or None, and names of the classes or None.

    Raises:
        ValueError: names or labels that do not fit the directory.
    """
    directory = os.fspath(directory)
    folders = [""]
    if labels == "inferred":
        folders = sorted(
            name
            for name in os.listdir(directory)
            if not name.startswith(".") and os.path.isdir(os.path.join(directory, name))
        )
        if class_names is not None and not set(class_names) <= set(folders):
            raise ValueError(
                "The `class_names` passed did not match the names of the subdirectories of the target "
                f"directory. Expected: {folders} (or a subset of it), but received: class_names={class_names}"
            )
        folders = list(folders if class_names is None else class_names)
    elif class_names is not None:
        raise ValueError(
            "When `labels=None` (no labels), argument `class_names` cannot be specified."
            if labels is None
            else "When argument `labels` is specified, argument `class_names` cannot be specified (the "
            "`class_names` will be the sorted list of labels)."
        )
    found = [
        (path, number)
        for number, name in enumerate(folders)
        for path in _files(os.path.join(directory, name), formats, follow_links)
    ]
    paths = [path for path, _ in found]
    if labels == "inferred":
        labels, class_names = [number for _, number in found], folders
    elif labels is None:
        class_names = None
    else:
        if len(labels) != len(paths):
            raise ValueError(
                "Expected the lengths of `labels` to match the number of files in the target directory. "
                f"len(labels) is {len(labels)} while we found {len(paths)} files in directory {directory}."
            )
        class_names = [str(label) for label in sorted(set(labels))]
    if verbose:
        of = "" if labels is None else f" belonging to {len(class_names)} classes"
        print_msg(f"Found {len(paths)} files{of}.")
    if shuffle:
        seed = int(np.random.randint(1e6)) if seed is None else seed
        np.random.RandomState(seed).shuffle(paths)
        if labels is not None:
            labels = list(labels)
            np.random.RandomState(seed).shuffle(labels)
    return paths, labels, class_names


def _files(directory, formats, follow_links):
    for folder, _, names in sorted(os.walk(directory, followlinks=follow_links)):
        for name in sorted(names):
            if name.lower().endswith(formats):
                yield os.path.join(folder, name)


def training_or_validation_part(samples, labels, validation_split, subset):
    """The first or the last entries of two lists; all, if there is no split."""
    if not validation_split:
        return samples, labels
    held_out = int(validation_split * len(samples))
    if subset not in ("training", "validation"):
        raise ValueError(f'`subset` must be either "training" or "validation", received: {subset}')
    training = subset == "training"
    print_msg(f"Using {len(samples) - held_out if training else held_out} files for {subset}.")
    part = slice(0, len(samples) - held_out) if training else slice(len(samples) - held_out, None)
    return samples[part], None if labels is None else labels[part]
