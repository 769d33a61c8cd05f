"""Directories of shared spiking networks, here or on the Hugging Face Hub: how they are written, read and published.

Such a directory has three files, and nothing in it is executed when it is read:

* ``plan.safetensors``: the network, as of `dqn2snn.save_plan`.
* ``config.json``: where it plays, how it did, and with which versions it was made.
* ``README.md``: the model card, rendered from the two.

`Sharing` has the methods of `dqn2snn.SpikingQNetwork`, with the names and arguments of huggingface_hub's
``ModelHubMixin``. It is no subclass of that, and the card's header is no ``ModelCardData``, since a directory must be
written and read where the extra ``hub`` is not installed.
"""

from dqn2snn.plan.sharing._methods import Sharing as Sharing
