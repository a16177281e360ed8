"""VGG of 19 layers."""

from oxhorn.applications._application import application, standard_files
from oxhorn.applications._vgg import vgg
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("caffe")
__all__ = ["VGG19", "decode_predictions", "preprocess_input"]

_HASHES = ("cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6")


@application("vgg19", files=standard_files("vgg19", {"vgg19": _HASHES})("vgg19"))
def VGG19(x, options):
    """VGG of 19 layers."""
    return vgg(x, options, (2, 2, 4, 4, 4))
