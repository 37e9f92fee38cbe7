"""The options of samplers and of stochastic variational inference, with their help."""

from typing import Annotated

from mixtura.cli.options import RESULTS, option_of

SAMPLERS_ONLY = "Only with --inference gibbs, collapsed or nuts"
GIBBS_ONLY = "Only with --inference gibbs or collapsed"
SVI_ONLY = "Only with --inference svi"

Chains = Annotated[
    int | None,
    option_of(
        "--chains", min=1, metavar="N", help="Number of chains; 4 by default.", panel=SAMPLERS_ONLY
    ),
]
Draws = Annotated[
    int | None,
    option_of(
        "--draws",
        min=1,
        metavar="N",
        help="Draws that are kept of each chain; 1000 by default, 500 of nuts, as many as suffice "
        "of collapsed.",
        panel=SAMPLERS_ONLY,
    ),
]
Warmup = Annotated[
    int | None,
    option_of(
        "--warmup",
        min=0,
        metavar="N",
        help="Draws of each chain before the first that is kept; 500 by default.",
        panel=SAMPLERS_ONLY,
    ),
]
EffectiveDraws = Annotated[
    int | None,
    option_of(
        "--effective-draws",
        min=1,
        metavar="N",
        help="Draw until R-hat is at most 1.01 and there are so many effective draws, of all "
        "chains together; 400 by default of collapsed.",
        panel=SAMPLERS_ONLY,
    ),
]
MostDraws = Annotated[
    int | None,
    option_of(
        "--max-draws",
        min=1,
        metavar="N",
        help="Draws of each chain at which --effective-draws gives up; 8000 by default.",
        panel=SAMPLERS_ONLY,
    ),
]
Checkpoint = Annotated[
    str | None,
    option_of(
        "--checkpoint",
        metavar="FILE",
        help="Keep in this file how far the fit is: chains of gibbs and collapsed, or what sweeps "
        "of map, ml and vb found. The same command goes on from it after an interruption, to the "
        "same result, and replaces the results that the interruption left; when it has ended, the "
        "file is deleted.",
        panel=RESULTS,
    ),
]
CheckpointSeconds = Annotated[
    float | None,
    option_of(
        "--checkpoint-seconds",
        min=0.0,
        metavar="X",
        help="Seconds from one writing of the checkpoint to the next; 30 by default.",
        panel=GIBBS_ONLY,
    ),
]
Steps = Annotated[
    int | None,
    option_of("--steps", min=1, metavar="N", help="Number of gradient steps.", panel=SVI_ONLY),
]
LearningRate = Annotated[
    float | None,
    option_of("--learning-rate", metavar="X", help="Adam's learning rate.", panel=SVI_ONLY),
]
PrintEvery = Annotated[
    int | None,
    option_of(
        "--print-every",
        min=1,
        metavar="N",
        help="Print the loss every N steps, on standard error.",
        panel=SVI_ONLY,
    ),
]
