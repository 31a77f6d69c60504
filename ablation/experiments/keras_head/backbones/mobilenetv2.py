"""MobileNetV2: the light baseline. Its weights expect pixels in [-1, 1]; those for size 224 serve all sizes from 32."""

from keras.applications import mobilenet_v2

build = mobilenet_v2.MobileNetV2
preprocess = mobilenet_v2.preprocess_input
CUT = "block_12_add"  # the last layer before the fifth and last change of scale
