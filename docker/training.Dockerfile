# The workstation: PyTorch on CUDA, torchsparse compiled for it, the training package. Runs as any user, on a
# read-only root file system.
#   docker build -f docker/training.Dockerfile -t lidar-vl-training .
#   docker run --rm --gpus all --shm-size 16g --user $(id -u):$(id -g) --read-only --tmpfs /tmp:exec -v $PWD/data:/data \
#     lidar-vl-training lidar-vl-train --help
FROM nvidia/cuda:13.0.1-devel-ubuntu24.04@sha256:7d2f6a8c2071d911524f95061a0db363e24d27aa51ec831fcccf9e76eb72bc92 AS torchsparse

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv python3-dev g++ git libsparsehash-dev \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/lidar-vl
ENV PATH=/opt/lidar-vl/bin:$PATH
WORKDIR /opt/lidar-vl/source
COPY constraints.txt installer.txt ./
# PyPI's torch is built for CUDA 13; it and its libraries are installed by the hashes of constraints.txt.
RUN pip install --no-cache-dir --no-deps --require-hashes -r installer.txt \
 && uv pip install --no-cache --python /opt/lidar-vl/bin/python -c constraints.txt torch torchvision setuptools ninja
# Turing to Blackwell; the build has no GPU to ask.
ENV TORCH_CUDA_ARCH_LIST="7.5;8.0;8.6;8.9;9.0;10.0;12.0" FORCE_CUDA=1
# Optional speed: the networks give the same numbers without it, so a failed build is only reported. Installed by commit: no
# release of torchsparse 2.1 compiles with current PyTorch.
RUN uv pip install --no-cache --python /opt/lidar-vl/bin/python --no-deps --no-build-isolation \
      git+https://github.com/mit-han-lab/torchsparse.git@385f5ce8718fcae93540511b7f5832f4e71fd835 \
 || echo "torchsparse did not build: training will use the PyTorch implementation"

FROM nvidia/cuda:13.0.1-runtime-ubuntu24.04@sha256:c3fde347d52d578c84fd644bc177bc7ec333feaf11550d990da4084d7612e4c7

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv g++ python3-dev \
 && rm -rf /var/lib/apt/lists/*
COPY --from=torchsparse /opt/lidar-vl /opt/lidar-vl
ENV PATH=/opt/lidar-vl/bin:$PATH

WORKDIR /opt/lidar-vl/source
COPY pyproject.toml README.md LICENSE ./
COPY lidar_vl_core lidar_vl_core
COPY offline_training offline_training
# The entry point copies numba's compiled kernels to /tmp, since numba loads only from a folder that it can write to.
ENV NUMBA_CACHE_DIR=/opt/lidar-vl/compiled
RUN uv pip install --no-cache --python /opt/lidar-vl/bin/python -c constraints.txt -b constraints.txt '.[train,synthetic,vfm,language]' \
 && python -m lidar_vl_core.commands.warm_up

COPY docker/training_entrypoint.sh /usr/local/bin/training_entrypoint.sh
ENV HOME=/tmp NUMBA_CACHE_DIR=/tmp/compiled
USER 1000:1000
WORKDIR /data
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/training_entrypoint.sh"]
CMD ["lidar-vl-train", "--help"]
