"""The search for counterexamples: draw, target, run, judge, shrink.

``explore``: draws the examples of a property, runs and judges them until one fails.
``exploration``: the results of the examples of one property, and the verdict on it.
``injection_points``: the exchanges and connects of a run at which faults can be pinned.
``alphabet``: the faults and steps that a certificate places.
``placements``: a scenario with letters of an alphabet placed in it, one after the other.
``certify``: every placement of up to k faults, run and judged.
``recheck``: runs the placements of a certificate again, without the code that made it.
``opening``: the placements of up to two faults with which an exploration begins.
``target``: puts the faults of an example on injection points that its run reaches.
``known``: known defects, which an exploration counts and passes over.
``shrink``: reduces a failing scenario to the smallest one that fails in the same way.
``counterexample``: shrinks and confirms the scenario that an exploration found; the nearest run
that passes.
``shard``: the part of a search that one of several machines runs.
``engine``: the choice of what runs the tasks of a search.
``pool``: the worker processes that share tasks.
``dask_engine``: the workers of a Dask cluster in their place.
"""
