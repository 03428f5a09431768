"""The download stage on the wire."""

from services.download.messages import DownloadInputs, DownloadOutputs
from talkmill.api.download.v1 import download_pb2
from talkmill.serving.method import stage_method

METHOD = stage_method("download", download_pb2, DownloadInputs, DownloadOutputs)
