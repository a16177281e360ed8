"""Networks that read sequences."""

from .measure import step_time


def transformer(keras, scale):
    """A causal language model: four blocks of width 256, 128 tokens of a vocabulary of 5,000."""
    import numpy as np

    layers = keras.layers
    length, vocabulary, width = 128, 5000, 256

    class PositionEmbedding(layers.Layer):
        def build(self, input_shape):
            self.positions = self.add_weight(shape=input_shape[1:], initializer="uniform")

        def call(self, x):
            return x + self.positions

    inputs = keras.Input(shape=(length,), dtype="int32")
    x = PositionEmbedding()(layers.Embedding(vocabulary, width)(inputs))
    for _ in range(4):
        y = layers.LayerNormalization()(x)
        x = layers.add([x, layers.MultiHeadAttention(4, width // 4)(y, y, use_causal_mask=True)])
        y = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.add([x, layers.Dense(width)(y)])
    model = keras.Model(inputs, layers.Dense(vocabulary)(layers.LayerNormalization()(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    # Frequencies of words fall with their ranks, which a few steps can learn.
    frequencies = 1 / np.arange(1, vocabulary + 1)
    text = np.random.default_rng(0).choice(
        vocabulary, (16 * 4, length + 1), p=frequencies / frequencies.sum()
    )
    text = text.astype("int32")
    return step_time(model, text[:, :-1], text[:, 1:], 16, scale(2))
