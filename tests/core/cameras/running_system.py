"""A LiDAR and cameras whose messages are paired as they arrive, in milliseconds."""

from collections import Counter

from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.clouds_with_images import CloudsWithImages
from lidar_vl_core.cameras.synchronisation.frame import Frame

MS = 1_000_000
START = 1_000_000 * MS  # no stamp is zero


class System:
    """A LiDAR at 10 Hz and cameras of any rate and delay; every message arrives when its stamp and its delay say."""

    def __init__(self, *cameras: CameraTiming | str, max_wait_s: float = 0.1, images_needed: bool = True) -> None:
        timings = [CameraTiming(camera) if isinstance(camera, str) else camera for camera in cameras]
        self.clouds = CloudsWithImages(
            timings, max_wait_s, lambda frame: self.transforms_until_ms < frame.cloud[0], max_wait_s
        )
        self.transforms_until_ms = float("inf")
        self.images_needed = images_needed
        self.now_ms = 0.0
        self.frames: list[Frame] = []
        self.waited_ms: dict[str, float] = {}  # by the cloud's name

    def run(self, until_ms: int, clouds_ms=100, cloud_delay_ms=5.0, from_ms=0, jump_ms=0, **cameras) -> "System":
        """cameras: name -> (period in ms, delay in ms) or (period, delay, phase). jump_ms: added to every stamp."""
        events = [(at + cloud_delay_ms, "", at) for at in range(from_ms, until_ms, clouds_ms)]
        for name, (period, delay, *phase) in cameras.items():
            events += [(at + delay, name, at) for at in range(from_ms + sum(phase), until_ms, period)]
        events += [(float(at), "poll", 0) for at in range(from_ms, until_ms + 300, 10)]
        for arrival, stream, at in sorted(events):
            self.send(stream, at + jump_ms, arrival)
        return self

    def send(self, stream: str, stamp_ms: float, arrival_ms: float) -> list[Frame]:
        """A cloud (stream ""), a tick of the timer ("poll"), or an image of the camera of this name."""
        self.now_ms = arrival_ms
        stamp_ns, now_ns = START + round(stamp_ms * MS), START + round(arrival_ms * MS)
        if stream == "poll":
            frames = self.clouds.poll(now_ns)
        elif stream:
            frames = self.clouds.add_image(stream, stamp_ns, stamp_ms, now_ns)
        else:
            frames = self.clouds.add_cloud(stamp_ns, (stamp_ms, arrival_ms), now_ns, self.images_needed)
        for frame in frames:
            self.waited_ms[frame.cloud] = arrival_ms - frame.cloud[1]
        self.frames += frames
        return frames

    def state(self, name: str):
        return self.clouds.camera_states(START + round(self.now_ms * MS))[name]

    def longest_wait_ms(self, after_ms: float = 0) -> float:
        return max(waited for (stamp, _), waited in self.waited_ms.items() if stamp >= after_ms)

    def differences_ms(self, name: str) -> Counter:
        """Image stamp minus cloud stamp of every cloud, None where it has none."""
        images = [frame.images.get(name) for frame in self.frames]
        return Counter(
            paired and paired.image - frame.cloud[0] for paired, frame in zip(images, self.frames, strict=True)
        )
