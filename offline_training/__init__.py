"""lidar-vl offline training: PyTorch networks, data sets, training, export."""
