"""A generative adversarial network that draws digits like MNIST's.

Discriminator and generator train in turns; the discriminator is frozen while the generator learns to
mislead it.
"""

import numpy as np

import oxhorn as keras
from _common import OUTPUT, mnist_images, run, save_grid
from oxhorn import layers, models

LATENT = 32
BATCH = 32


def build_generator():
    return keras.Sequential(
        [
            keras.Input(shape=(LATENT,)),
            layers.Dense(7 * 7 * 64),
            layers.LeakyReLU(),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(32, 4, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Conv2D(1, 5, padding="same", activation="sigmoid"),
        ],
        name="generator",
    )


def build_discriminator():
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, 4, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Conv2D(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="discriminator",
    )


def main(steps=2000, data="", samples=60000):
    keras.utils.set_random_seed(0)
    (images, _), _ = mnist_images(data, samples)
    generator, discriminator = build_generator(), build_discriminator()
    discriminator.compile(keras.optimizers.Adam(3e-4, beta_1=0.5), loss="binary_crossentropy")

    discriminator.trainable = False
    noise = keras.Input(shape=(LATENT,))
    gan = models.Model(noise, discriminator(generator(noise)), name="gan")
    gan.compile(keras.optimizers.Adam(3e-4, beta_1=0.5), loss="binary_crossentropy")

    rng = np.random.default_rng(0)

    def draw(shape):
        return rng.standard_normal(shape).astype("float32")

    fixed = draw((16, LATENT))
    discriminator_losses, generator_losses = [], []
    for step in range(steps):
        # Real images are to be called 1 and made ones 0; a little noise keeps the discriminator unsure.
        fake = generator.predict_on_batch(draw((BATCH, LATENT)))
        real = images[rng.integers(0, len(images), BATCH)]
        labels = np.concatenate([np.zeros((BATCH, 1)), np.ones((BATCH, 1))]) * 0.9 + 0.05
        labels += 0.05 * rng.uniform(-1, 1, labels.shape)
        discriminator.trainable = True
        discriminator.reset_metrics()
        loss = discriminator.train_on_batch(np.concatenate([fake, real]), labels.astype("float32"))
        discriminator_losses.append(loss)

        # The generator learns to have its images called 1.
        discriminator.trainable = False
        gan.reset_metrics()
        loss = gan.train_on_batch(draw((2 * BATCH, LATENT)), np.ones((2 * BATCH, 1), dtype="float32"))
        generator_losses.append(loss)

        if (step + 1) % 100 == 0 or step + 1 == steps:
            recent = np.mean(discriminator_losses[-100:]), np.mean(generator_losses[-100:])
            print(f"step {step + 1}: discriminator loss {recent[0]:.3f}, generator loss {recent[1]:.3f}")

    drawn = generator.predict(fixed, verbose=0)[..., 0]
    save_grid(drawn, OUTPUT / "gan.png", 4)
    return {
        "discriminator_losses": discriminator_losses,
        "generator_losses": generator_losses,
        "images": drawn,
        "real_images": images,
        "models": (gan, generator, discriminator),
    }


if __name__ == "__main__":
    run(main)
