"""Functions of images, as in `keras.ops.image`."""

from oxhorn.ops.image.color import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv, sobel_edges
from oxhorn.ops.image.cutting import crop_images, extract_patches, extract_patches_3d, pad_images
from oxhorn.ops.image.filters import gaussian_blur, ssim
from oxhorn.ops.image.geometry import (
    affine_transform,
    elastic_transform,
    map_coordinates,
    perspective_transform,
)
from oxhorn.ops.image.resampling import resize, scale_and_translate
