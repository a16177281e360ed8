"""A convnet on scikit-learn's 1,797 handwritten digits, with a picture of how it learns and errs."""

import numpy as np

import oxhorn as keras
from _common import OUTPUT, digits, run
from oxhorn import layers


def build():
    return keras.Sequential(
        [
            keras.Input(shape=(8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def draw(history, confusion, path):
    """Writes the curves of loss and accuracy, and the confusion matrix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (losses, accuracies, matrix) = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    epochs = np.arange(1, len(history["loss"]) + 1)
    for axes, name in ((losses, "loss"), (accuracies, "accuracy")):
        axes.plot(epochs, history[name], label="training")
        axes.plot(epochs, history[f"val_{name}"], label="validation")
        axes.set(title=name.capitalize(), xlabel="epoch")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    matrix.imshow(np.log1p(confusion), cmap="Blues")
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            color = "white" if row == column else "black"
            matrix.text(column, row, count, ha="center", va="center", color=color, fontsize=8)
    matrix.set(title="Test digits", xlabel="read as", ylabel="written", xticks=range(10), yticks=range(10))
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main(epochs=20):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = digits()
    model = build()
    model.summary()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=32, epochs=epochs, validation_split=0.1, verbose=2)

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    predicted = np.argmax(model.predict(x_test, verbose=0), axis=1)
    confusion = np.zeros((10, 10), dtype=int)
    np.add.at(confusion, (y_test, predicted), 1)
    picture = OUTPUT / "digits.png"
    draw(history.history, confusion, picture)
    print(f"Test accuracy: {accuracy:.2%} ({confusion.trace()} of {len(y_test)} digits)")
    print(f"Wrote {picture}")
    return {"accuracy": accuracy, "loss": loss, "picture": picture, "confusion": confusion}


if __name__ == "__main__":
    run(main)
