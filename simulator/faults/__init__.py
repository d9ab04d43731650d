"""The fault model, without IO: which faults there are, and what they do to which frames.

``effects``: actions that a server carries out on a frame, and the effects that follow from them.
``model``: a fault apart from its kind: cut point, trigger and match.
``kinds``: one module for each kind of fault.
``distributions``: distributions of delays.
``draws``: random draws that depend on their subject alone.
``armed``: one fault of a plan: what it concerns, and what it strikes.
``plan``: the evaluation of faults: the verdict for each frame.
``fault_list``: a list of faults as YAML writes it, and the names of its members.
``fault_file``: a faults file.
``guide``: the sections about kinds in ``docs/faults.md``, generated from the classes.
"""
