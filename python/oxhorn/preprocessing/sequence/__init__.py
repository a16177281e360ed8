"""Sequences of different lengths."""

from oxhorn.utils.sequence_utils import pad_sequences
