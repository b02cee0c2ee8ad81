"""Attacks on fewclicks, bounded and on loopback: what was tried, how often, and what went wrong.

    make attack [MINUTES=90] [ONLY=kills,inputs] [SEED=1]

| file            | what it does                                                                                    |
|-----------------|-------------------------------------------------------------------------------------------------|
| kills.py        | kill -9 of a server at random moments while three clients act; every answer is compared after it |
| replacing.py    | kill -9 at each step of replacing a checkpoint, an export, an import                            |
| disturbances.py | a full disk, a folder that becomes read-only, two servers on a folder, a clock that is set back |
| inputs.py       | files that no one wrote by hand, through the readers, in children with limits                   |
| requests.py     | requests that no one wrote by hand, made from the OpenAPI document                              |
| load.py         | 64 annotators at once: errors, losses, fairness, memory                                         |
| connections.py  | idle and slow connections beside one honest user                                                |

`record.py` keeps the counts in results/reliability.json: what is run again goes on from them. `servers.py` starts what
is attacked as a user would, `clients.py` talks to it; `targets.py` and `mutations.py` are of the inputs.
"""
