"""Scenarios and properties: what people write, read and validated.

``scenario``: the models of a scenario.
``step``: a step of a workload, and the registry of steps.
``record_form``: the values and keys of the records of a step.
``consume_terms``: what a consumer of a step reads.
``steps``: one module for each step.
``workload``: walks steps as they are written, for mistakes that concern several of them.
``generators``: the parts of a scenario that are drawn.
``loader``: from YAML text to a property, or to its mistakes.
``variants``: finds the mistakes of a file with generators.
``property``: a scenario with generators, and its examples.
``bounds``: the time bounds that the documentation promises.
``expectations``: what a scenario demands under ``always`` and ``sometimes``.
``schema``: the JSON Schema of scenario files.
``guide``: the tables in the guide to scenarios.
"""
