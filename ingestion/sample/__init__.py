"""The sample company "Larkfield": latent people -> visits -> wire -> landing, and the truth apart.

``write_sample`` makes a believable month of a shop with everything that goes wrong in one, as its
site, apps, servers, database and payment provider tell it, and what its old software left behind;
``measure`` compares published marts with what the people really did.
"""

from ingestion.sample.arrivals import give_back, hold_back
from ingestion.sample.company import install_company
from ingestion.sample.measure import Comparison, Told, measure, told_by
from ingestion.sample.shop import Shop
from ingestion.sample.synth import (
    DEFAULT_PERSONS,
    DEFAULT_START,
    EDITION,
    SampleReport,
    forget_sample,
    sample_shop,
    write_sample,
)

__all__ = [
    "DEFAULT_PERSONS",
    "DEFAULT_START",
    "EDITION",
    "Comparison",
    "SampleReport",
    "Shop",
    "Told",
    "forget_sample",
    "give_back",
    "hold_back",
    "install_company",
    "measure",
    "sample_shop",
    "told_by",
    "write_sample",
]
