"""The split stage on the wire."""

from services.split.messages import SplitInputs, SplitOutputs
from talkmill.api.split.v1 import split_pb2
from talkmill.serving.method import stage_method

METHOD = stage_method("split", split_pb2, SplitInputs, SplitOutputs)
