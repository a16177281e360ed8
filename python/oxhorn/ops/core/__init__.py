"""Conversion, indexing and control flow. Public in `oxhorn.ops`."""
