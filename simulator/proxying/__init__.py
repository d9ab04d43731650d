"""A proxy before a real cluster: the same faults, with an upstream in place of handlers.

``proxy``: the proxy as a whole; its only nursery.
``exchange``: one connection without IO: frames of the client and of the upstream in, actions out.
``connection``: the task of one connection, and the task that reads its upstream.
``calls``: the requests that were forwarded and are not answered yet.
``undeclared``: stand-ins for APIs of which only the key is known.
``rewriting``: addresses and version ranges in answers.
``spus``: the SPUs of the upstream, each with a listener of the proxy.
``watching``: the proxy's own watch of the SPUs.
``upstream``: connections to the upstream: over TCP, with TLS or without.
``tls``: TLS on both sides: certificates, and streams.
``config``: the configuration of a proxy.
``command``: the command ``proxy``.
"""
