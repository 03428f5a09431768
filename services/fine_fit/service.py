"""The fine_fit stage on the wire."""

from services.fine_fit.messages import FineFitInputs, FineFitOutputs
from talkmill.api.fine_fit.v1 import fine_fit_pb2
from talkmill.serving.method import stage_method

METHOD = stage_method("fine_fit", fine_fit_pb2, FineFitInputs, FineFitOutputs)
