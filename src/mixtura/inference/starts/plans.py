"""How far searches for starts go: every number that steers them."""

from mixtura.engines.search import Reach

SAMPLE = 1 << 12
SAMPLE_OF_COMPONENT = 128
"""Starts are sought in so many rows, or so many for each component, whichever is more."""

WIDER, WIDER_STEPS = 8, 8
"""Times as many rows, in which the ends of a sample are compared, and EM steps there before."""

STEPS = (4, 6, 8, 8, 9)
"""EM steps from every clustering. After each of these numbers ends that group rows alike become
one, and after the second only the best are left."""

ONCE_MORE = 10
"""EM steps of ends that have been found already, under another prior."""

RELOCATION_STEPS, TRIAL_STEPS = 25, 6
"""EM steps of a relocation, and those after which it is judged for the first time."""

LASTING_STEPS = 60
"""Further steps of maximum likelihood in which no component of a relocation may collapse."""

MOST_ENDS, MOST_IMPROVED = 3, 2
"""Ends that are kept, and those of them, of few rows, from which relocations are tried."""

TRIALS, TRIALS_OF_FEW, ROUNDS = 8, 24, 20
"""Relocations that are tried before the search ends, of few rows too, and that are made at most."""

FEW = 1 << 17
"""Size N K D of a problem of few rows, for matrices with K D^3 added."""

LEAST_GAIN = 0.01
"""Nats that a relocation must gain."""

HOPELESS = 0.5
"""Nats for each row that a relocation may promise to lose at most and still be tried."""

SAME = 0.01
"""Share of the rows that two ends which go to the same place may group otherwise."""

ALMOST, ALIKE = 2.0, 0.05
"""Nats within which an end is almost as good as the best, and share of the rows that may be grouped
otherwise by what is the same answer."""

SETTLED, TIE = 1e-9, 1e-7
"""Nats for each row: a step that changes the log likelihood by no more is the last one, and ends
that are closer are one, so that rounding does not choose."""

SCALE_ROUNDS, SCALE_STEPS, SCALE_SETTLED = 5, 20, 1e-10
"""Most rounds of so many steps after which the scale of the default prior must have come to rest,
and the relative change that is rest. What means are worth is found anew before each round."""

FEWEST = 0.25
"""Share of the average number of rows of a component below which a component has too few."""

HALF_NORMAL = (2.0 / 3.141592653589793) ** 0.5
"""Distance in standard deviations from the mean of a normal distribution to those of its halves."""

REACH = Reach(
    half_normal=HALF_NORMAL,
    core=0.25,
    halo=1.75,
    aside=0.1,
    tie=1e-9,
    nats=5.0,
    of_cuts=6.0,
    fewest_rows=4.0,
    occupied=0.5,
    local_steps=4,
    pairs=8,
    recut=4,
    overlaps=8,
)
"""How relocations are found. A promise is a guess, and the worse a guess the less normal the rows
of a component are: hence the multiple of what the best cut gains."""
