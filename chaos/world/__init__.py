"""The world of a run: virtual time or real sockets. No other room knows which one a run takes place
in.

``world``: the two worlds, and the function that runs a coroutine in one of them.
``clock``: virtual time, which jumps to the next deadline when no task can run.
``network``: a TCP network in memory: listeners and dialling.
``stream``: one TCP connection in memory, with the timing and the errors of a real one.
``loop``: an event loop that stands in for trio in virtual time, at less cost.
``gc_pause``: pauses the garbage collector during a run.
``stopwatch``: real elapsed time, for reports only.
"""
