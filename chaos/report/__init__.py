"""Reports: results of runs as text, tables, XML and files. Nothing is printed here.

``scenario_report``: the result of one scenario or property in one world, as plain data.
``narrative``: the narrative of one record, with times.
``phrases``: the sentences for single events and outcomes.
``summary``: the summary of one result as lines of text.
``table``: the tables of several results, and the last line.
``certificate``: the page of a certificate.
``power``: which mutants the placements of certificates catch, and the page about it.
``zoo_table``: the report of ``zoo``.
``junit``: the results as JUnit XML.
``perfetto``: a run as Chrome trace JSON.
``html``: pages that explain a run in a browser.
``run_directory``: the files that are kept of a run.
``stored_histories``: histories that the project stores, and their pages.
``replay``: a counterexample as a test.
``shard_directory``: the files that are kept of a shard, to be merged.
"""
