"""Preparation of data, under the names of Keras 2."""

from oxhorn.preprocessing import image, sequence
from oxhorn.utils.image_dataset_utils import image_dataset_from_directory
from oxhorn.utils.text_dataset_utils import text_dataset_from_directory
from oxhorn.utils.timeseries_dataset_utils import timeseries_dataset_from_array
