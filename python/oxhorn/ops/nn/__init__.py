"""Functions of neural networks, as in `keras.ops.nn`."""

from oxhorn._base import lazy as _lazy

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "ops.nn.activations": (
            "celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid "
            "log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign "
            "sparse_plus sparse_sigmoid sparsemax squareplus tanh_shrink threshold"
        ),
        "ops.nn.attention": "dot_product_attention",
        "ops.nn.convolution": "conv conv_transpose depthwise_conv separable_conv",
        "ops.nn.ctc": "ctc_decode ctc_loss",
        "ops.nn.losses": (
            "binary_crossentropy categorical_crossentropy multi_hot one_hot psnr "
            "sparse_categorical_crossentropy"
        ),
        "ops.nn.normalization": "batch_normalization layer_normalization moments normalize rms_normalization",
        "ops.nn.patches": "depth_to_space fold polar space_to_depth unfold",
        "ops.nn.pooling": "adaptive_average_pool adaptive_max_pool average_pool max_pool",
    },
    aliases={
        "hard_swish": "hard_silu",
        "swish": "silu",
    },
)
