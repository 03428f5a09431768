"""Submit a video to an orchestrator with nothing but grpcio, and wait for the data set.

    python examples/submit.py video.mp4 data_set [SERVER]

Needs the generated API (talkmill installed, or `make protos` from protos/) and no credentials of the store.
"""

import hashlib
import pathlib
import sys
import urllib.request

import grpc

from talkmill.api.pipeline.v1 import pipeline_pb2 as pb
from talkmill.api.pipeline.v1.pipeline_pb2_grpc import PipelineServiceStub


def main(video: pathlib.Path, out: pathlib.Path, server: str) -> int:
    # With tokens set: grpc.secure_channel(...), and metadata=[("authorization", "Bearer TOKEN")] in every call.
    with grpc.insecure_channel(server) as channel:
        pipeline = PipelineServiceStub(channel)

        content = video.read_bytes()
        upload = pipeline.CreateUpload(
            pb.CreateUploadRequest(
                file_name=video.name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
            )
        )
        if upload.put_uri:
            urllib.request.urlopen(urllib.request.Request(upload.put_uri, content, method="PUT")).close()

        request = pb.CreateRunRequest(sources=[pb.Source(uri=video.name, upload=upload.upload)])
        request.parameters.matting.method = "draft"
        request.parameters.crop.size = 256
        run = pipeline.CreateRun(request).run
        print(run.name)
        for event in pipeline.WatchRun(pb.WatchRunRequest(name=run.name)):
            run = event.run
            print(pb.State.Name(run.state), run.succeeded_clip_count, "clips done")

        for clip in pipeline.ListClips(pb.ListClipsRequest(parent=run.name, state=pb.STATE_FAILED)).clips:
            print(clip.name, clip.stage, clip.reason, clip.message)
        # A run of many clips has more than one page.
        for file in pipeline.ListRunArtifacts(pb.ListRunArtifactsRequest(parent=run.name, page_size=1000)).artifacts:
            target = out / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(file.get_uri) as response:
                target.write_bytes(response.read())
        return 0 if run.state == pb.STATE_SUCCEEDED else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), (sys.argv[3:] or ["127.0.0.1:50051"])[0]))
