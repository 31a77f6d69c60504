"""VGG16: the paper's conv base. Its weights expect BGR pixels with ImageNet's means subtracted."""

from keras.applications import vgg16

build = vgg16.VGG16
preprocess = vgg16.preprocess_input
CUT = "block4_pool"  # the last layer before block 5
