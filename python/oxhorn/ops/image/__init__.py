"""Functions of images, as in `keras.ops.image`."""


