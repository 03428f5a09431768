"""The coarse_fit stage on the wire."""

from services.coarse_fit.messages import CoarseFitInputs, CoarseFitOutputs
from talkmill.api.coarse_fit.v1 import coarse_fit_pb2
from talkmill.serving.method import stage_method

METHOD = stage_method("coarse_fit", coarse_fit_pb2, CoarseFitInputs, CoarseFitOutputs)
