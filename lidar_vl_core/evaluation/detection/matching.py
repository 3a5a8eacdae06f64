"""Which predicted box matches which true one: the most confident prediction chooses first."""

import numpy as np


def greedy_matches(cost: np.ndarray, score: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Let every prediction of a frame take the cheapest true box that is still free, where it costs less than the limit.

    cost: (P, T), of each prediction and true box. score: (P,). limits: (L,). Of equal scores the later prediction chooses
    first, of equal costs the first true box is taken. Returns (L, P) int64: for each limit the true box, -1 for none.
    Source: nuScenes' detection benchmark (Caesar et al. 2020, section 3.1), whose sort has the ties this way round.
    """
    matches = np.full((len(limits), len(cost)), -1, np.int64)
    if cost.size == 0:
        return matches
    each_limit = np.arange(len(limits))
    free = np.ones((len(limits), cost.shape[1]), bool)
    near = cost.min(axis=1) < limits.max()  # the others find nothing at any limit
    for found in by_score(score):
        if not near[found]:
            continue
        open_cost = np.where(free, cost[found], np.inf)  # (L, T)
        best = open_cost.argmin(axis=1)
        hit = open_cost[each_limit, best] < limits
        matches[hit, found] = best[hit]
        free[hit, best[hit]] = False
    return matches


def by_score(score: np.ndarray) -> np.ndarray:
    """(P,) row numbers, the highest score first, of equal ones the later row first."""
    return np.argsort(score, kind="stable")[::-1]


def centre_distance_m(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(P, T) horizontal distance between the centres of boxes (P, 7) and (T, 7)."""
    return np.linalg.norm(found[:, None, :2] - truth[None, :, :2], axis=2)
