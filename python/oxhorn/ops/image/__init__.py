"""Functions of images, as in `keras.ops.image`."""

from oxhorn._base import lazy as _lazy

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "ops.image.color": "hsv_to_rgb rgb_to_grayscale rgb_to_hsv sobel_edges",
        "ops.image.cutting": "crop_images extract_patches extract_patches_3d pad_images",
        "ops.image.filters": "gaussian_blur ssim",
        "ops.image.geometry": "affine_transform elastic_transform map_coordinates perspective_transform",
        "ops.image.resampling": "resize scale_and_translate",
    },
)
