"""The class model of OLIVINE against the published values of its normaliser and its concentration."""

import math

import pytest
import torch

from offline_training.losses.von_mises_fisher import VmfStatistics, vmf_log_normaliser

GOLDEN_NORMALISERS = {10.0: 39.9954, 20.0: 37.7751, 40.0: 29.9208, 60.0: 18.9796}
GOLDEN_OF_THE_ORIGINAL = {
    10.0: 4.6251,
    20.0: 16.4660,
    40.0: 18.3034,
    60.0: 11.0766,
}  # its Bessel function is of order 0
GOLDEN_BESSEL = {10.0: -27.4274, 20.0: -3.7195, 40.0: 25.6224, 60.0: 49.1330}


@pytest.mark.parametrize("kappa", GOLDEN_NORMALISERS)
def test_the_normaliser_has_the_published_values(kappa):
    value = float(vmf_log_normaliser(torch.tensor(kappa, dtype=torch.float64), 64))
    log_bessel = 31 * math.log(kappa) - 32 * math.log(2 * math.pi) - value
    log_bessel_0 = float(torch.special.i0e(torch.tensor(kappa, dtype=torch.float64)).log()) + kappa
    assert value == pytest.approx(GOLDEN_NORMALISERS[kappa], abs=5e-5)
    assert log_bessel == pytest.approx(GOLDEN_BESSEL[kappa], abs=5e-5)
    assert value + log_bessel - log_bessel_0 == pytest.approx(GOLDEN_OF_THE_ORIGINAL[kappa], abs=5e-5)


def test_the_normaliser_tends_to_one_over_the_area_of_the_sphere():
    area = 2 * math.pi**32 / math.gamma(32)
    assert float(vmf_log_normaliser(torch.zeros((), dtype=torch.float64), 64)) == pytest.approx(
        -math.log(area), abs=1e-12
    )
    assert -math.log(area) == pytest.approx(40.7677, abs=5e-5)


GOLDEN_KAPPAS = {0.3: 21.069, 0.6: 59.662, 0.9: 299.321}
SHRUNK_KAPPAS = {0.5: (42.5, 22.4), 0.7: (87.2, 35.1), 0.8: (140.8, 43.3), 0.9: (299.3, 53.6), 0.95: (614.8, 59.8)}


@pytest.mark.parametrize("length", GOLDEN_KAPPAS)
def test_the_concentration_has_the_published_values(length):
    statistics = VmfStatistics(1, 64)
    statistics.mean_feature[0, 3] = length
    assert float(statistics.kappa()) == pytest.approx(GOLDEN_KAPPAS[length], abs=6e-4)


@pytest.mark.parametrize("length", SHRUNK_KAPPAS)
def test_without_bias_correction_kappa_is_as_small_as_the_originals_and_with_it_true(length):
    for corrected, expected in zip((True, False), SHRUNK_KAPPAS[length], strict=True):
        statistics = VmfStatistics(1, 64, bias_correction=corrected)
        gathered = 1 - (1 - 1e-4) ** 10000
        statistics.mean_feature[0, 5], statistics.gathered_weight[0] = length * gathered, gathered
        assert float(statistics.kappa()) == pytest.approx(expected, abs=0.051)


@pytest.mark.parametrize("corrected", [True, False])
def test_bias_correction_divides_by_the_weight_gathered_so_far(corrected):
    statistics = VmfStatistics(2, 64, decay=0.01, bias_correction=corrected)
    feature = torch.zeros(1, 64)
    feature[0, 5] = 0.6
    for step in range(30):
        statistics.update(feature, torch.zeros(1, dtype=torch.int64), step)
    length = 0.6 if corrected else 0.6 * (1 - 0.99**30)
    assert float(statistics.kappa()[0]) == pytest.approx(length * (64 - length**2) / (1 - length**2), rel=1e-4)
    assert float(statistics.kappa()[1]) == 0.0
