"""Functions of neural networks, as in `keras.ops.nn`."""

from oxhorn.ops.nn.activations import (
    celu,
    elu,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh_shrink,
    threshold,
)
from oxhorn.ops.nn.activations import (
    hard_silu as hard_swish,
)
from oxhorn.ops.nn.activations import (
    silu as swish,
)
from oxhorn.ops.nn.attention import dot_product_attention
from oxhorn.ops.nn.convolution import conv, conv_transpose, depthwise_conv, separable_conv
from oxhorn.ops.nn.ctc import ctc_decode, ctc_loss
from oxhorn.ops.nn.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    multi_hot,
    one_hot,
    psnr,
    sparse_categorical_crossentropy,
)
from oxhorn.ops.nn.normalization import (
    batch_normalization,
    layer_normalization,
    moments,
    normalize,
    rms_normalization,
)
from oxhorn.ops.nn.patches import depth_to_space, fold, polar, space_to_depth, unfold
from oxhorn.ops.nn.pooling import adaptive_average_pool, adaptive_max_pool, average_pool, max_pool
