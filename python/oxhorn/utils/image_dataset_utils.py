"""Images in a directory as a data set."""

import numpy as np

from oxhorn import ops
from oxhorn._base.settings import standardize_data_format
from oxhorn.utils.directory_dataset import dataset_of_files
from oxhorn.utils.image_utils import img_to_array, load_img

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")


def image_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    color_mode="rgb",
    batch_size=32,
    image_size=(256, 256),
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    interpolation="bilinear",
    follow_links=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    data_format=None,
    format="tf",
    verbose=True,
):
    """Batches of the images under a directory: `.bmp`, `.gif` (the first frame), `.jpeg`, `.jpg` and `.png`.

    Args:
        directory: path; with `labels="inferred"` it has a subdirectory for each class.
        labels: "inferred", None (no labels), or a list of integers in the order of the sorted paths.
        label_mode: "int", "categorical" (one-hot), "binary" (float32 of shape `(batch, 1)`), or None.
        class_names: subdirectories in the order of their labels; default: all, sorted.
        color_mode: "grayscale", "rgb" or "rgba".
        batch_size: images in a batch; None: single images.
        image_size: (height, width) that images are resized to.
        shuffle: whether images come in random order, another one in each pass.
        seed: of the order.
        validation_split: share of the images for validation.
        subset: "training", "validation" or "both", if there is a split.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        follow_links: whether to enter directories behind links.
        crop_to_aspect_ratio, pad_to_aspect_ratio: cut or pad images that have another ratio of sides, in
            place of distorting them.
        data_format: "channels_last" or "channels_first"; default: that of the configuration.
        format: accepted for compatibility.
        verbose: whether to print how many files there are.

    Returns:
        A `Dataset` of float32 images, or of images and labels, with attributes `class_names` and
        `file_paths`; for `subset="both"` a list of two.

    Raises:
        ValueError: arguments out of their ranges, or no images.
        ImportError: there is no Pillow.
    """
    if color_mode not in ("rgb", "rgba", "grayscale"):
        raise ValueError(
            f'`color_mode` must be one of {{"rgb", "rgba", "grayscale"}}. Received: color_mode={color_mode}'
        )
    if isinstance(image_size, int):
        image_size = (image_size, image_size)
    elif not isinstance(image_size, (list, tuple)) or len(image_size) != 2:
        raise ValueError(
            f"Invalid `image_size` value. Expected a tuple of 2 integers. Received: image_size={image_size}"
        )
    interpolation = interpolation.lower()
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"Argument `interpolation` should be one of {_INTERPOLATIONS}. "
            f"Received: interpolation={interpolation}"
        )
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either "tf" or "grain". Received: format={format}')
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio`, `crop_to_aspect_ratio` can be set to `True`.")
    data_format = standardize_data_format(data_format)

    def read(path):
        image = img_to_array(load_img(path, color_mode), data_format, "float32")
        resized = ops.image.resize(
            image,
            image_size,
            interpolation=interpolation,
            crop_to_aspect_ratio=crop_to_aspect_ratio,
            pad_to_aspect_ratio=pad_to_aspect_ratio,
            data_format=data_format,
        )
        return np.array(resized)

    return dataset_of_files(
        "image",
        FORMATS,
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
