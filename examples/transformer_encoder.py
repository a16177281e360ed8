"""A transformer encoder that tells whether a film review is positive."""

import oxhorn as keras
from _common import imdb_sequences, run
from oxhorn import layers, ops

WORDS = 10000


@keras.saving.register_keras_serializable("examples")
class PositionalEmbedding(layers.Layer):
    """The sum of an embedding of the words and one of their places."""

    def __init__(self, length, words, width, **kwargs):
        super().__init__(**kwargs)
        self.length, self.words, self.width = length, words, width
        self.word_embedding = layers.Embedding(words, width)
        self.place_embedding = layers.Embedding(length, width)

    def call(self, x):
        return self.word_embedding(x) + self.place_embedding(ops.arange(ops.shape(x)[-1]))

    def compute_mask(self, x, mask=None):
        return ops.not_equal(x, 0)

    def get_config(self):
        config = super().get_config()
        return {**config, "length": self.length, "words": self.words, "width": self.width}


@keras.saving.register_keras_serializable("examples")
class TransformerEncoder(layers.Layer):
    """Self-attention and a dense network, each with a residual connection and normalisation."""

    def __init__(self, width, hidden, heads, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.width, self.hidden, self.heads, self.rate = width, hidden, heads, rate
        self.attention = layers.MultiHeadAttention(heads, key_dim=width // heads, dropout=rate)
        self.dense = keras.Sequential([layers.Dense(hidden, activation="relu"), layers.Dense(width)])
        self.dropout = layers.Dropout(rate)
        self.norm_1 = layers.LayerNormalization()
        self.norm_2 = layers.LayerNormalization()
        self.supports_masking = True

    def call(self, x, mask=None, training=False):
        attention_mask = None if mask is None else mask[:, None, :]
        attended = self.attention(x, x, attention_mask=attention_mask, training=training)
        x = self.norm_1(x + attended)
        return self.norm_2(x + self.dropout(self.dense(x), training=training))

    def get_config(self):
        own = {"width": self.width, "hidden": self.hidden, "heads": self.heads, "rate": self.rate}
        return {**super().get_config(), **own}


def build(maxlen, width=32):
    text = keras.Input(shape=(maxlen,), dtype="int32")
    x = PositionalEmbedding(maxlen, WORDS, width)(text)
    x = TransformerEncoder(width, hidden=32, heads=2)(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(text, layers.Dense(1, activation="sigmoid")(x))


def main(epochs=2, data="", samples=25000, maxlen=200):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = imdb_sequences(data, samples, maxlen, WORDS)
    model = build(maxlen)
    model.summary()
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=64, epochs=epochs, validation_split=0.1)
    _, accuracy = model.evaluate(x_test, y_test, batch_size=64, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    return {"accuracy": accuracy, "losses": history.history["loss"], "model": model}


if __name__ == "__main__":
    run(main)
