"""Small colour pictures in 100 classes of 20 groups: 50,000 for training and 10,000 for testing."""

from oxhorn.datasets import _cifar


def load_data(label_mode="fine"):
    """The images and their classes, or their groups with `label_mode="coarse"`.

    Returns: `(x_train, y_train), (x_test, y_test)`: uint8 arrays `(n, 32, 32, 3)` (or `(n, 3, 32, 32)`, as
    `image_data_format()` says) and `(n, 1)`. Raises ValueError for other modes.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(
            f'`label_mode` must be one of `"fine"`, `"coarse"`. Received: label_mode={label_mode}.'
        )
    return _cifar.load(
        fname="cifar-100-python-target",
        archive="cifar-100-python.tar.gz",
        file_hash="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        folder="cifar-100-python",
        train_files=["train"],
        test_files=["test"],
        label_key=f"{label_mode}_labels",
    )
