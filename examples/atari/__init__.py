"""The parts of `examples/train_atari.py`, one idea a file.

* `settings`: hyper-parameters, and how epsilon falls.
* `network`: the body of a DQN with a quantile head, and the plain DQN that is its average.
* `games`: many copies of an Atari game side by side; `memory`: those whose memory is seen, too.
* `replay`: what was played, and n-step samples of it.
* `learning`: the quantile Huber loss and one step of gradient descent.
* `acting`: epsilon-greedy actions.
* `trainer`: all that changes in a training, and how it is kept.
* `training`: playing and learning in turn, until it is time to stop.
* `curve`, `stopping`: what is measured meanwhile, and when it is time.
* `checkpoint`: files that are whole at any moment.
* `export`: networks in half precision, as in the repository's `zoo/atari`.
* `evaluation`: scores over whole games.
"""
