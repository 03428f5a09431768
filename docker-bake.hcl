# Every image: `docker buildx bake`, or `make images`, which takes buildah where there is no buildx.
# deploy/images.py reads this file; tests/deploy/test_images.py compares it with the graph of stages.

variable "REGISTRY" {
  default = "localhost/talkmill"
}

variable "VERSION" {
  default = "0.2.0"
}

variable "PYTHON_IMAGE" {
  default = "docker.io/library/python:3.11-slim"
}

# `sha256:...` pins the base beyond its tag; `make base-digests` tells both.
variable "PYTHON_DIGEST" {
  default = ""
}

variable "CUDA_IMAGE" {
  default = "docker.io/nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04"
}

variable "CUDA_DIGEST" {
  default = ""
}

group "default" {
  targets = ["plain", "cpu"]
}

group "all" {
  targets = ["plain", "cpu", "cuda"]
}

target "_base" {
  context    = "."
  dockerfile = "deploy/docker/Dockerfile"
  args = {
    PYTHON_IMAGE = PYTHON_DIGEST == "" ? PYTHON_IMAGE : "${PYTHON_IMAGE}@${PYTHON_DIGEST}"
    CUDA_IMAGE   = CUDA_DIGEST == "" ? CUDA_IMAGE : "${CUDA_IMAGE}@${CUDA_DIGEST}"
  }
}

# No networks, or one that is small.
target "plain" {
  inherits = ["_base"]
  matrix = {
    stage = ["orchestrator", "model_fetch", "smoke", "download", "crop", "coarse_fit", "fine_fit", "pack"]
  }
  name = "plain-${stage}"
  args = {
    STAGE = stage
    EXTRA = "plain"
  }
  tags = ["${REGISTRY}/${replace(stage, "_", "-")}:${VERSION}"]
}

# Networks on the CPU.
target "cpu" {
  inherits = ["_base"]
  matrix = {
    stage = ["split", "matting", "landmarks"]
  }
  name = "cpu-${stage}"
  args = {
    STAGE = stage
    EXTRA = "cpu"
  }
  tags = ["${REGISTRY}/${replace(stage, "_", "-")}:${VERSION}"]
}

# Networks on NVIDIA GPUs.
target "cuda" {
  inherits = ["_base"]
  matrix = {
    stage = ["split", "matting", "landmarks"]
  }
  name = "cuda-${stage}"
  args = {
    STAGE = stage
    EXTRA = "cuda"
  }
  tags = ["${REGISTRY}/${replace(stage, "_", "-")}:${VERSION}-cuda"]
}
