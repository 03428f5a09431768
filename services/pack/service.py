"""The pack stage on the wire."""

from services.pack.messages import PackInputs, PackOutputs
from talkmill.api.pack.v1 import pack_pb2
from talkmill.serving.method import stage_method

METHOD = stage_method("pack", pack_pb2, PackInputs, PackOutputs)
