"""An LSTM that reads Nietzsche letter by letter, and writes on."""

import numpy as np

import oxhorn as keras
from _common import choose, data_file, run
from oxhorn import layers, ops

ORIGIN = "https://s3.amazonaws.com/text-datasets/nietzsche.txt"
LENGTH = 60  # characters read before one is guessed
STEP = 3  # characters between two training samples


class OneHot(layers.Layer):
    """Characters' numbers as rows with a single 1."""

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth

    def call(self, x):
        return ops.one_hot(x, self.depth)

    def get_config(self):
        return {**super().get_config(), "depth": self.depth}


def write(model, start, length, temperature, rng):
    """Numbers of `length` characters that follow those of `start`."""
    text = list(start)
    for _ in range(length):
        probabilities = model.predict(np.array([text[-LENGTH:]], dtype="int32"), verbose=0)[0]
        text.append(choose(probabilities, temperature, rng))
    return text[len(start) :]


def main(epochs=10, data="", characters=600000, sample_length=200):
    keras.utils.set_random_seed(0)
    with open(data_file("nietzsche.txt", data, ORIGIN), encoding="utf-8") as file:
        text = file.read().lower()[:characters]
    alphabet = sorted(set(text))
    number_of = {character: number for number, character in enumerate(alphabet)}
    numbers = np.array([number_of[character] for character in text], dtype="int32")
    starts = np.arange(0, len(numbers) - LENGTH, STEP)
    x = numbers[starts[:, np.newaxis] + np.arange(LENGTH)]
    y = numbers[starts + LENGTH]
    print(f"{len(text)} characters, {len(alphabet)} different ones, {len(x)} samples")

    model = keras.Sequential(
        [
            keras.Input(shape=(LENGTH,), dtype="int32"),
            OneHot(len(alphabet)),
            layers.LSTM(128),
            layers.Dense(len(alphabet), activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.RMSprop(learning_rate=0.01)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")

    rng = np.random.default_rng(0)
    losses, written = [], ""
    for epoch in range(1, epochs + 1):
        losses += model.fit(x, y, batch_size=128, epochs=1).history["loss"]
        start = rng.integers(0, len(numbers) - LENGTH)
        seed = numbers[start : start + LENGTH]
        print(f'\nAfter epoch {epoch}, continuing "{text[start : start + LENGTH]}"')
        for temperature in (0.2, 0.5, 1.0, 1.2):
            written = "".join(alphabet[i] for i in write(model, seed, sample_length, temperature, rng))
            print(f"-- temperature {temperature}: {written}")
    return {"losses": losses, "text": written, "alphabet": alphabet}


if __name__ == "__main__":
    run(main)
