"""The fast loop: a deterministic event loop that stands in for trio in the virtual world.

The obvious solution is trio alone. In virtual time half of a run was trio's scheduler: a poll for
sockets that do not exist in each turn, an ``Outcome`` for each task that is resumed, a tree of
cancel statuses that is updated with each scope, instruments, context variables, and protection from
``KeyboardInterrupt``. The fast loop runs the same code without these, and gives the same history,
byte for byte. trio remains the reference: tests run every scenario file on both and compare the
histories, and a counterexample that was found on the fast loop counts only once trio gives the same
history.

To give the same history it keeps trio's *turns*. The tasks that can run make a turn; they are
sorted by age and shuffled with the same draws as trio's; what becomes runnable meanwhile waits for
the next turn. Deadlines are looked at between turns, and the time moves only if no task can run. A
checkpoint takes one turn, and one more to raise a cancellation.

``names``: the names of trio that it has, and their installation for the duration of a run.
``running``: the run loop.
``state``: the run in progress, tasks, checkpoints, and the delivery of cancellations.
``scopes``: cancel scopes, and sleeping.
``nursery``: nurseries.
``interrupts``: Ctrl-C.
``waiting``: events, parking lots, locks and semaphores.
"""
