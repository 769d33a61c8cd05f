"""Sharing converted networks: a directory with plan, scores and model card, and the Hugging Face Hub.

* ``plan.safetensors``: the spiking network, bit by bit, see `dqn2snn.save_plan`.
* ``config.json``: where it plays, how it did, and with which versions it was made.
* ``README.md``: the model card, rendered from the two.

Nothing in such a directory is executed when it is read.
"""

from dqn2snn.io.sharing._files import Pretrained, from_pretrained, save_pretrained
from dqn2snn.io.sharing._hub import push_to_hub

__all__ = ["Pretrained", "from_pretrained", "push_to_hub", "save_pretrained"]
