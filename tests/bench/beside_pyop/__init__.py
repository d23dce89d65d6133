"""What a request costs beside plain pyop: the same people, apps and requests, in turns, in the same run.

Three servers with one worker each, of the same Granian with the same settings, and the same host's login:

- *plain pyop*: a `pyop.provider.Provider` in a Falcon host that has its endpoints, with its state in dicts;
- *Creance*: its own app, with the login of the host and the durable embedded store;
- *adopted*: the host of the first, with `OpenIDProvider.adopt` around its provider, and the same kind of store.
"""
