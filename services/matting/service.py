"""The matting stage on the wire."""

from services.matting.messages import MattingInputs, MattingOutputs
from talkmill.api.matting.v1 import matting_pb2
from talkmill.serving.method import stage_method

METHOD = stage_method("matting", matting_pb2, MattingInputs, MattingOutputs)
