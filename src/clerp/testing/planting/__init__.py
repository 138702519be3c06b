"""Features with known roles, made of any text, to test what routes and labels them.

The generator knows nothing of windows, embeddings or rules, and it is fixed before a rule is tuned
on what it makes: `GENERATOR` names its revision, and changing what it makes for a seed means a new
number. What it cannot make is the obscure feature of a real model; of that kind it has random
places of a text only.
"""

from clerp.testing.planting.planted import GENERATOR, KINDS, Planted, PlantedRole
from clerp.testing.planting.planting import plant, plant_many

__all__ = ["GENERATOR", "KINDS", "Planted", "PlantedRole", "plant", "plant_many"]
