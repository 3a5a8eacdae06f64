"""A miniature of a study of evidence: rows as in the miniature of a pre-training study, and few probes of few scans.

Pure.
"""

from offline_training.reproduction.base.smoke import Smoke, Substitutions, small_sources
from offline_training.reproduction.evidence.evidence_study import EvidenceStudy
from offline_training.reproduction.pretraining.pretraining_smoke import smoke_pretraining

_DRAWS, _MOST_SCANS, _REPLICATES = 2, 2, 50


def smoke_evidence(study: EvidenceStudy) -> Smoke[EvidenceStudy]:
    """The miniature of a study with every row, column and comparison, and the list of replacements.

    Raises BadConfig.
    """
    small, told = smoke_pretraining(study.trainings), Substitutions()
    probe = {
        "pool": tuple(small_sources(study.probe.pool, True, told)),
        "test": tuple(small_sources(study.probe.test, False, told)),
        "draws": _DRAWS,
        "rows_per_scan": 100,
        "test_rows_per_scan": 200,
    }
    told.put(f"{study.probe.draws} draws of labelled scans", f"{_DRAWS} of at most {_MOST_SCANS}")
    columns = tuple(column.model_copy(update={"scans": min(column.scans, _MOST_SCANS)}) for column in study.columns)
    shared = ("title", "source", "seeds", "rows", "pretrain", "toy_teacher", "weak_labels")
    changes = {name: getattr(small.study, name) for name in shared}
    changes |= {"columns": columns, "probe": study.probe.model_copy(update=probe), "replicates": _REPLICATES}
    return Smoke(study.model_copy(update=changes), tuple(dict.fromkeys((*small.told, *told.lines))))
