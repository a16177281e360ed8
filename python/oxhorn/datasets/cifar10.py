"""Small colour pictures in ten classes: 50,000 for training and 10,000 for testing."""

from oxhorn.datasets import _cifar


def load_data():
    """The images and their classes.

    Airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.

    Returns: `(x_train, y_train), (x_test, y_test)`: uint8 arrays `(n, 32, 32, 3)` (or `(n, 3, 32, 32)`, as
    `image_data_format()` says) and `(n, 1)`.
    """
    return _cifar.load(
        fname="cifar-10-batches-py-target",
        archive="cifar-10-python.tar.gz",
        file_hash="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        folder="cifar-10-batches-py",
        train_files=[f"data_batch_{i}" for i in range(1, 6)],
        test_files=["test_batch"],
        label_key="labels",
    )
