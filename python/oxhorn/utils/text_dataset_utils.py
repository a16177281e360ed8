"""Text files in a directory as a data set."""

import pathlib

from oxhorn.utils.directory_dataset import dataset_of_files


def text_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    batch_size=32,
    max_length=None,
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    follow_links=False,
    format="tf",
    verbose=True,
):
    """Batches of the contents of the `.txt` files under a directory, as arrays of strings.

    Args:
        max_length: longest number of characters to keep; None: all.

    For the other arguments, the result and the errors see `image_dataset_from_directory`.
    """
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either "tf" or "grain". Received: format={format}')

    def read(path):
        return pathlib.Path(path).read_bytes().decode("utf-8", "replace")[:max_length]

    return dataset_of_files(
        "text",
        (".txt",),
        read,
        lambda dataset, size: dataset.batch(size),
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
    )
