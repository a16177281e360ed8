"""House prices with few samples: k-fold validation.

The data are a classic that has a documented ethical flaw (one column encodes race): a benchmark only.
"""

import numpy as np

import oxhorn as keras
from _common import data_file, run
from oxhorn import layers, models
from oxhorn.datasets import boston_housing

FOLDS = 4


def build(features):
    model = models.Sequential()
    model.add(layers.Dense(64, activation="relu", input_shape=(features,)))
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    return model


def main(epochs=120, data=""):
    keras.utils.set_random_seed(0)
    path = data_file("boston_housing.npz", data)
    (x_train, y_train), (x_test, y_test) = boston_housing.load_data(path=path)
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    x_train, x_test = (x_train - mean) / deviation, (x_test - mean) / deviation

    fold_of = np.arange(len(x_train)) * FOLDS // len(x_train)
    errors = []
    for fold in range(FOLDS):
        held_out = fold_of == fold
        model = build(x_train.shape[1])
        model.fit(x_train[~held_out], y_train[~held_out], epochs=epochs, batch_size=8, verbose=0)
        _, mae = model.evaluate(x_train[held_out], y_train[held_out], verbose=0)
        print(f"Fold {fold + 1} of {FOLDS}: mean absolute error {mae:.2f} thousand dollars")
        errors.append(mae)
    print(f"Mean over the folds: {np.mean(errors):.2f}")

    model = build(x_train.shape[1])
    model.fit(x_train, y_train, epochs=epochs, batch_size=8, verbose=0)
    _, test_mae = model.evaluate(x_test, y_test, verbose=0)
    print(f"On the test set: {test_mae:.2f}")
    return {"folds": errors, "test": test_mae}


if __name__ == "__main__":
    run(main)
