"""How the folder of each data set must look, for messages and for `check-data`."""

# Each line: a path below the data set's folder, and what it is. NN, XXXX and * stand for numbers and names.
_LAYOUTS: dict[str, tuple[tuple[str, str], ...]] = {
    "synthetic": (("NNNNN_NNN_<hash>.npz", "a sweep, made when it is first asked for"),),
    "synthetic_rooms": (
        ("NNNNN_<hash>/cloud.npz", "a room, made when it is first asked for"),
        ("NNNNN_<hash>/NNN.jpg", "its pictures; depth and truth of each beside it"),
        ("NNNNN_<hash>/views.npz", "where they were taken"),
    ),
    "pandaset": (
        ("meta.json", "poses, intrinsics and stamps"),
        ("lidar/NN.npz", "xyz_world, intensity, t, sensor, label"),
        ("camera/front_camera/NN.jpg", "and five more cameras"),
    ),
    "nuscenes": (
        ("v1.0-trainval/scene.json", "and the other tables; v1.0-mini and v1.0-test alike"),
        ("v1.0-trainval/lidarseg.json", "of nuScenes-lidarseg"),
        ("samples/LIDAR_TOP/*.pcd.bin", "5 x float32 a point"),
        ("samples/CAM_FRONT/*.jpg", "and five more cameras"),
        ("lidarseg/v1.0-trainval/*_lidarseg.bin", "uint8 a point"),
    ),
    "ros_bag": (("*.mcap or *.db3", "the bag, or the folder with its metadata.yaml"),),
    "semantic_kitti": (
        ("sequences/00/velodyne/000000.bin", "4 x float32 a point"),
        ("sequences/00/labels/000000.label", "uint32 a point; 00 to 10"),
        ("sequences/00/image_2/000000.png", "optional"),
        ("sequences/00/calib.txt", "P2 and Tr"),
        ("sequences/00/poses.txt", "optional"),
        ("sequences/00/times.txt", "optional"),
    ),
    "scribble_kitti": (
        ("sequences/00/velodyne/000000.bin", "of SemanticKITTI, 4 x float32 a point"),
        ("sequences/00/scribbles/000000.label", "of ScribbleKITTI, uint32 a point; 00 to 07, 09, 10"),
        ("sequences/00/calib.txt", "P2 and Tr, of SemanticKITTI"),
        ("sequences/08/labels/000000.label", "of SemanticKITTI, to validate on"),
    ),
    "rellis3d": (
        ("00000/os1_cloud_node_kitti_bin/000000.bin", "4 x float32 a point; 00000 to 00004"),
        ("00000/os1_cloud_node_semantickitti_label_id/000000.label", "uint32 a point"),
        ("pt_train.lst", "a line for each scan: its .bin and its .label; pt_val.lst and pt_test.lst alike"),
    ),
    "semantic_poss": (
        ("sequences/00/velodyne/000001.bin", "4 x float32 a point; 00 to 05"),
        ("sequences/00/labels/000001.label", "uint32 a point"),
    ),
    "semantic_stf": (
        ("train/velodyne/*.bin", "5 x float32 a point; val and test alike"),
        ("train/labels/*.label", "uint32 a point"),
    ),
    "synlidar": (
        ("00/velodyne/000000.bin", "4 x float32 a point; 00 to 12, also below a folder `sequences`"),
        ("00/labels/000000.label", "uint32 a point"),
    ),
    "daps3d": (
        ("data/38-18_7_72_90/clouds/*.bin", "4 x float32 a point; the folder is that of DAPS-2, or of DAPS-1"),
        ("data/38-18_7_72_90/labels/*.label", "uint32 a point"),
    ),
    "rgbd_folder": (
        ("frame-*.color.jpg", "or .png, as 7-Scenes; the folder is a scene, or scenes lie below it"),
        ("frame-*.depth.png", "16 bits, millimetres, 0 or 65535 = none"),
        ("frame-*.pose.txt", "4x4, camera to world"),
        ("camera-intrinsics.txt", "3x3, of the scene or of a folder above it"),
        ("color/*.jpg", "or folders as ScanNet's exporter writes them"),
        ("depth/*.png", "16 bits, millimetres"),
        ("pose/*.txt", "4x4, camera to world"),
        ("intrinsic/intrinsic_color.txt", "and intrinsic_depth.txt"),
        ("*.ply", "optional: the scene's points; without it they come from the depth images"),
    ),
}


def layout_line(kind: str) -> str:
    """The expected files in one line, for an error."""
    return ", ".join(path for path, _ in _LAYOUTS[kind])


def layout_tree(kind: str) -> str:
    """The expected files as a drawn tree, several lines."""
    lines: list[str] = []
    drawn: set[tuple[str, ...]] = set()
    entries = [(tuple(path.split("/")), what) for path, what in _LAYOUTS[kind]]
    width = max(2 * len(parts) + len(parts[-1]) for parts, _ in entries) + 2
    for parts, what in entries:
        for depth in range(1, len(parts)):
            if parts[:depth] not in drawn:
                drawn.add(parts[:depth])
                lines.append(f"{'  ' * depth}{parts[depth - 1]}/")
        lines.append(f"{'  ' * len(parts) + parts[-1]:<{width}}  {what}")
    return "\n".join(lines)
