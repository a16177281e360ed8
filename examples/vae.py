"""A variational autoencoder of MNIST's digits, and a picture of the plane of codes it learns."""

import numpy as np

import oxhorn as keras
from _common import OUTPUT, mnist_images, run, save_grid
from oxhorn import layers, models, ops

CODE = 2


class Sampling(layers.Layer):
    """A code drawn from the normal distribution that the encoder describes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class VariationalLoss(layers.Layer):
    """Adds the loss of a variational autoencoder; returns the reconstruction."""

    def call(self, inputs):
        image, reconstruction, mean, log_variance = inputs
        error = keras.losses.binary_crossentropy(image, reconstruction)  # mean over the channel
        divergence = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        self.add_loss(ops.mean(ops.sum(error, axis=(1, 2)) + divergence))
        return reconstruction


def build():
    image = keras.Input(shape=(28, 28, 1))
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(32, activation="relu")(x)
    mean = layers.Dense(CODE)(x)
    log_variance = layers.Dense(CODE)(x)
    encoder = models.Model(image, [mean, log_variance], name="encoder")

    code = keras.Input(shape=(CODE,))
    x = layers.Dense(7 * 7 * 64, activation="relu")(code)
    x = layers.Reshape((7, 7, 64))(x)
    x = layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    decoded = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
    decoder = models.Model(code, decoded, name="decoder")

    reconstruction = decoder(Sampling()([mean, log_variance]))
    output = VariationalLoss()([image, reconstruction, mean, log_variance])
    return models.Model(image, output, name="vae"), encoder, decoder


def main(epochs=10, data="", samples=60000):
    keras.utils.set_random_seed(0)
    (x_train, _), (x_test, _) = mnist_images(data, samples)
    vae, _, decoder = build()
    vae.compile(optimizer=keras.optimizers.Adam(0.002))  # the loss comes from a layer
    history = vae.fit(x_train, batch_size=128, epochs=epochs)
    test_loss = vae.evaluate(x_test[:1000], verbose=0)
    print(f"Loss on test digits: {test_loss:.1f} nats")

    # Quantiles of the normal distribution, so that the picture shows codes by how likely they are.
    side = 15
    axis = np.array(ops.erfinv(np.linspace(-0.9, 0.9, side, dtype="float32"))) * 2**0.5
    codes = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, CODE).astype("float32")
    images = decoder.predict(codes, verbose=0)[..., 0]
    save_grid(images, OUTPUT / "vae.png", side)
    return {"losses": history.history["loss"], "test_loss": test_loss, "images": images}


if __name__ == "__main__":
    run(main)
