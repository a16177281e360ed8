"""A small GPT that reads Shakespeare letter by letter, and writes on."""

import numpy as np

import oxhorn as keras
from _common import choose, data_file, run
from oxhorn import layers, ops

ORIGIN = "https://storage.googleapis.com/download.tensorflow.org/data/shakespeare.txt"
CONTEXT, WIDTH, HEADS, BLOCKS = 64, 96, 4, 2


class Block(layers.Layer):
    """Causal self-attention and a dense network, with residual connections around both."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm_1 = layers.LayerNormalization()
        self.attention = layers.MultiHeadAttention(HEADS, key_dim=WIDTH // HEADS)
        self.norm_2 = layers.LayerNormalization()
        self.dense_1 = layers.Dense(4 * WIDTH, activation="gelu")
        self.dense_2 = layers.Dense(WIDTH)

    def call(self, x):
        normed = self.norm_1(x)
        x = x + self.attention(normed, normed, use_causal_mask=True)
        return x + self.dense_2(self.dense_1(self.norm_2(x)))


class GPT(keras.Model):
    """Logits of the next character at every place of a text."""

    def __init__(self, alphabet, **kwargs):
        super().__init__(**kwargs)
        self.characters = layers.Embedding(alphabet, WIDTH)
        self.places = layers.Embedding(CONTEXT, WIDTH)
        self.blocks = [Block() for _ in range(BLOCKS)]
        self.norm = layers.LayerNormalization()
        self.head = layers.Dense(alphabet)

    def call(self, x):
        x = self.characters(x) + self.places(ops.arange(ops.shape(x)[-1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def write(model, start, length, temperature, rng):
    """Numbers of `length` characters that follow those of `start`."""
    text = list(start)
    for _ in range(length):
        window = np.zeros((1, CONTEXT), dtype="int32")
        recent = text[-CONTEXT:]
        window[0, : len(recent)] = recent
        # What comes after the text cannot change what the model says about it.
        logits = model.predict_on_batch(window)[0, len(recent) - 1]
        probabilities = np.exp(logits - logits.max())
        text.append(choose(probabilities, temperature, rng))
    return text[len(start) :]


def main(epochs=3, data="", characters=1115394, sample_length=300):
    keras.utils.set_random_seed(0)
    with open(data_file("shakespeare.txt", data, ORIGIN), encoding="utf-8") as file:
        text = file.read()[:characters]
    alphabet = sorted(set(text))
    number_of = {character: number for number, character in enumerate(alphabet)}
    numbers = np.array([number_of[character] for character in text], dtype="int32")
    # Windows that overlap by half; the target of each character is the one after it.
    starts = np.arange(0, len(numbers) - CONTEXT, CONTEXT // 2)
    windows = numbers[starts[:, np.newaxis] + np.arange(CONTEXT + 1)]
    held_out = len(windows) // 20

    model = GPT(len(alphabet))
    model.compile(
        optimizer=keras.optimizers.AdamW(2e-3, weight_decay=0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    train, test = windows[:-held_out], windows[-held_out:]
    history = model.fit(
        train[:, :-1], train[:, 1:], batch_size=64, epochs=epochs, validation_data=(test[:, :-1], test[:, 1:])
    )
    start = [number_of[character] for character in "\nROMEO:\n" if character in number_of]
    rng = np.random.default_rng(0)
    written = "".join(alphabet[i] for i in write(model, start, sample_length, 0.8, rng))
    print(f"ROMEO:\n{written}")
    return {"history": history.history, "text": written, "alphabet": alphabet, "model": model}


if __name__ == "__main__":
    run(main)
