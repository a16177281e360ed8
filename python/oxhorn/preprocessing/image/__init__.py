"""Image files as arrays and back."""

from oxhorn.utils.image_utils import array_to_img, img_to_array, load_img, save_img, smart_resize
