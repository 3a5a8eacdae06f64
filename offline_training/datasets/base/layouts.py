"""How the folder of each data set must look, for messages and for `check-data`."""

# Each line: a path below the data set's folder, and what it is. NN, XXXX and * stand for numbers and names.
_LAYOUTS: dict[str, tuple[tuple[str, str], ...]] = {
    "synthetic": (("NNNNN_NNN_<hash>.npz", "a sweep, made when it is first asked for"),),
    "synthetic_rooms": (
        ("NNNNN_<hash>/cloud.npz", "a room, made when it is first asked for"),
        ("NNNNN_<hash>/NNN.jpg", "its pictures; depth.npz and truth.npz beside them"),
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
    "scannet": (
        ("scans/scene0000_00/scene0000_00_vh_clean_2.ply", "the mesh; scans_test alike"),
        ("scans/scene0000_00/scene0000_00_vh_clean_2.labels.ply", "or .aggregation.json and .segs.json"),
        ("scans/scene0000_00/scene0000_00_vh_clean_2.0.010000.segs.json", "optional: superpoints"),
        ("scans/scene0000_00/scene0000_00.sens", "or folders color, depth, pose, intrinsic"),
        ("scannet_frames_25k/scene0000_00/color/000000.jpg", "optional, in place of .sens; depth, pose alike"),
        ("scannetv2_train.txt", "the official split; scannetv2_val.txt and scannetv2_test.txt alike"),
        ("scannetv2-labels.combined.tsv", "only for labels by .aggregation.json"),
    ),
    "s3dis": (
        ("Area_1/office_1/Annotations/chair_1.txt", "x y z red green blue a line; also below a folder"),
        ("points/Area_1_office_1.bin", "or converted: 6 x float32 a point"),
        ("semantic_mask/Area_1_office_1.bin", "int64 a point"),
        ("Area_1_office_1_point.npy", "or converted: (N, 6), and Area_1_office_1_sem_label.npy"),
        ("area_1/data/pose/camera_*_domain_pose.json", "optional images, of 2D-3D-S; area_5a and area_5b alike"),
        ("area_1/data/rgb/camera_*_domain_rgb.png", "1080 x 1080"),
        ("area_1/data/depth/camera_*_domain_depth.png", "16 bits, 1/512 m"),
    ),
    "openscene": (
        (
            "scannet_3d/train/scene0000_00_vh_clean_2.pth",
            "points, colours, labels; or matterport_3d, replica_3d, nuscenes_3d",
        ),
        ("scannet_2d/scene0000_00/color/0.jpg", "optional; <building> for Matterport3D, <split>/<scene> for nuScenes"),
        ("scannet_2d/scene0000_00/depth/0.png", "16 bits; not for nuScenes"),
        ("scannet_2d/scene0000_00/pose/0.txt", "4x4, camera to world; .npy for nuScenes"),
        ("scannet_2d/intrinsics.txt", "or intrinsic/*.txt (Matterport3D), K/*.npy (nuScenes) of each image"),
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
        ("0001_rgb.png", "or NYU Depth V2, pictures without poses, with 0001_depth_mm.png and 0001_label13.png"),
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
