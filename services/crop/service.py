"""The crop stage on the wire."""

from services.crop.messages import CropInputs, CropOutputs
from talkmill.api.crop.v1 import crop_pb2
from talkmill.serving.method import stage_method

METHOD = stage_method("crop", crop_pb2, CropInputs, CropOutputs)
