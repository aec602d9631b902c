"""What the API answers: every datum with its venue, origin, source and age. Pure.

Times are integers of nanoseconds (`*_ns`) and, beside them, RFC 3339 text. `age_s` is the time since the gateway got
the datum, by its own clock: recorded and simulated markets have event times of another day.
"""
