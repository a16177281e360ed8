"""Preparation of data, under the names of Keras 2."""

from oxhorn.preprocessing import sequence
