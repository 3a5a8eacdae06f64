"""The 38 faults to survive: what has to happen, and the tests that prove it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One fault; tests: files, or single tests of them, as pytest takes them."""

    number: int
    fault: str
    expected: str
    tests: tuple[str, ...]


_CORE, _TRAINING, _ROS = "tests/faults/core", "tests/faults/training", "ros2_ws/src/lidar_vl_ros/test"
_NODE, _LOAD, _LIFECYCLE, _LONG_NODE = (
    f"{_ROS}/tasks/test_segmentation_node.py",
    f"{_ROS}/tasks/test_segmentation_under_load.py",
    f"{_ROS}/node/test_lifecycle.py",
    "tests/faults/ros",
)
_CLOUD2, _TIME = "tests/core/clouds/test_point_cloud2.py", f"{_CORE}/test_time_faults.py"
_CHECKPOINT, _PACKAGE = f"{_TRAINING}/test_checkpoint_faults.py", f"{_CORE}/packages/test_model_package_faults.py"
_BAGS, _STEPS = f"{_CORE}/bags/test_bag_faults.py", f"{_TRAINING}/test_bad_steps.py"
_FINETUNE, _LOSSES = "tests/training/finetuning/test_resumed_finetune.py", "tests/training/losses"

ROWS = (
    Row(1, "PointCloud2 of wrong types, offsets, sizes, fields; short data",
        "read, or refused by the field's name; no crash, no other exception", (f"{_CORE}/test_point_cloud2_fuzz.py",)),
    Row(2, "big-endian, float64, padded, organised clouds, read twice", "the same points; the message is unchanged",
        (f"{_CLOUD2}::test_all_datatypes_endians_and_layouts_give_the_same_points",
         f"{_CLOUD2}::test_a_second_read_gives_the_same_points_and_the_bytes_are_untouched")),
    Row(3, "no points, NaN, Inf, nothing in range", "one label per input point, 255 where there is none",
        ("tests/core/tasks/test_segmenter.py::test_ten_thousand_broken_clouds_get_one_answer_per_point",
         "tests/core/tasks/test_segmenter.py::test_a_cloud_with_nothing_to_label_gets_no_answer_per_point_and_no_error")),
    Row(4, "sizes of billions in a message or a file", "refused before memory is allocated, in a process that has little",
        (f"{_CORE}/test_memory_limits.py",)),
    Row(5, "coordinates of 1e38, -0.0, denormals", "out of range, or in their cell; no integer overflows",
        ("tests/core/voxels/test_grid.py::test_a_hundred_thousand_wild_coordinates_stay_out_or_in_their_cell",)),
    Row(6, "images of a wrong encoding or size, empty, cut", "refused by name; that camera is left out, the cloud served",
        ("tests/core/cameras/test_image.py::test_a_damaged_image_is_refused_by_name",
         "tests/core/cameras/test_image.py::test_a_flipped_bit_in_a_jpeg_gives_a_picture_or_bad_image",
         f"{_ROS}/tasks/images/test_camera_ensemble.py::test_a_picture_that_cannot_be_used_is_named_and_the_cloud_answered_without_it")),
    Row(7, "an invalid CameraInfo", "refused, no projection", (f"{_CORE}/test_calibration_faults.py::test_a_camera_info_that_is_no_calibration_is_refused",)),
    Row(8, "the clock jumps back or forward, or stops", "queues cleared, pairing resumes, one log line",
        (f"{_TIME}::test_after_each_of_a_hundred_loops_of_the_recording_a_thousand_clouds_are_paired",
         f"{_TIME}::test_pairing_resumes_at_once_when_the_clock_is_set_forward_an_hour",
         f"{_TIME}::test_a_clock_that_stops_holds_nothing_back_for_ever",
         f"{_NODE}::test_a_bag_loop_is_one_jump_and_serving_goes_on")),
    Row(9, "images late, lost, twice, out of order", "only pairs within the tolerance; queues stay bounded",
        (f"{_TIME}::test_a_thousand_random_schedules_pair_as_the_slow_reference_does",
         f"{_TIME}::test_random_schedules_in_a_running_system_pair_as_the_slow_reference_does")),
    Row(10, "transforms missing, late, cyclic, not rigid", "refused with the reason, never replaced by the identity",
        (f"{_CORE}/test_calibration_faults.py::test_a_transform_fault_is_refused_and_the_tree_goes_on", f"{_ROS}/outputs/test_camera_overlay.py",
         f"{_ROS}/inputs/test_live_transforms.py")),
    Row(11, "an exception anywhere in a callback", "counted, logged once, the next cloud served",
        (f"{_LIFECYCLE}::test_an_exception_anywhere_is_counted_and_the_next_cloud_served",)),
    Row(12, "a model that is missing, altered, or of another task", "configure refuses it with the cause, and then accepts a correct one",
        (f"{_NODE}::test_a_missing_model_leaves_the_node_unconfigured_and_a_correct_one_works",
         f"{_ROS}/tasks/test_detection_node.py::test_a_model_that_finds_no_objects_is_refused_in_one_line", f"{_CORE}/packages/test_hostile_packages.py", f"{_CORE}/packages/test_hostile_networks.py",
         f"{_CORE}/packages/test_hidden_weights.py")),
    Row(13, "invalid parameters", "refused by name, with the expected and the found value", (f"{_ROS}/parameters/test_wrong_parameters.py", f"{_ROS}/parameters/test_parameters.py")),
    Row(14, "configure, activate, deactivate, cleanup, repeated", "no thread, open file or memory is leaked",
        (f"{_LONG_NODE}/test_lifecycle_rounds.py",)),
    Row(15, "clouds come faster than the model answers", "the newest is served, drops are counted exactly, latency is bounded",
        (f"{_LOAD}::test_slow_inference_serves_the_newest_cloud_and_counts_the_others_exactly", f"{_LONG_NODE}/test_overload.py")),
    Row(16, "the GPU fails, is out of memory, gives different results, or is missing",
        "reported; the slower engine takes over only where that is allowed", ("tests/core/engines/test_checked_engine.py", "tests/core/engines/test_onnx_runtime_on_gpu.py",
         f"{_NODE}::test_an_engine_that_gave_up_is_told_in_log_and_diagnostics", f"{_LOAD}::test_an_exception_in_the_worker_is_counted_and_the_next_cloud_served")),
    Row(17, "SIGINT, SIGTERM, kill -9 under load", "exit code 0 within 3 s; after a kill it serves again within 10 s",
        (f"{_LONG_NODE}/test_signals.py",)),
    Row(18, "no subscriber, or one with an incompatible QoS", "no inference; the incompatible QoS is named",
        (f"{_NODE}::test_clouds_nobody_wants_cost_no_inference", f"{_NODE}::test_a_subscriber_that_wants_more_than_is_offered_is_named")),
    Row(19, "ten clouds a second, some of them faulty, for a long time", "none lost, latency and memory steady", (f"{_LONG_NODE}/test_soak.py",)),
    Row(20, "kill -9 while a checkpoint is written", "the last complete one loads", (f"{_CHECKPOINT}::test_a_kill_at_any_moment_of_a_write_leaves_a_whole_checkpoint", f"{_CORE}/test_atomic_files.py")),
    Row(21, "disk full, folder not writable", "the error gives the path and the bytes needed; the old file stays",
        (f"{_CHECKPOINT}::test_a_full_disk_leaves_the_old_checkpoint", f"{_CHECKPOINT}::test_a_place_that_cannot_be_written_is_named_with_the_bytes_needed",
         "tests/core/bags/test_growing_bag.py", "tests/core/bags/test_writer.py::test_a_full_disk_is_told_and_leaves_nothing")),
    Row(22, "a run is killed and restarted", "the same losses and weights, bit for bit",
        (f"{_FINETUNE}::test_a_run_that_is_killed_goes_on_to_the_same_losses_bit_by_bit",
         f"{_TRAINING}/test_pretrain_faults.py::test_after_kill_9_it_goes_on_to_the_same_losses_and_weights",
         f"{_TRAINING}/test_guide_faults.py::test_after_kill_9_it_goes_on_to_the_same_losses_and_weights")),
    Row(23, "SIGTERM to a run", "a checkpoint of the current step, from which it resumes",
        (f"{_TRAINING}/test_pretrain_faults.py::test_a_sigterm_ends_it_with_a_checkpoint_of_the_step_it_was_at",
         f"{_TRAINING}/test_guide_faults.py::test_a_sigterm_ends_the_run_with_a_checkpoint_it_goes_on_from",
         "tests/training/runs/test_stopping.py::test_a_signal_saves_and_says_so_in_one_line_and_the_same_command_ends_with_the_same_bytes")),
    Row(24, "an altered checkpoint", "refused; the previous one is suggested",
        (f"{_CHECKPOINT}::test_a_checkpoint_that_was_altered_anywhere_is_refused_and_the_one_before_offered",)),
    Row(25, "a checkpoint, cache or data file that contains code", "refused, none of it runs; no unsafe loader anywhere in our code",
        (f"{_CHECKPOINT}::test_a_checkpoint_with_a_payload_runs_nothing", "tests/test_import_rules.py",
         "tests/training/runs/test_import_checkpoint.py::test_code_in_a_file_is_refused_and_does_not_run")),
    Row(26, "a model package with any byte changed", "refused with both hashes", (_PACKAGE,)),
    Row(27, "weights stored outside the model's file, or in a branch of it", "refused: every byte has a hash",
        (f"{_PACKAGE}::test_weights_outside_the_file_are_refused", f"{_CORE}/packages/test_hidden_weights.py::test_weights_kept_outside_are_found_wherever_they_hide")),
    Row(28, "a plan for another GPU, TensorRT or model, or an altered one; a model of unknown age or licence",
        "built again; age and licence are shown where a model is chosen",
        ("tests/core/engines/test_checked_engine.py::test_a_plan_for_something_else_is_none",
         "tests/core/engines/test_checked_engine.py::test_a_plan_for_this_very_gpu_is_taken_and_a_damaged_one_is_not",
         "tests/core/commands/test_machine.py::test_a_request_has_a_key_of_everything_in_it", f"{_CORE}/packages/test_age_and_licence.py")),
    Row(29, "archive bombs, and archives that unpack outside their folder", "refused at the limit",
        ("tests/core/clouds/files/test_hostile_cloud_files.py", f"{_CORE}/bags/test_hostile_mcap.py::test_a_packed_file_is_unpacked_to_no_more_than_its_size_allows",
         "tests/training/datasets/test_hostile_data_files.py")),
    Row(30, "YAML with tags, endless aliases, duplicate keys, NaN, unknown keys", "refused with file and key", ("tests/core/foundation/test_config.py", f"{_CORE}/test_altered_files.py")),
    Row(31, "a bag cut at any byte", "the intact part is read, with one warning", (f"{_BAGS}::test_an_mcap_cut_at_any_byte_yields_what_is_whole_and_one_warning",
        f"{_BAGS}::test_a_cut_sqlite_file_yields_what_is_whole_and_one_warning")),
    Row(32, "a bag with a flipped bit, or a malicious one", "detected, only the affected messages are lost; refused within bounded memory and time",
        (f"{_BAGS}::test_a_flipped_bit_in_an_mcap_is_noticed_and_never_becomes_a_message", f"{_CORE}/bags/test_hostile_mcap.py", f"{_CORE}/bags/test_hostile_chunks.py",
         f"{_CORE}/bags/test_hostile_summaries.py", f"{_CORE}/bags/test_hostile_ros1.py", f"{_CORE}/bags/test_hostile_sqlite.py",
         f"{_CORE}/test_hostile_cases.py")),
    Row(33, "a damaged file of a data set", "the sample is named, the others load", (f"{_TRAINING}/test_dataset_faults.py", f"{_TRAINING}/test_nuscenes_faults.py", f"{_TRAINING}/test_rgbd_faults.py")),
    Row(34, "loss or gradient is not finite", "the step is skipped and counted; ten in a row end the run",
        (f"{_STEPS}::test_a_step_whose_loss_is_no_number_is_left_out_and_counted", f"{_STEPS}::test_a_step_whose_gradient_is_no_number_is_left_out",
         f"{_STEPS}::test_ten_bad_steps_in_a_row_end_the_run_and_the_last_good_checkpoint_stays")),
    Row(35, "a batch without pairs, of one point or one class", "a finite loss with a gradient path",
        tuple(f"{_LOSSES}/{name}::{test}" for name, test in (
            ("test_olivine_losses.py", "test_an_odd_batch_gives_a_finite_loss_with_a_finite_gradient"),
            ("test_baseline_losses.py", "test_an_odd_batch_gives_a_finite_loss_with_a_finite_gradient"),
            ("test_segmentation_losses.py", "test_an_odd_batch_gives_a_finite_loss_with_a_gradient_path"),
            ("test_pair_sampling.py", "test_an_odd_batch_gives_finite_weights")))),
    Row(36, "an exported model given no point, one, or more than expected", "the same results as PyTorch",
        ("tests/training/export/test_export.py::test_any_number_of_voxels_gives_the_scores_of_pytorch",
         "tests/training/export/test_export_voxelnet.py::test_any_number_of_points_has_the_scores_of_pytorch")),
    Row(37, "our metrics against the official evaluators", "equal", ("tests/core/evaluation/test_metrics.py",
        "tests/core/evaluation/detection/test_kitti.py::test_the_scores_are_those_of_the_official_evaluator",
        "tests/core/evaluation/detection/test_nuscenes.py::test_the_scores_are_those_of_the_public_evaluator")),
    Row(38, "a process of a run is killed, its shared memory full", "the run ends with the cause within a minute", (f"{_TRAINING}/test_lost_processes.py",)),
)  # fmt: skip
