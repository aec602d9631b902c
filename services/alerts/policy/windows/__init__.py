"""What is watched beside verdicts: events in; facts that rules can be about out, one file an idea.

Event time only. Every window is a bounded msgspec Struct; a fact that cannot be computed is left out.
"""
