# The workstation: PyTorch on CUDA, torchsparse compiled for it, the training package.
#   docker build -f docker/training.Dockerfile -t lidar-vl-training .
#   docker run --rm --gpus all --shm-size 16g -v $PWD/data:/data lidar-vl-training lidar-vl-train --help
FROM nvidia/cuda:12.6.3-devel-ubuntu24.04 AS torchsparse

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv python3-dev g++ git libsparsehash-dev ninja-build \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/lidar-vl
ENV PATH=/opt/lidar-vl/bin:$PATH
RUN pip install --no-cache-dir "setuptools<80" wheel ninja torch torchvision --index-url https://download.pytorch.org/whl/cu126 --extra-index-url https://pypi.org/simple
# Volta to Hopper; the build has no GPU to ask.
ENV TORCH_CUDA_ARCH_LIST="7.0;7.5;8.0;8.6;8.9;9.0" FORCE_CUDA=1
# Optional speed: the networks give the same numbers without it, so a failed build is told and survived.
RUN pip install --no-cache-dir --no-build-isolation git+https://github.com/mit-han-lab/torchsparse.git@v2.1.0 \
 || echo "torchsparse did not build: training will use the PyTorch implementation"

FROM nvidia/cuda:12.6.3-runtime-ubuntu24.04

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv g++ python3-dev \
 && rm -rf /var/lib/apt/lists/*
COPY --from=torchsparse /opt/lidar-vl /opt/lidar-vl
ENV PATH=/opt/lidar-vl/bin:$PATH

WORKDIR /opt/lidar-vl/source
COPY pyproject.toml README.md LICENSE ./
COPY lidar_vl_core lidar_vl_core
COPY offline_training offline_training
# torch is there already, for CUDA; the constraints file pins the CPU's version of it.
RUN pip install --no-cache-dir '.[train,synthetic,vfm,language]' && python -m lidar_vl_core.commands.warm_up

WORKDIR /data
CMD ["lidar-vl-train", "--help"]
