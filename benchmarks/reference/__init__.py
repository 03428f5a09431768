"""What the reference's scripts do to a frame, written anew: the same algorithms, network sizes and libraries.

Facts of OTAvatar_processing 2919dbc and of the tools that it calls; none of their code. Weights are random: a network
takes as long with any. Nothing here is used by talkmill itself.
"""
