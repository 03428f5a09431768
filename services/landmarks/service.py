"""The landmarks stage on the wire."""

from services.landmarks.messages import LandmarksInputs, LandmarksOutputs
from talkmill.api.landmarks.v1 import landmarks_pb2
from talkmill.serving.method import stage_method

METHOD = stage_method("landmarks", landmarks_pb2, LandmarksInputs, LandmarksOutputs)
