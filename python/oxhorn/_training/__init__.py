"""Compiling, differentiating and training: what `Model.compile`, `fit` and their relatives are made of."""
