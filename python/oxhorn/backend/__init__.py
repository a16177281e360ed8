"""Functions about dtypes, settings and the session."""

from oxhorn._base.dtypes import is_float_dtype, is_int_dtype, result_type, standardize_dtype
from oxhorn._base.global_state import clear_session
from oxhorn._base.keras_tensor import is_keras_tensor
from oxhorn._base.naming import get_uid
from oxhorn._base.settings import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
