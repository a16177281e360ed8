"""Functions of tensors: concrete, traced or symbolic; NumPy arrays and Python numbers."""

from oxhorn._base import lazy as _lazy

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "ops.core.control_flow": (
            "associative_scan cond custom_gradient fori_loop map scan switch vectorized_map while_loop"
        ),
        "ops.core.conversion": (
            "cast convert_to_numpy convert_to_tensor dtype is_tensor saturate_cast shape stop_gradient"
        ),
        "ops.core.indexing": "scatter scatter_update slice slice_update unstack",
        "ops.einops": "rearrange",
        "ops.linalg": (
            "cholesky cholesky_inverse det eig eigh inv jvp lstsq lu_factor matrix_rank norm pinv qr "
            "solve solve_triangular svd"
        ),
        "ops.math.fft": "fft fft2 ifft2 irfft istft rfft stft",
        "ops.math.special": (
            "cdist erf erfc erfinv extract_sequences in_top_k logdet logsumexp rsqrt segment_max "
            "segment_min segment_prod segment_sum top_k view_as_complex view_as_real"
        ),
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
        "ops.numpy.binary": (
            "add allclose arctan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift "
            "bitwise_xor divide divide_no_nan equal floor_divide fmax fmin fmod gcd greater "
            "greater_equal heaviside hypot isclose lcm ldexp left_shift less less_equal logaddexp "
            "logaddexp2 logical_and logical_or logical_xor maximum minimum mod multiply nextafter "
            "not_equal power right_shift subtract true_divide"
        ),
        "ops.numpy.creation": (
            "arange array bartlett blackman empty empty_like eye full full_like geomspace hamming "
            "hanning identity kaiser linspace logspace meshgrid ones ones_like tri zeros zeros_like"
        ),
        "ops.numpy.elementwise": (
            "abs absolute angle arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert "
            "bitwise_not cbrt ceil clip conj conjugate copy cos cosh deg2rad exp exp2 expm1 fabs "
            "floor i0 imag isfinite isinf isnan isneginf isposinf isreal log log1p log2 log10 "
            "logical_not nan_to_num negative rad2deg real reciprocal round sign signbit sin sinc sinh "
            "sqrt square tan tanh trunc view"
        ),
        "ops.numpy.indexing": (
            "argpartition argsort bincount digitize get_item histogram isin nonzero searchsorted "
            "select sort take take_along_axis unique unravel_index where"
        ),
        "ops.numpy.linear": (
            "correlate cross diag diagflat diagonal diff dot einsum inner kron matmul ndim outer size "
            "slogdet tensordot trace tril triu vander vdot"
        ),
        "ops.numpy.reduction": (
            "all amax amin any argmax argmin average corrcoef count_nonzero cumprod cumsum max mean "
            "median min nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin "
            "nanpercentile nanprod nanquantile nanstd nansum nanvar percentile prod ptp quantile std "
            "sum trapezoid var"
        ),
        "ops.numpy.shape": (
            "append array_split broadcast_to concatenate dsplit dstack expand_dims flip fliplr flipud "
            "hsplit hstack moveaxis pad ravel repeat reshape roll rot90 split squeeze stack swapaxes "
            "tile transpose vsplit vstack"
        ),
        "ops.numpy.vectorize": "vectorize",
    },
    aliases={
        "hard_swish": "hard_silu",
        "swish": "silu",
    },
    submodules=("image", "linalg", "nn", "numpy"),
)
