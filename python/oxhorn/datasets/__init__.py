"""Small data sets for examples, downloaded into the cache when they are first used."""

from oxhorn.datasets import (
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)
