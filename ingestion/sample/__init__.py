"""The sample company "Larkfield": latent people -> visits -> wire -> landing, and the truth apart.

``write_sample`` makes a believable month of a shop with everything that goes wrong in one, as its
site, apps, servers, database and payment provider tell it, and what its old software left behind;
``measure`` compares published marts with what the people really did.
"""

from ingestion.sample.company import install_company
from ingestion.sample.measure import Comparison, measure
from ingestion.sample.shop import SHOP, Shop
from ingestion.sample.synth import (
    DEFAULT_PERSONS,
    DEFAULT_START,
    SampleReport,
    sample_shop,
    write_sample,
)

__all__ = [
    "DEFAULT_PERSONS",
    "DEFAULT_START",
    "SHOP",
    "Comparison",
    "SampleReport",
    "Shop",
    "install_company",
    "measure",
    "sample_shop",
    "write_sample",
]
