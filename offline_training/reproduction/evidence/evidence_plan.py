"""The plan of a study of evidence. Looks into the study's folder, opens no data."""

from dataclasses import replace

from offline_training.reproduction.base.data_needed import data_needed
from offline_training.reproduction.base.planned import Plan, PlannedStage
from offline_training.reproduction.base.runner import measured_cells
from offline_training.reproduction.evidence.evidence_runs import EvidenceRuns
from offline_training.reproduction.pretraining.pretraining_plan import pretraining_plan
from offline_training.reproduction.pretraining.pretraining_study import PretrainingRow


def evidence_plan(runs: EvidenceRuns, rows: tuple[PretrainingRow, ...]) -> Plan:
    """The plan of its pre-trainings, and of the probes, which are not separate trainings."""
    plan, study = pretraining_plan(runs.trainings, rows), runs.study
    probes = PlannedStage(
        "number in the table",
        len(rows) * len(study.columns) * len(study.seeds),
        lambda: len(measured_cells(runs, rows)),
        is_training=False,
    )
    read = data_needed([list(study.probe.pool), list(study.probe.test)])
    needed = tuple(dict.fromkeys((*plan.needed, *read)))
    return replace(plan, stages=(*(stage for stage in plan.stages if stage.is_training), probes), needed=needed)
