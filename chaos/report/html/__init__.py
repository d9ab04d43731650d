"""Pages that explain runs in a browser: one file each, without scripts, readable offline.

``story``: ``story.html``, which explains one record of a run.
``index``: ``report.html``, the results of many scenarios.
``matrix``: the matrix of a certificate on it.
``subject``: the record that a story is about, and the others of its kind.
``sentence``: the cause in one sentence.
``marks``: the arrows and points of a space-time diagram.
``diagram``: the geometry of a space-time diagram, and the cells of the log.
``timeline``: the attempts of a record beside its retry policy.
``quantity``: durations and times in few characters.
``event_lines``: the events of a record's connections as lines of text, with changes of the cluster.
``page``: the templates, and how text gets into them.
"""
