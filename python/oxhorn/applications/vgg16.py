"""VGG of 16 layers."""

from oxhorn.applications._application import application, standard_files
from oxhorn.applications._vgg import vgg
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("caffe")
__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

_HASHES = ("64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc")


@application("vgg16", files=standard_files("vgg16", {"vgg16": _HASHES})("vgg16"))
def VGG16(x, options):
    """VGG of 16 layers."""
    return vgg(x, options, (2, 2, 3, 3, 3))
