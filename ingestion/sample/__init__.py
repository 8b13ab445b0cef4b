"""The sample company "Larkfield": latent people -> visits -> wire -> landing, and the truth apart.

``write_sample`` makes a believable month of a shop with everything that goes wrong in one;
``measure`` compares published marts with what the people really did.
"""

from ingestion.sample.company import install_company
from ingestion.sample.measure import Comparison, measure
from ingestion.sample.synth import DEFAULT_PERSONS, DEFAULT_START, SampleReport, write_sample

__all__ = [
    "DEFAULT_PERSONS",
    "DEFAULT_START",
    "Comparison",
    "SampleReport",
    "install_company",
    "measure",
    "write_sample",
]
