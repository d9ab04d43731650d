"""Files that people write: YAML to plain data with positions, diagnostics, and back to YAML.

``reader``: YAML text to plain data with the position of each part.
``diagnostic``: diagnostics and the document that they belong to.
``strict_model``: the base class of models, which reports all errors together.
``one_of``: fields whose possible values come from a registry.
``quantities``: durations, sizes, probabilities and whole numbers.
``emitter``: plain data to YAML in the style of a person.
"""
